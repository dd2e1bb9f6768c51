"""Shapes of requests (checked) and of answers (declared for the schema; `points.api.representations` writes them)."""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from otc.core.fields import ZERO_ADDRESS, ZERO_HASH
from otc.core.models import EscrowKind
from otc.core.serializers import (
    AddressField,
    Hash32Field,
    HexBytesField,
    IntField,
    SlugField,
    StrictSerializer,
    TextField,
    UintField,
)
from otc.core.signatures import SIGNATURE_MAX
from points.api.representations import KINDS, SIDES, STATUSES
from points.domain.merkle import PROOF_MAX, LeafFormat
from points.models import OfferState

UINT32_MAX = 2**32 - 1
UINT40_MAX = 2**40 - 1
Answer = serializers.Serializer[Any]


class ChoiceText(serializers.ChoiceField):
    """One of a few words; a refusal lists them."""

    def __init__(self, *, choices: Sequence[str], **kwargs: Any) -> None:
        super().__init__(choices, **kwargs)
        self.error_messages["invalid_choice"] = f"Expected one of: {', '.join(choices)}."


class SideField(ChoiceText):
    """`buy` or `sell`: what the maker does. The contract's 0 or 1 inside."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=SIDES, **kwargs)

    def to_internal_value(self, data: Any) -> int:  # type: ignore[override]  # the code, not the word
        return SIDES.index(super().to_internal_value(data))

    def to_representation(self, value: int) -> str:  # type: ignore[override]  # as above
        return SIDES[value]


class EscrowField(ChoiceText):
    """Which of a chain's two escrows."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=EscrowKind.values, **kwargs)


# ---------------------------------------------------------------- projects, programs, pay tokens


class ProjectRequest(StrictSerializer):
    slug = SlugField()
    name = TextField(max_length=80)
    description = TextField(max_length=2000, required=False, allow_blank=True)
    website = TextField(max_length=200, required=False, allow_blank=True, help_text="http or https address.")


class ProjectAnswer(Answer):
    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    website = serializers.CharField()
    verified = serializers.BooleanField(help_text="Operators have checked that the team stands behind it.")
    created_at = serializers.DateTimeField()


class ProgramRequest(StrictSerializer):
    project = SlugField(help_text="The project's slug; you are a member of it.")
    slug = SlugField()
    name = TextField(max_length=80)
    kind = IntField(maximum=3, help_text="0 points, 1 allocation, 2 token, 3 right.")
    unit_name = TextField(max_length=30, help_text="One unit, singular: point, ENS, key.")
    unit_decimals = IntField(maximum=18, required=False, help_text="10^n base units make one unit on screen.")
    description = TextField(max_length=4000, required=False, allow_blank=True)


class ProgramsQuery(StrictSerializer):
    project = SlugField(required=False)


class ProgramAnswer(Answer):
    slug = serializers.CharField()
    project = serializers.CharField()
    name = serializers.CharField()
    kind = IntField(help_text="0 points, 1 allocation, 2 token, 3 right.")
    kind_name = serializers.ChoiceField(choices=sorted(KINDS.values()))
    unit_name = serializers.CharField()
    unit_decimals = IntField()
    description = serializers.CharField()
    created_at = serializers.DateTimeField()


class PayTokenAnswer(Answer):
    chain_id = IntField()
    escrow = EscrowField(help_text="Each of a chain's escrows has balances of its own.")
    address = AddressField()
    symbol = serializers.CharField()
    decimals = IntField()
    allowed = serializers.BooleanField(help_text="The escrow takes it for deposits and new markets.")


# ---------------------------------------------------------------- allocation lists


class ListUpload(StrictSerializer):
    file = serializers.FileField(
        max_length=200, help_text="CSV address,amount in base units, or gzip of it; at most 64 MiB."
    )


class ListErrorAnswer(Answer):
    line = IntField(help_text="From 1; 0: the file as a whole.")
    detail = serializers.CharField()


class ListAnswer(Answer):
    id = IntField()
    program = serializers.CharField()
    file_name = serializers.CharField()
    file_sha256 = Hash32Field()
    file_size = IntField()
    state = serializers.ChoiceField(choices=["uploaded", "importing", "ready", "refused"])
    bytes_read = IntField()
    row_count = IntField()
    total = UintField(help_text="Base units.")
    root = Hash32Field(allow_null=True, help_text="Of OpenZeppelin's standard tree, once ready.")  # type: ignore[assignment]  # DRF takes declared fields off the class
    errors = ListErrorAnswer(many=True, help_text="The first hundred, by line.")  # type: ignore[assignment]  # as root
    error_count = IntField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class ProofQuery(StrictSerializer):
    address = AddressField()


