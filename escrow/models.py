"""How it settles: deals, settlement terms, and the ledger; plus the tables of the chain reader and the keeper.

Deals, settlement terms and ledger rows are a fold over canonical chain events: they can be dropped and rebuilt.
"""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from escrow.chain.models import Block, ChainCursor, ChainEvent, Depth, EndpointHealth, Reorg, WrittenTogether
from escrow.checks.models import Check, CheckRun
from escrow.keeper.models import Attempt, Intent, IntentState, Signer
from otc.core.fields import ZERO_ADDRESS, AddressField, Hash32Field, Uint256Field
from otc.core.models import Chain
from points.models import Market, Offer, PayToken

__all__ = [
    "Account",
    "AccountKind",
    "Attempt",
    "AutoDelivery",
    "Block",
    "ChainCursor",
    "ChainEvent",
    "Check",
    "CheckRun",
    "Deal",
    "DealOutcome",
    "DealPhase",
    "DealTranche",
    "DealTransfer",
    "DeliveredRight",
    "Depth",
    "EndpointHealth",
    "Intent",
    "IntentState",
    "KeptRight",
    "MarketRecord",
    "Reorg",
    "RightMovement",
    "SettlementTerms",
    "Signer",
    "Transfer",
    "TransferState",
]


class DealOutcome(models.IntegerChoices):
    """The contract's outcome codes; 0 while the deal is open."""

    OPEN = 0, "Open"
    DELIVERED = 1, "Delivered"
    SLASHED = 2, "Slashed"
    REFUNDED = 3, "Refunded"
    MUTUAL = 4, "Closed by both"
    RULED = 5, "Ruled"
    TIMED_OUT = 6, "Ended neutrally"


class DealPhase(models.IntegerChoices):
    """The contract's phase codes of a deal whose delivery is attested; 0 before the attestation, and in all other markets."""

    NONE = 0, "Not attested"
    ATTESTED = 1, "Attested"
    DISPUTED_BY_BUYER = 2, "Disputed by the buyer"
    DISPUTED_BY_SELLER = 3, "Disputed by the seller"


class MarketRecord(models.Model):
    """A market whose events are folded here. A market may be registered after it was created on chain: it has no record until then."""

    market = models.OneToOneField(Market, on_delete=models.CASCADE, related_name="record")
    created_event = models.ForeignKey(ChainEvent, on_delete=models.PROTECT, related_name="+")
    cancel_confirmable_at = models.PositiveBigIntegerField(
        null=True, help_text="Unix seconds; set while a cancellation is proposed."
    )


