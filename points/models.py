"""What is traded: projects, their programs, allocation lists, markets and offers.

Market state, an offer's filled units and a maker's free funds are facts of the chain: the projector writes them here through
`points.services`; nothing else does.
"""

import pghistory
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from otc.core.fields import ZERO_ADDRESS, AddressField, Hash32Field, Uint256Field
from otc.core.models import Chain


class AssetKind(models.IntegerChoices):
    """The contract's `kind` codes."""

    POINTS = 0, "Points"
    ALLOCATION = 1, "Allocation"
    TOKEN = 2, "Token"
    RIGHT = 3, "Right"


@pghistory.track()
class Project(models.Model):
    """A team."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80)
    description = models.TextField(max_length=2000, blank=True)
    website = models.URLField(max_length=200, blank=True)
    verified = models.BooleanField(default=False, help_text="Operators have checked that the team stands behind it.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ProjectMember(models.Model):
    """A wallet that may act for a project in its console."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    added_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="project_member_once")]


@pghistory.track()
class Program(models.Model):
    """A points season, airdrop, token sale or right of a project."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="programs")
    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80)
    kind = models.PositiveSmallIntegerField(choices=AssetKind)
    unit_name = models.CharField(max_length=30, help_text="One unit, singular: point, ENS, key.")
    unit_decimals = models.PositiveSmallIntegerField(
        default=0, help_text="How many decimals the screen shows: 10^n base units make one unit of the program."
    )
    description = models.TextField(max_length=4000, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=[0, 1, 2, 3]), name="program_kind_known"),
            models.CheckConstraint(condition=Q(unit_decimals__lte=18), name="program_decimals_at_most_18"),
        ]

    def __str__(self) -> str:
        return self.name


# ---------------------------------------------------------------- allocation lists


class AllocationList(models.Model):
    """An uploaded `address,amount` file. Rows become visible together, when the whole file was good."""

    class State(models.TextChoices):
        UPLOADED = "uploaded", "Waiting"
        IMPORTING = "importing", "Reading"
        READY = "ready", "Ready"
        REFUSED = "refused", "Refused"

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="allocation_lists")
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    file = models.FileField(upload_to="allocations/")
    file_name = models.CharField(max_length=200)
    file_sha256 = Hash32Field()
    file_size = models.PositiveBigIntegerField(help_text="Bytes.")
    state = models.CharField(max_length=10, choices=State, default=State.UPLOADED)
    bytes_read = models.PositiveBigIntegerField(default=0)
    row_count = models.PositiveIntegerField(default=0)
    total = Uint256Field(default=0)
    root = Hash32Field(null=True, help_text="OpenZeppelin StandardMerkleTree over (address, uint256).")
    errors = models.JSONField(default=list, help_text="[{line, detail}], the first hundred.")
    error_count = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="Imports begun; one more than ended means a crash."
    )
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.get_state_display()})"


class AllocationRow(models.Model):
    list = models.ForeignKey(AllocationList, on_delete=models.CASCADE, related_name="rows")
    position = models.PositiveIntegerField(help_text="0-based row of the file, the `index` of indexed leaf formats.")
    address = AddressField()
    amount = Uint256Field()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["list", "address"], name="allocation_address_once"),
            models.UniqueConstraint(fields=["list", "position"], name="allocation_position_once"),
        ]


# ---------------------------------------------------------------- markets


class PayToken(models.Model):
    """A token that the escrow of a chain takes as payment and collateral."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="pay_tokens")
    address = AddressField()
    symbol = models.CharField(max_length=20)
    decimals = models.PositiveSmallIntegerField()
    allowed = models.BooleanField(default=True, help_text="As the contract says.")

    class Meta:
        ordering = ["symbol"]
        constraints = [
            models.UniqueConstraint(fields=["chain", "address"], name="pay_token_once"),
            models.CheckConstraint(condition=Q(decimals__lte=36), name="pay_token_decimals_sane"),
        ]

    def __str__(self) -> str:
        return self.symbol


class MarketStatus(models.IntegerChoices):
    """The contract's status codes. FINAL is PROPOSED whose objection period has passed: a matter of time, not of a write."""

    NONE = 0, "Not yet on chain"
    OPEN = 1, "Open"
    PROPOSED = 2, "Terms proposed"
    CANCEL_PROPOSED = 3, "Cancellation proposed"
    CANCELLED = 4, "Cancelled"