class ProofAnswer(Answer):
    root = Hash32Field()  # type: ignore[assignment]  # DRF takes declared fields off the class
    address = AddressField()
    amount = UintField()
    position = IntField()
    proof = serializers.ListField(child=Hash32Field())


class MerkleVerifyRequest(StrictSerializer):
    format = ChoiceText(choices=[str(each) for each in LeafFormat])
    root = Hash32Field()  # type: ignore[assignment]  # DRF takes declared fields off the class
    address = AddressField()
    amount = UintField()
    index = UintField(required=False, help_text="Of packed_indexed leaves.")
    proof = serializers.ListField(child=Hash32Field(), max_length=PROOF_MAX)


class MerkleVerifyAnswer(Answer):
    valid = serializers.BooleanField()


# ---------------------------------------------------------------- markets


class MarketRequest(StrictSerializer):
    """Terms as the contract hashes them. Durations are seconds. `attestor`, `arbitrator`, `challenge`, `arbitration_window` and
    `bond_bps` belong to attested settlement: leave them out otherwise.
    """

    program = SlugField()
    chain_id = IntField(minimum=1, required=False, help_text="Needed where several chains are served.")
    escrow = EscrowField(required=False, help_text="rights: NFTs are delivered. By default tokens.")
    pay_token = AddressField()
    resolver = AddressField(help_text="Proposes settlement terms.")
    guardian = AddressField(help_text="May veto them; another wallet than the resolver.")
    attestor = AddressField(required=False, help_text="Confirms deliveries outside the escrow.")
    arbitrator = AddressField(required=False, help_text="Rules on disputes; another wallet than the attestor.")
    settlement = IntField(
        maximum=255,
        required=False,
        help_text="0: a token is delivered through the escrow. 1: a delivery outside is attested.",
    )
    objection = IntField(maximum=UINT32_MAX, help_text="24 hours to 30 days.")
    min_window = IntField(maximum=UINT32_MAX, help_text="At least 24 hours.")
    max_window = IntField(maximum=UINT32_MAX, help_text="At least min_window, at most 365 days.")
    challenge = IntField(
        maximum=UINT32_MAX, required=False, help_text="24 hours to 30 days to dispute an attestation in."
    )
    arbitration_window = IntField(maximum=UINT32_MAX, required=False, help_text="24 hours to 90 days to rule in.")
    bond_bps = IntField(
        maximum=2**16 - 1, required=False, help_text="Bond of a disputer, in 1/10,000 of the payment; at most 10,000."
    )
    long_stop = IntField(maximum=UINT40_MAX, help_text="Unix seconds.")
    max_ratio_num = UintField(maximum=2**128 - 1, required=False)
    max_ratio_den = UintField(maximum=2**128 - 1, required=False)
    rules_text = TextField(
        max_length=20_000, trim_whitespace=False, help_text="What is traded, what counts as delivery."
    )


class MarketsQuery(StrictSerializer):
    program = SlugField(required=False)
    project = SlugField(required=False)
    status = ChoiceText(choices=list(STATUSES.values()), required=False)
    escrow = EscrowField(required=False)


class MarketAnswer(Answer):
    market_id = Hash32Field()
    chain_id = IntField()
    escrow = EscrowField()
    program = serializers.CharField()
    program_name = serializers.CharField()
    project = serializers.CharField()
    unit_name = serializers.CharField()
    unit_decimals = IntField()
    pay_token = PayTokenAnswer()
    status = serializers.ChoiceField(choices=list(STATUSES.values()))
    long_stop = IntField(help_text="Unix seconds.")
    best_bid_e18 = UintField(allow_null=True, help_text="floor(payment * 10^18 / units).")
    best_ask_e18 = UintField(allow_null=True)
    open_offers = IntField()
    last_price_e18 = UintField(allow_null=True)
    deal_count = IntField()
    created_at = serializers.DateTimeField()


class TermsAnswer(Answer):
    resolver = AddressField()
    guardian = AddressField()
    attestor = AddressField()
    arbitrator = AddressField()
    pay_token = AddressField()
    kind = IntField()
    settlement = IntField()
    objection = IntField()
    min_window = IntField()
    max_window = IntField()
    challenge = IntField()
    arbitration_window = IntField()
    bond_bps = IntField()
    long_stop = IntField()
    max_ratio_num = UintField()
    max_ratio_den = UintField()
    rules_hash = Hash32Field()


class MarketDetailAnswer(MarketAnswer):
    terms = TermsAnswer()
    rules_text = serializers.CharField()


class MarketQuery(StrictSerializer):
    chain_id = IntField(minimum=1, required=False)
    escrow = EscrowField(required=False)