class SettlementTerms(models.Model):
    """What the resolver proposed. One live row per market; a veto removes it from the canonical fold."""

    market = models.OneToOneField(Market, on_delete=models.PROTECT, related_name="settlement_terms")
    token = AddressField()
    token_symbol = models.CharField(max_length=20, blank=True, help_text="As the token says; shown, never trusted.")
    token_decimals = models.PositiveSmallIntegerField(null=True)
    ratio_num = Uint256Field()
    ratio_den = Uint256Field()
    start = models.PositiveBigIntegerField(help_text="Unix seconds.")
    window = models.PositiveIntegerField(help_text="Seconds, extension included.")
    tge_bps = models.PositiveIntegerField()
    tranches = models.PositiveSmallIntegerField()
    period = models.PositiveIntegerField(help_text="Seconds between tranches.")
    final_at = models.PositiveBigIntegerField(help_text="Unix seconds: no veto from here on.")
    extended = models.BooleanField(default=False)
    semi_fungible = models.BooleanField(
        null=True,
        help_text="Pieces of an ERC-1155, or of an ERC-721; null: the token is no right, or nothing is delivered.",
    )
    ids_root = Hash32Field(null=True, help_text="Merkle root of the ids that count; null: any id.")
    event = models.ForeignKey(ChainEvent, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name_plural = "settlement terms"
        constraints = [
            models.CheckConstraint(
                condition=Q(ids_root=None) | Q(semi_fungible__isnull=False), name="settlement_ids_are_of_rights"
            ),
        ]


class Deal(models.Model):
    """One fill: a bilateral contract. Mirrors the contract's struct as it is now: buyer, seller, their references and
    `opened_at` change when a place in the deal changes hands. Outcome, attestation and sums follow the deal's events.
    """

    chain = WrittenTogether(Chain, on_delete=models.PROTECT, related_name="deals")
    deal_id = Hash32Field()
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="deals")
    offer = models.ForeignKey(
        Offer, on_delete=models.PROTECT, null=True, related_name="deals", help_text="Null: never posted here."
    )
    offer_hash = Hash32Field()
    matched_offer_hash = Hash32Field(
        null=True,
        help_text="The buyer's offer, when offers of two makers were matched; `offer_hash` is the seller's then.",
    )
    maker_side = models.PositiveSmallIntegerField()
    buyer = AddressField()
    seller = AddressField()
    pay_token = models.ForeignKey(PayToken, on_delete=models.PROTECT, related_name="deals", db_index=False)
    units = Uint256Field()
    payment = Uint256Field()
    collateral = Uint256Field()
    fee_bps = models.PositiveIntegerField()
    buyer_ref = Hash32Field()
    seller_ref = Hash32Field()
    opened_at = models.PositiveBigIntegerField(help_text="Unix seconds: of the fill, or of the last change of hands.")
    opened_event = WrittenTogether(ChainEvent, on_delete=models.PROTECT, related_name="+")
    outcome = models.PositiveSmallIntegerField(choices=DealOutcome, default=DealOutcome.OPEN)
    closed_event = WrittenTogether(ChainEvent, on_delete=models.PROTECT, null=True, related_name="+")
    # Sums over the deal's Settled events, base units of the payment token.
    paid_to_buyer = Uint256Field(default=0)
    paid_to_seller = Uint256Field(default=0)
    fee_paid = Uint256Field(default=0)
    # Of a delivery outside the escrow. What was so when the deal ended stands.
    phase = models.PositiveSmallIntegerField(choices=DealPhase, default=DealPhase.NONE)
    phase_until = models.PositiveBigIntegerField(
        null=True, help_text="Unix seconds: the last one to dispute in, or to rule in."
    )
    attested_units = Uint256Field(default=0)
    attestation_evidence = Hash32Field(null=True)
    disputed_by = AddressField(null=True, help_text="Who locked the bond.")
    dispute_evidence = Hash32Field(null=True)
    bond = Uint256Field(default=0, help_text="Base units of the payment token.")
    appeals = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["chain", "deal_id"], name="deal_id_once"),
            models.CheckConstraint(condition=~Q(buyer=F("seller")), name="deal_has_two_parties"),
            models.CheckConstraint(condition=Q(outcome__in=[0, 1, 2, 3, 4, 5, 6]), name="deal_outcome_known"),
            models.CheckConstraint(
                condition=Q(outcome=0, closed_event=None) | Q(outcome__gt=0, closed_event__isnull=False),
                name="deal_closed_by_an_event",
            ),
            models.CheckConstraint(
                condition=Q(outcome=0)
                | Q(payment=F("paid_to_buyer") + F("paid_to_seller") + F("fee_paid") - F("collateral") - F("bond")),
                name="deal_closed_pays_all",
            ),
            models.CheckConstraint(
                condition=Q(phase=0, phase_until=None) | Q(phase__in=[1, 2, 3], phase_until__isnull=False),
                name="deal_phase_known",
            ),
            models.CheckConstraint(
                condition=Q(attested_units=0, attestation_evidence=None, phase__in=[0, 3])
                | Q(
                    attested_units__gt=0,
                    attested_units__lte=F("units"),
                    attestation_evidence__isnull=False,
                    phase__in=[1, 2, 3],
                ),
                name="deal_attested_in_bounds",
            ),
            models.CheckConstraint(
                condition=Q(phase__in=[0, 1], disputed_by=None, dispute_evidence=None, bond=0, appeals=0)
                | (
                    Q(disputed_by__isnull=False, dispute_evidence__isnull=False, appeals__lte=3)
                    & (
                        Q(phase=2, disputed_by=F("buyer"))
                        | Q(phase=3, disputed_by=F("seller"), attested_units__lt=F("units"))
                    )
                ),
                name="deal_disputed_by_a_party",
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=[0, 4])
                | Q(phase=0, outcome__in=[1, 2, 3])
                | Q(phase=1, outcome__in=[1, 2])
                | Q(phase__in=[2, 3], outcome__in=[5, 6]),
                name="deal_outcome_of_phase",
            ),
        ]
        indexes = [
            models.Index(fields=["buyer", "id"], name="deal_by_buyer"),
            models.Index(fields=["seller", "id"], name="deal_by_seller"),
            models.Index(fields=["market", "id"], condition=Q(outcome=0), name="deal_open_by_market"),
            models.Index(
                fields=["chain", "phase_until"], condition=Q(outcome=0, phase__gt=0), name="deal_open_by_until"
            ),
            models.Index(fields=["offer_hash"], condition=Q(offer=None), name="deal_without_offer"),
        ]

    def __str__(self) -> str:
        return f"Deal {self.pk}"