@pghistory.track(fields=["status", "listed", "rules_text"])
class Market(models.Model):
    """A program traded under one set of hashed terms in one payment token on one chain."""

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="markets")
    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="markets")
    pay_token = models.ForeignKey(PayToken, on_delete=models.PROTECT, related_name="markets")
    market_id = Hash32Field(help_text="keccak256(abi.encode(MarketTerms)).")
    # The terms, as hashed (names as in the contract; payToken and kind come from pay_token and program).
    resolver = AddressField()
    guardian = AddressField()
    attestor = AddressField()
    arbitrator = AddressField()
    settlement = models.PositiveSmallIntegerField(default=0, help_text="0 on chain, 1 attested.")
    objection = models.PositiveIntegerField(help_text="Seconds.")
    min_window = models.PositiveIntegerField(help_text="Seconds.")
    max_window = models.PositiveIntegerField(help_text="Seconds.")
    challenge = models.PositiveIntegerField(default=0, help_text="Seconds.")
    arbitration_window = models.PositiveIntegerField(default=0, help_text="Seconds.")
    bond_bps = models.PositiveIntegerField(default=0)
    long_stop = models.PositiveBigIntegerField(help_text="Unix seconds.")
    max_ratio_num = Uint256Field(default=0)
    max_ratio_den = Uint256Field(default=0)
    rules_hash = Hash32Field()
    rules_text = models.TextField(max_length=20_000)
    # Facts of the chain.
    status = models.PositiveSmallIntegerField(choices=MarketStatus, default=MarketStatus.NONE)
    deal_count = models.PositiveIntegerField(default=0)
    last_price_e18 = Uint256Field(null=True, help_text="Of the newest deal: floor(payment * 10^18 / units).")
    # Ours: whether the front page shows it.
    listed = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["market_id", "chain"], name="market_id_once"),
            models.CheckConstraint(condition=~Q(resolver=F("guardian")), name="market_resolver_is_not_guardian"),
            models.CheckConstraint(condition=Q(status__in=[0, 1, 2, 3, 4]), name="market_status_known"),
            models.CheckConstraint(condition=Q(min_window__lte=F("max_window")), name="market_windows_ordered"),
            models.CheckConstraint(
                condition=Q(
                    settlement=0,
                    attestor=ZERO_ADDRESS,
                    arbitrator=ZERO_ADDRESS,
                    challenge=0,
                    arbitration_window=0,
                    bond_bps=0,
                )
                | Q(
                    ~Q(attestor=ZERO_ADDRESS),
                    ~Q(arbitrator=ZERO_ADDRESS),
                    ~Q(attestor=F("arbitrator")),
                    settlement=1,
                    challenge__gt=0,
                    arbitration_window__gt=0,
                    bond_bps__lte=10_000,
                ),
                name="market_proof_all_or_none",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.program.name} / {self.pay_token.symbol}"


class UnknownMarket(models.Model):
    """Status of a market of the chain that is not registered here (yet): terms can reach the chain first."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="+")
    market_id = Hash32Field()
    status = models.PositiveSmallIntegerField(choices=MarketStatus)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["market_id", "chain"], name="unknown_market_once")]


# ---------------------------------------------------------------- offers


class Side(models.IntegerChoices):
    """What the maker does."""

    BUY = 0, "Buy"
    SELL = 1, "Sell"


class OfferState(models.TextChoices):
    OPEN = "open", "Open"
    FILLED = "filled", "Filled"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"


# Offers that did not end by themselves: time, an epoch or a salt may end them yet, and a reorg revive them.
STANDING = Q(state__in=["open", "cancelled"], withdrawn=False, cancelled_on_chain=False)
# All-or-none offers that used up their salt themselves.
USED_SALT = Q(min_fill=F("units")) & (Q(cancelled_on_chain=True) | Q(filled_units__gte=F("units")))


class MakerFunds(models.Model):
    """A wallet's free escrow balance in one token, as projected from the chain at depth seen. The book hides what it can't cover."""

    pay_token = models.ForeignKey(PayToken, on_delete=models.PROTECT, related_name="+")
    maker = AddressField()
    free = Uint256Field(default=0)

    class Meta:
        verbose_name_plural = "maker funds"
        constraints = [models.UniqueConstraint(fields=["pay_token", "maker"], name="maker_funds_once")]


class MakerEpoch(models.Model):
    """epochs[maker] of the contract: offers signed for another epoch are dead."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="+")
    maker = AddressField()
    epoch = Uint256Field(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["chain", "maker"], name="maker_epoch_once")]


