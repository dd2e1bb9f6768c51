"""Requests of tx/prepare: the parameters of each action, checked by name and shape. What they mean is in `escrow.services.tx`."""

from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers

from escrow.services.transactions import Action
from escrow.services.tx.params import BATCH_MAX
from otc.core.serializers import AddressField, Hash32Field, HexBytesField, IntField, StrictSerializer, UintField
from otc.core.signatures import SIGNATURE_MAX, with_v_27
from points.api.serializers import ChoiceText, EscrowField, SideField
from points.domain.merkle import PROOF_MAX

UINT16_MAX = 2**16 - 1
UINT32_MAX = 2**32 - 1
UINT40_MAX = 2**40 - 1
TRANCHE_MAX = 63
IDS_MAX = 5_000


class OfChainParams(StrictSerializer):
    chain_id = IntField(minimum=1, required=False)
    escrow = EscrowField(required=False, help_text="By default tokens.")


class TokenAmountParams(OfChainParams):
    token = AddressField()
    amount = UintField()


class WithdrawParams(TokenAmountParams):
    to = AddressField(required=False, help_text="The account itself by default.")


class OfMarketParams(StrictSerializer):
    market_id = Hash32Field()
    chain_id = IntField(minimum=1, required=False)
    escrow = EscrowField(required=False, help_text="Needed where the same terms stand in both escrows of a chain.")


class ProposeParams(OfMarketParams):
    token = AddressField(required=False, help_text="What sellers deliver; left out in an attested market.")
    ratio_num = UintField()
    ratio_den = UintField()
    start = IntField(maximum=UINT40_MAX)
    window = IntField(maximum=UINT32_MAX)
    tge_bps = IntField(maximum=UINT16_MAX, required=False)
    tranches = IntField(maximum=TRANCHE_MAX + 1, required=False)
    period = IntField(maximum=UINT32_MAX, required=False)
    semi_fungible = serializers.BooleanField(
        required=False, help_text="In the rights escrow: pieces of an ERC-1155; by default of an ERC-721."
    )
    ids_root = Hash32Field(required=False, help_text="Of the ids that count; by default any does.")
    allowed_ids = serializers.ListField(
        child=UintField(), max_length=IDS_MAX, required=False, help_text="Instead of the root: the ids themselves."
    )


class ExtendParams(OfMarketParams):
    extra = IntField(maximum=UINT32_MAX, help_text="Seconds.")


class FillParams(StrictSerializer):
    offer_hash = Hash32Field()
    units = UintField()
    ref = Hash32Field(required=False, help_text="The taker's reference; opaque to the contract.")


class FillBatchParams(StrictSerializer):
    fills = serializers.ListField(child=FillParams(), min_length=1, max_length=BATCH_MAX)


class OfOfferParams(StrictSerializer):
    offer_hash = Hash32Field()


class InvalidateNoncesParams(OfChainParams):
    word = UintField(maximum=2**248 - 1, help_text="salt >> 8.")
    mask = UintField(help_text="Bit i kills salt word * 256 + i.")


class SlashParams(StrictSerializer):
    deal_id = Hash32Field()
    tranche = IntField(maximum=TRANCHE_MAX, required=False)


class DeliverParams(SlashParams):
    amount = UintField(required=False, help_text="All that is still due by default.")
    to_escrow = serializers.BooleanField(
        required=False, help_text="Into the buyer's escrow balance instead of his wallet."
    )


class DeliverRightsParams(SlashParams):
    ids = serializers.ListField(
        child=UintField(),
        max_length=BATCH_MAX,
        help_text="Empty where nothing is due in the tranche, and nowhere else.",
    )
    amounts = serializers.ListField(
        child=UintField(), max_length=BATCH_MAX, required=False, help_text="Pieces of each id; of an ERC-1155 only."
    )
    proofs = serializers.ListField(
        child=serializers.ListField(child=Hash32Field(), max_length=PROOF_MAX),
        max_length=BATCH_MAX,
        required=False,
        help_text="Of each id, where only listed ones count.",
    )
    allowed_ids = serializers.ListField(
        child=UintField(),
        max_length=IDS_MAX,
        required=False,
        help_text="Instead of proofs: the whole list that the project published. The proofs are made from it.",
    )
    to_escrow = serializers.BooleanField(
        required=False, help_text="Kept in the escrow for the buyer; pieces of an ERC-1155 always are."
    )


class ApproveRightsParams(StrictSerializer):
    token = AddressField()
    right = UintField(required=False, help_text="One id of an ERC-721; by default all of the token.")
    approved = serializers.BooleanField(required=False, help_text="false takes it back.")
    chain_id = IntField(minimum=1, required=False)


class WithdrawRightParams(StrictSerializer):
    token = AddressField()
    right = UintField(help_text="The id.")
    amount = UintField(required=False, help_text="Pieces; by default 1.")
    to = AddressField(required=False, help_text="The account itself by default.")
    chain_id = IntField(minimum=1, required=False)


class DeliverBatchParams(StrictSerializer):
    deliveries = serializers.ListField(child=DeliverParams(), min_length=1, max_length=BATCH_MAX)


class OfDealParams(StrictSerializer):
    deal_id = Hash32Field()


class MatchOffersParams(StrictSerializer):
    buy = Hash32Field(help_text="Hash of an offer to buy.")
    sell = Hash32Field(help_text="Hash of an offer to sell, in the same market.")
    units = UintField(required=False, help_text="The most that both can by default.")


class SetAutoDeliverParams(OfMarketParams):
    amount = UintField(help_text="Base units in all from now on; 0 takes the approval back.")
    token = AddressField(required=False, help_text="That of the market's settlement terms by default.")