class DealTranche(models.Model):
    """Progress of one tranche of a deal; a row exists once something happened to it."""

    deal = WrittenTogether(Deal, on_delete=models.CASCADE, related_name="tranches")
    number = models.PositiveSmallIntegerField()
    delivered = Uint256Field(
        default=0, help_text="Base units of the settlement token, or pieces of a right, measured at the receiver."
    )
    outcome = models.PositiveSmallIntegerField(choices=DealOutcome, default=DealOutcome.OPEN)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["deal", "number"], name="deal_tranche_once")]


class DealTransfer(models.Model):
    """A place in a deal changed hands: given away, or sold. The deal's row has the holder of now."""

    deal = models.ForeignKey(Deal, on_delete=models.CASCADE, related_name="transfers")
    event = models.OneToOneField(ChainEvent, on_delete=models.PROTECT, related_name="+")
    side = models.PositiveSmallIntegerField(help_text="0 the buyer's place, 1 the seller's.")
    from_address = AddressField()
    to_address = AddressField()
    ref = Hash32Field(help_text="The new holder's reference.")
    opened_at = models.PositiveBigIntegerField(help_text="The deal's from here on: part of its new commitment.")
    price = Uint256Field(null=True, help_text="Base units of the payment token; null: given away.")
    lister_pays = models.BooleanField(default=False, help_text="The price went to the new holder.")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=~Q(from_address=F("to_address")), name="deal_transfer_moves"),
            models.CheckConstraint(condition=Q(side__in=[0, 1]), name="deal_transfer_side_known"),
            models.CheckConstraint(
                condition=Q(price__isnull=False) | Q(lister_pays=False), name="deal_transfer_gift_costs_nothing"
            ),
            models.CheckConstraint(
                condition=Q(side=0) | Q(price__isnull=False), name="deal_transfer_seller_has_collateral"
            ),
        ]
        indexes = [
            models.Index(fields=["from_address", "id"], name="deal_transfer_by_from"),
            models.Index(fields=["to_address", "id"], name="deal_transfer_by_to"),
        ]

    def __str__(self) -> str:
        return f"Transfer of place {self.side} in deal {self.deal_id}"


class DeliveredRight(models.Model):
    """Pieces of one right that came in a tranche of a deal."""

    deal = models.ForeignKey(Deal, on_delete=models.CASCADE, related_name="pieces")
    event = models.OneToOneField(ChainEvent, on_delete=models.PROTECT, related_name="+")
    tranche = models.PositiveSmallIntegerField()
    token = AddressField()
    right = Uint256Field(help_text="The id.")
    amount = Uint256Field(help_text="Pieces, measured at the receiver; 1 of an ERC-721.")
    to_escrow = models.BooleanField(help_text="Kept there for the buyer, else in his wallet.")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"Right {self.right} of deal {self.deal_id}"


class KeptRight(models.Model):
    """How many pieces of a right the rights escrow keeps for a user: the sum of its movements. Not money: the ledger knows none of it.

    A row of which all went out, or was taken back by a reorg, stays with 0.
    """

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="+")
    token = AddressField()
    right = Uint256Field(help_text="The id.")
    user = AddressField()
    amount = Uint256Field(default=0, help_text="Pieces, at depth seen.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["chain", "token", "right", "user"], name="kept_right_once"),
        ]
        indexes = [models.Index(fields=["user", "chain"], name="kept_right_by_user")]

    def __str__(self) -> str:
        return f"Kept right {self.pk}"