class BookQuery(MarketQuery):
    limit = IntField(minimum=1, maximum=200, required=False, help_text="Offers a side; 50 by default.")


class BookEntryAnswer(Answer):
    offer_hash = Hash32Field()
    maker = AddressField()
    taker = AddressField(help_text="The zero address: anyone.")
    price_e18 = UintField(help_text="floor(payment * 10^18 / units).")
    collateral_bps = UintField(help_text="floor(collateral * 10,000 / payment).")
    units = UintField()
    filled_units = UintField()
    fillable_units = UintField(help_text="The most that one fill can take now.")
    fillable_payment = UintField(help_text="What the buyer locks for them.")
    fillable_collateral = UintField(help_text="What the seller locks for them.")
    min_fill = UintField()
    all_or_none = serializers.BooleanField()
    max_fee_bps = IntField()
    expiry = IntField(help_text="Unix seconds, inclusive.")


class BookAnswer(Answer):
    bids = BookEntryAnswer(many=True)
    asks = BookEntryAnswer(many=True)
    as_of_block = IntField(allow_null=True)


# ---------------------------------------------------------------- offers


class PrepareRequest(StrictSerializer):
    """An offer without epoch and salt, which are filled in, as are the optional members."""

    chain_id = IntField(minimum=1, required=False, help_text="Needed where the market stands on several chains.")
    escrow = EscrowField(required=False, help_text="Needed where it stands in both escrows of a chain.")
    market = Hash32Field()
    maker = AddressField()
    side = SideField()
    units = UintField()
    payment = UintField(help_text="What the buyer locks for all units, base units.")
    collateral = UintField(help_text="What the seller locks for all units, base units.")
    taker = AddressField(required=False, default=ZERO_ADDRESS)
    min_fill = UintField(required=False, help_text="Equal to units: all or none. By default a hundredth.")
    max_fee_bps = IntField(maximum=10_000, required=False, help_text="By default the fee of now.")
    expiry = IntField(maximum=UINT40_MAX, required=False, help_text="Unix seconds, inclusive. By default in a week.")
    ref = Hash32Field(required=False, default=ZERO_HASH)


class TermsOfOffer(StrictSerializer):
    """The signed members."""

    maker = AddressField()
    taker = AddressField()
    side = SideField()
    market = Hash32Field()
    pay_token = AddressField()
    units = UintField()
    payment = UintField()
    collateral = UintField()
    min_fill = UintField()
    max_fee_bps = IntField(maximum=10_000)
    expiry = IntField(maximum=UINT40_MAX)
    epoch = UintField()
    salt = UintField()
    ref = Hash32Field()


class OfferRequest(StrictSerializer):
    chain_id = IntField(minimum=1, required=False)
    escrow = EscrowField(required=False)
    offer = TermsOfOffer()
    signature = HexBytesField(max_bytes=SIGNATURE_MAX)


class PartyAnswer(Answer):
    """Base units of the payment token; gains and losses are signed decimal strings."""

    locks = serializers.CharField()
    on_delivery = serializers.CharField()
    on_default = serializers.CharField()
    on_refund = serializers.CharField()


class OutcomeAnswer(Answer):
    payment = UintField()
    collateral = UintField()
    fee = UintField()
    break_even_e18 = UintField(help_text="Token value per unit above which the seller would rather default.")
    buyer = PartyAnswer()
    seller = PartyAnswer()


class PreparedAnswer(Answer):
    offer = TermsOfOffer()
    chain_id = IntField()
    escrow = EscrowField()
    offer_hash = Hash32Field()
    typed_data = serializers.DictField(help_text="Sign with eth_signTypedData_v4.")
    outcome = OutcomeAnswer()


class OffersQuery(StrictSerializer):
    maker = AddressField(required=False)
    market = Hash32Field(required=False)
    chain_id = IntField(minimum=1, required=False)
    escrow = EscrowField(required=False)
    state = ChoiceText(choices=[str(state) for state in OfferState.values], required=False)


class OfferAnswer(Answer):
    offer_hash = Hash32Field()
    chain_id = IntField()
    escrow = EscrowField()
    offer = TermsOfOffer()
    state = serializers.ChoiceField(choices=OfferState.values)
    withdrawn = serializers.BooleanField()
    all_or_none = serializers.BooleanField()
    filled_units = UintField()
    fillable_units = UintField(help_text="What the maker's free funds cover now; 0 hides the offer.")
    price_e18 = UintField()
    collateral_bps = UintField()
    created_at = serializers.DateTimeField()


class OfferDetailAnswer(OfferAnswer):
    signature = HexBytesField(max_bytes=SIGNATURE_MAX)