class TransferPositionParams(OfDealParams):
    to = AddressField(help_text="Who gets the buyer's place.")
    ref = Hash32Field(required=False, help_text="The new holder's reference; opaque to the contract.")


class SignatureField(HexBytesField):
    """65 bytes of a key, with v as contracts want it, or what a contract wallet takes."""

    default_error_messages = {"empty": "Expected a signature: 0x and its bytes as hex digits."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_bytes=SIGNATURE_MAX, **kwargs)

    def to_internal_value(self, data: Any) -> bytes:
        found = super().to_internal_value(data)
        if not found:
            self.fail("empty")
        return with_v_27(found)


class ResaleShape(StrictSerializer):
    """As resales/prepare gave it, unchanged: it is what was signed."""

    deal = Hash32Field(help_text="The deal's hash when it was signed.")
    side = SideField()
    price = UintField()
    lister_pays = serializers.BooleanField()
    taker = AddressField(help_text="The zero address: anyone.")
    expiry = IntField(maximum=UINT40_MAX)
    epoch = UintField()
    salt = UintField()


class FillResaleParams(OfDealParams):
    resale = ResaleShape()
    signature = SignatureField(help_text="The lister's.")
    ref = Hash32Field(required=False, help_text="The taker's reference; opaque to the contract.")


class CloseShape(StrictSerializer):
    """As closes/prepare gave it, unchanged."""

    deal = Hash32Field(help_text="The deal's hash when it was signed.")
    to_buyer = UintField()
    to_seller = UintField()
    deadline = IntField(maximum=UINT40_MAX)


class MutualCloseParams(OfDealParams):
    close = CloseShape()
    buyer_signature = SignatureField(required=False, help_text="Not needed from the account itself.")
    seller_signature = SignatureField(required=False, help_text="Not needed from the account itself.")


class AttestationShape(StrictSerializer):
    """As attestations/prepare gave it, unchanged."""

    deal = Hash32Field(help_text="The deal's hash when it was signed.")
    units = UintField()
    evidence = Hash32Field(help_text="Hash of what proves it.")
    valid_until = IntField(maximum=UINT40_MAX)


class AttestParams(OfDealParams):
    attestation = AttestationShape()
    signature = SignatureField(required=False, help_text="The attestor's; not needed when he is the account.")


class DisputeParams(OfDealParams):
    evidence = Hash32Field(help_text="Hash of what proves it.")


class RuleParams(OfDealParams):
    to_seller = UintField(help_text="Base units of all that is locked; the buyer gets the rest.")


PARAMS: dict[Action, type[StrictSerializer]] = {
    Action.APPROVE: TokenAmountParams,
    Action.DEPOSIT: TokenAmountParams,
    Action.WITHDRAW: WithdrawParams,
    Action.CREATE_MARKET: OfMarketParams,
    Action.PROPOSE: ProposeParams,
    Action.VETO: OfMarketParams,
    Action.EXTEND: ExtendParams,
    Action.PROPOSE_CANCEL: OfMarketParams,
    Action.WITHDRAW_CANCEL: OfMarketParams,
    Action.CONFIRM_CANCEL: OfMarketParams,
    Action.FILL: FillParams,
    Action.FILL_BATCH: FillBatchParams,
    Action.CANCEL: OfOfferParams,
    Action.INVALIDATE_NONCES: InvalidateNoncesParams,
    Action.BUMP_EPOCH: OfChainParams,
    Action.DELIVER: DeliverParams,
    Action.DELIVER_BATCH: DeliverBatchParams,
    Action.APPROVE_RIGHTS: ApproveRightsParams,
    Action.DELIVER_RIGHTS: DeliverRightsParams,
    Action.WITHDRAW_RIGHT: WithdrawRightParams,
    Action.SLASH: SlashParams,
    Action.REFUND: OfDealParams,
    Action.MATCH_OFFERS: MatchOffersParams,
    Action.SET_AUTO_DELIVER: SetAutoDeliverParams,
    Action.DELIVER_FOR: DeliverParams,
    Action.MUTUAL_CLOSE: MutualCloseParams,
    Action.TRANSFER_POSITION: TransferPositionParams,
    Action.FILL_RESALE: FillResaleParams,
    Action.ATTEST: AttestParams,
    Action.DISPUTE: DisputeParams,
    Action.FINALIZE: OfDealParams,
    Action.RULE: RuleParams,
    Action.APPEAL: OfDealParams,
    Action.RULE_TIMEOUT: OfDealParams,
}


def _request(action: Action) -> type[StrictSerializer]:
    """{action, account, params} with that action's parameters."""
    name = action.title().replace("_", "")
    return type(
        f"{name}Transaction",
        (StrictSerializer,),
        {
            "__doc__": None,
            "action": ChoiceText(choices=[str(action)]),
            "account": AddressField(help_text="Who will sign and send."),
            "params": PARAMS[action](required=not _all_optional(PARAMS[action])),
        },
    )


def _all_optional(kind: type[StrictSerializer]) -> bool:
    return not any(field.required for field in kind().fields.values())


REQUESTS: dict[str, type[StrictSerializer]] = {str(action): _request(action) for action in Action}
PREPARE_REQUEST = PolymorphicProxySerializer(
    component_name="Transaction",
    serializers=dict(REQUESTS),
    resource_type_field_name="action",
)


class WhichAction(serializers.Serializer[Any]):
    """Only which: the rest is read by that action's own request."""

    action = ChoiceText(choices=list(REQUESTS))