class RightMovement(models.Model):
    """What one event brought in for a user (a delivery into escrow) or took out (a withdrawal)."""

    kept = models.ForeignKey(KeptRight, on_delete=models.PROTECT, related_name="movements")
    event = models.OneToOneField(ChainEvent, on_delete=models.PROTECT, related_name="+")
    amount = Uint256Field(help_text="Pieces.")
    incoming = models.BooleanField()

    class Meta:
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="right_movement_moves")]

    def __str__(self) -> str:
        return f"{'In' if self.incoming else 'Out'}: {self.amount} of {self.kept_id}"


class AutoDelivery(models.Model):
    """A seller's standing approval: how much of a token anyone may still deliver from his wallet into his deals of a market.

    The market may be unknown here. A row whose amount is used up, or taken back by a reorg, stays with 0.
    """

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="+")
    seller = AddressField()
    market_id = Hash32Field(help_text="The contract's id of the market.")
    token = AddressField(help_text="The settlement token.")
    amount = Uint256Field(default=0, help_text="Base units of the token.")

    class Meta:
        verbose_name_plural = "auto deliveries"
        constraints = [
            models.UniqueConstraint(fields=["market_id", "seller", "token", "chain"], name="auto_delivery_once"),
        ]
        indexes = [models.Index(fields=["seller"], name="auto_delivery_by_seller")]

    def __str__(self) -> str:
        return f"Auto-delivery {self.pk}"


# ---------------------------------------------------------------- ledger


class AccountKind(models.TextChoices):
    """Where money stands. EXTERNAL is the world outside the escrow: what came from there and has not gone back."""

    FREE = "free", "Free balance"
    LOCKED = "locked", "Locked in a deal"
    FEES = "fees", "Fees"
    EXTERNAL = "external", "Outside"


class Account(models.Model):
    """One balance of the double-entry ledger: (chain, token, kind, owner or deal).

    `balance` is the running sum of its transfers that are not void (`reconcile` recounts it): credits - debits, and for
    EXTERNAL debits - credits, so it is never negative (escrow.domain.ledger).
    """

    chain = WrittenTogether(Chain, on_delete=models.PROTECT, related_name="+")
    token = AddressField(help_text="Payment tokens, and tokens delivered into escrow.")
    kind = models.CharField(max_length=8, choices=AccountKind)
    owner = AddressField(help_text="The user of a free balance; else the zero address.", default=ZERO_ADDRESS)
    deal_id = Hash32Field(null=True, help_text="The deal of a locked balance.")
    balance = Uint256Field(default=0, help_text="Base units, at depth seen.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["chain", "token", "kind", "owner", "deal_id"], name="account_once", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(kind="locked", deal_id__isnull=False) | (~Q(kind="locked") & Q(deal_id=None)),
                name="account_locked_has_deal",
            ),
        ]
        indexes = [models.Index(fields=["owner", "chain"], condition=Q(kind="free"), name="account_by_owner")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"


class TransferState(models.TextChoices):
    """Pending when the event is seen, posted when it is final, void when a reorg took it back."""

    PENDING = "pending", "Pending"
    POSTED = "posted", "Posted"
    VOID = "void", "Void"


class Transfer(models.Model):
    """An immutable movement: only its state moves, pending → posted | void, once."""

    debit = WrittenTogether(Account, on_delete=models.PROTECT, related_name="debits", help_text="Money leaves here.")
    credit = WrittenTogether(Account, on_delete=models.PROTECT, related_name="credits", help_text="And arrives here.")
    amount = Uint256Field()
    kind = models.CharField(
        max_length=20, help_text="deposit, withdraw, lock, release, bond, price, fee, collect, delivery."
    )
    event = WrittenTogether(ChainEvent, on_delete=models.PROTECT, related_name="transfers")
    leg = models.PositiveSmallIntegerField(help_text="Which movement of the event.")
    state = models.CharField(max_length=8, choices=TransferState, default=TransferState.PENDING)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["event", "leg"], name="transfer_once_per_event_leg"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="transfer_moves"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="transfer_amount_positive"),
        ]
        indexes = [models.Index(fields=["event"], condition=Q(state="pending"), name="transfer_pending")]