class MakerNonces(models.Model):
    """Of nonces[maker][word]: the bits that invalidations and resales set. Each is a salt that is used up."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="+")
    maker = AddressField()
    word = Uint256Field()
    mask = Uint256Field(default=0)

    class Meta:
        verbose_name_plural = "maker nonces"
        constraints = [models.UniqueConstraint(fields=["chain", "maker", "word"], name="maker_nonce_word_once")]


class UnknownOffer(models.Model):
    """Facts of the chain about an offer that is not posted here: one that went from hand to hand, or came later."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="+")
    offer_hash = Hash32Field()
    filled_units = Uint256Field(default=0)
    cancelled = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["chain", "offer_hash"], name="unknown_offer_once")]


@pghistory.track(fields=["state"])
class Offer(models.Model):
    """A maker's signed intention. The signed fields never change; `filled_units` and the end states come from the chain."""

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="offers")
    offer_hash = Hash32Field(help_text="EIP-712 digest that was signed.")
    maker = AddressField()
    taker = AddressField(help_text="The zero address: anyone.")
    side = models.PositiveSmallIntegerField(choices=Side)
    units = Uint256Field()
    payment = Uint256Field(help_text="Base units of the market's payment token, for all units.")
    collateral = Uint256Field(help_text="Base units of the market's payment token, for all units.")
    min_fill = Uint256Field()
    max_fee_bps = models.PositiveIntegerField()
    expiry = models.PositiveBigIntegerField(help_text="Unix seconds, inclusive.")
    epoch = Uint256Field()
    salt = Uint256Field()
    ref = Hash32Field()
    signature = models.BinaryField(max_length=4096)
    # Sort keys of the book, derived once at posting.
    price_e18 = Uint256Field(help_text="floor(payment * 10^18 / units).")
    collateral_bps = Uint256Field(help_text="floor(collateral * 10,000 / payment).")
    # Facts of the chain, the maker's own withdrawal from the book, and what follows from both (points.domain.offers).
    cancelled_on_chain = models.BooleanField(default=False, help_text="Its own `cancel`; epoch and nonces stand apart.")
    withdrawn = models.BooleanField(
        default=False, help_text="Taken out of our book by the maker, without a transaction."
    )
    state = models.CharField(max_length=10, choices=OfferState, default=OfferState.OPEN)
    filled_units = Uint256Field(default=0)
    fillable_units = Uint256Field(default=0, help_text="What the maker's free funds cover now; 0 hides the offer.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            # The digest covers chain and market.
            models.UniqueConstraint(fields=["offer_hash"], name="offer_hash_once"),
            models.CheckConstraint(
                condition=Q(units__gt=0, payment__gt=0, min_fill__gt=0), name="offer_amounts_positive"
            ),
            models.CheckConstraint(condition=Q(min_fill__lte=F("units")), name="offer_min_fill_within_units"),
            models.CheckConstraint(condition=Q(filled_units__lte=F("units")), name="offer_filled_within_units"),
            models.CheckConstraint(condition=Q(side__in=[0, 1]), name="offer_side_known"),
        ]
        indexes = [
            # The two sides of the book, each in its own order: best price, most collateral, oldest.
            models.Index(
                fields=["market", "-price_e18", "-collateral_bps", "id"],
                condition=Q(state="open", fillable_units__gt=0, side=0),
                name="offer_bids",
            ),
            models.Index(
                fields=["market", "price_e18", "-collateral_bps", "id"],
                condition=Q(state="open", fillable_units__gt=0, side=1),
                name="offer_asks",
            ),
            models.Index(fields=["maker", "id"], name="offer_by_maker"),
            # What a fact about the maker may touch: few, however many of his offers are over.
            models.Index(fields=["maker"], condition=STANDING, name="offer_standing"),
            models.Index(fields=["maker", "salt"], condition=USED_SALT, name="offer_used_salts"),
            models.Index(fields=["expiry"], condition=STANDING, name="offer_expiring"),
            # A reorg may turn the chain's time back by a few blocks.
            models.Index(fields=["expiry"], condition=Q(state="expired"), name="offer_expired"),
        ]

    def __str__(self) -> str:
        return f"Offer {self.pk}"

    @property
    def all_or_none(self) -> bool:
        """Consumed by a bit of the nonce bitmap, in one fill."""
        return bool(self.min_fill == self.units)

    @property
    def state_now(self) -> str:
        """`state`, and `expired` past the expiry, though the reader has not come to it yet. Needs market with chain."""
        over = self.state == OfferState.OPEN and self.expiry < (self.market.chain.head_time or 0)
        return OfferState.EXPIRED.value if over else self.state
