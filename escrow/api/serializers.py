"""Shapes of requests (checked) and of answers (declared for the schema; `escrow.api.representations` writes them)."""

from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers

from escrow.api.representations import OUTCOME_CODES
from escrow.chain.models import Depth
from escrow.domain.actions import Phase
from escrow.services.transactions import Action
from otc.core.serializers import AddressField, Hash32Field, IntField, StrictSerializer, TextField, UintField
from points.api.serializers import ChoiceText, MarketDetailAnswer, PayTokenAnswer

UINT16_MAX = 2**16 - 1
UINT32_MAX = 2**32 - 1
UINT40_MAX = 2**40 - 1
TRANCHE_MAX = 63
BATCH_MAX = 50
Answer = serializers.Serializer[Any]


# ---------------------------------------------------------------- queries


class DealsQuery(StrictSerializer):
    party = AddressField(required=False, help_text="Buyer or seller.")
    market = Hash32Field(required=False)
    outcome = ChoiceText(choices=list(OUTCOME_CODES), required=False)
    chain_id = IntField(minimum=1, required=False)


class ChainQuery(StrictSerializer):
    chain_id = IntField(minimum=1, required=False)


# ---------------------------------------------------------------- answers


class ChainAnswer(Answer):
    chain_id = IntField()
    name = serializers.CharField()
    currency = serializers.CharField(help_text="What gas is paid in.")
    escrow = AddressField()
    public_rpc_url = serializers.CharField()
    explorer_url = serializers.CharField()
    head_block = IntField(allow_null=True, help_text="The newest block that was read; null before the first.")
    head_hash = Hash32Field(allow_null=True)
    head_time = IntField(allow_null=True, help_text="Its timestamp: the time by which everything on chain is judged.")
    safe_block = IntField(allow_null=True)
    final_block = IntField(allow_null=True)
    fee_bps = IntField(help_text="Of the payment, on delivery, for new fills.")
    paused_until = IntField(help_text="Deposits and fills stop before it; exits never do.")
    halted = serializers.BooleanField(help_text="The reader has stopped for a person: figures are of head_block.")


class StatusAnswer(Answer):
    chains = ChainAnswer(many=True)


class SettlementAnswer(Answer):
    token = AddressField()
    symbol = serializers.CharField(help_text="As the token says; may be empty, never to be trusted.")
    decimals = IntField(allow_null=True)
    ratio_num = UintField(help_text="Token base units for `ratio_den` base units of the program.")
    ratio_den = UintField()
    start = IntField()
    window = IntField(help_text="Seconds, an extension included.")
    tge_bps = IntField()
    tranches = IntField()
    period = IntField(help_text="Seconds between tranches.")
    final_at = IntField(help_text="No veto from here on.")
    final = serializers.BooleanField()
    extended = serializers.BooleanField()


class MarketWithSettlementAnswer(MarketDetailAnswer):
    phase = serializers.ChoiceField(choices=[str(phase) for phase in Phase], help_text="At the chain's time.")
    settlement = SettlementAnswer(allow_null=True, help_text="Null until terms are proposed.")


class TrancheAnswer(Answer):
    number = IntField()
    due = UintField(help_text="Base units of the settlement token.")
    delivered = UintField(help_text="Measured at the receiver.")
    opens_at = IntField()
    deadline = IntField(help_text="The last second in which it may be delivered.")
    payment = UintField()
    collateral = UintField()
    payment_locked = UintField()
    collateral_locked = UintField()
    outcome = serializers.ChoiceField(choices=list(OUTCOME_CODES))


class DealAnswer(Answer):
    deal_id = Hash32Field()
    chain_id = IntField()
    market = Hash32Field()
    program = serializers.CharField()
    offer_hash = Hash32Field()
    maker_side = serializers.ChoiceField(choices=["buy", "sell"])
    buyer = AddressField()
    seller = AddressField()
    pay_token = PayTokenAnswer()
    units = UintField()
    payment = UintField(help_text="What the buyer locked.")
    collateral = UintField(help_text="What the seller locked.")
    fee_bps = IntField(help_text="As of the fill.")
    buyer_ref = Hash32Field()
    seller_ref = Hash32Field()
    opened_at = IntField()
    opened_block = IntField()
    opened_tx = Hash32Field()
    depth = serializers.ChoiceField(choices=Depth.choices)
    outcome = serializers.ChoiceField(choices=list(OUTCOME_CODES))
    closed_block = IntField(allow_null=True)
    closed_tx = Hash32Field(allow_null=True)
    closed_depth = serializers.ChoiceField(choices=Depth.choices, allow_null=True)
    paid_to_buyer = UintField(help_text="So far, base units of the payment token.")
    paid_to_seller = UintField()
    fee_paid = UintField()
    payment_locked = UintField(help_text="Still in the deal.")
    collateral_locked = UintField()
    settlement = SettlementAnswer(allow_null=True, help_text="Null until terms are proposed.")
    tranches = TrancheAnswer(many=True)
    deadline = IntField(allow_null=True, help_text="Of the next tranche that is not resolved.")
    refundable = serializers.BooleanField(help_text="Each side can have its own money back now.")


class FactAnswer(Answer):
    event = serializers.CharField()
    args = serializers.DictField(help_text="Decoded; integers as decimal strings.")
    block_number = IntField()
    tx_hash = Hash32Field()
    log_index = IntField()
    time = IntField()
    depth = serializers.ChoiceField(choices=Depth.choices)


class DealDetailAnswer(DealAnswer):
    timeline = FactAnswer(many=True, help_text="What the chain said about this deal, oldest first.")


class PreimageAnswer(Answer):
    id = Hash32Field()
    market = Hash32Field()
    buyer = AddressField()
    seller = AddressField()
    pay_token = AddressField()
    units = UintField()
    payment = UintField()
    collateral = UintField()
    fee_bps = UintField()
    buyer_ref = Hash32Field()
    seller_ref = Hash32Field()
    opened_at = UintField()


class OpenedAnswer(Answer):
    block_number = IntField()
    tx_hash = Hash32Field()
    log_index = IntField()


class ReceiptAnswer(Answer):
    chain_id = IntField()
    escrow = AddressField()
    deal = PreimageAnswer()
    abi_type = serializers.CharField()
    encoded = serializers.CharField(help_text="abi.encode of the struct.")
    deal_hash = Hash32Field(help_text="What `deals(id)` holds while the deal is open and untouched.")
    opened = OpenedAnswer()
    how_to_claim = serializers.CharField()


class BalanceAnswer(Answer):
    chain_id = IntField()
    token = AddressField()
    symbol = serializers.CharField()
    decimals = IntField(allow_null=True)
    is_pay_token = serializers.BooleanField()
    free = UintField(help_text="Can be withdrawn now.")
    locked = UintField(help_text="The wallet's own payment and collateral in open deals.")
    locked_payment = UintField()
    locked_collateral = UintField()
    pending_in = UintField(help_text="The part of `free` that came in blocks which are not final.")
    pending_out = UintField()


class BalancesAnswer(Answer):
    address = AddressField()
    balances = BalanceAnswer(many=True)


class SolvencyTokenAnswer(Answer):
    chain_id = IntField()
    token = AddressField()
    symbol = serializers.CharField()
    decimals = IntField(allow_null=True)
    block_number = IntField()
    block_hash = Hash32Field()
    contract_balance = UintField(help_text="What the token says the escrow holds, at that block.")
    contract_liabilities = UintField(help_text="What the escrow says it owes.")
    contract_fees = UintField()
    ledger_free = UintField(help_text="Sums of our ledger, rebuilt from the logs.")
    ledger_locked = UintField()
    ledger_fees = UintField()
    solvent = serializers.BooleanField(help_text="contract_balance ≥ contract_liabilities.")
    agrees = serializers.BooleanField(help_text="The ledger says what the contract says.")


class SolvencyAnswer(Answer):
    tokens = SolvencyTokenAnswer(many=True)


# ---------------------------------------------------------------- tx/prepare: parameters


class TokenAmountParams(StrictSerializer):
    token = AddressField()
    amount = UintField()
    chain_id = IntField(minimum=1, required=False)


class WithdrawParams(TokenAmountParams):
    to = AddressField(required=False, help_text="The account itself by default.")


class OfMarketParams(StrictSerializer):
    market_id = Hash32Field()
    chain_id = IntField(minimum=1, required=False)


class ProposeParams(OfMarketParams):
    token = AddressField()
    ratio_num = UintField()
    ratio_den = UintField()
    start = IntField(maximum=UINT40_MAX)
    window = IntField(maximum=UINT32_MAX)
    tge_bps = IntField(maximum=UINT16_MAX, required=False)
    tranches = IntField(maximum=TRANCHE_MAX + 1, required=False)
    period = IntField(maximum=UINT32_MAX, required=False)


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


class InvalidateNoncesParams(StrictSerializer):
    word = UintField(maximum=2**248 - 1, help_text="salt >> 8.")
    mask = UintField(help_text="Bit i kills salt word * 256 + i.")
    chain_id = IntField(minimum=1, required=False)


class OfChainParams(StrictSerializer):
    chain_id = IntField(minimum=1, required=False)


class SlashParams(StrictSerializer):
    deal_id = Hash32Field()
    tranche = IntField(maximum=TRANCHE_MAX, required=False)


class DeliverParams(SlashParams):
    amount = UintField(required=False, help_text="All that is still due by default.")
    to_escrow = serializers.BooleanField(
        required=False, help_text="Into the buyer's escrow balance instead of his wallet."
    )


class DeliverBatchParams(StrictSerializer):
    deliveries = serializers.ListField(child=DeliverParams(), min_length=1, max_length=BATCH_MAX)


class RefundParams(StrictSerializer):
    deal_id = Hash32Field()


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
    Action.SLASH: SlashParams,
    Action.REFUND: RefundParams,
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


# ---------------------------------------------------------------- tx/prepare: answer


class TransactionAnswer(Answer):
    chain_id = IntField()
    to = AddressField()
    data = TextField(help_text="0x-hex.")  # type: ignore[assignment]  # the wallet's own word
    value = UintField(help_text="Always 0.")
    gas = IntField(allow_null=True, help_text="The estimate with a margin; null when the call would fail now.")

    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python."""
        return {**super().get_fields(), "from": AddressField()}


class CallErrorAnswer(Answer):
    name = serializers.CharField(help_text="The contract's error; `Unknown` when the node gives none.")
    detail = serializers.CharField(help_text="Which rule, and what to do.")


class SimulationAnswer(Answer):
    ok = serializers.BooleanField()
    error = CallErrorAnswer(allow_null=True)


class IssueAnswer(Answer):
    kind = serializers.ChoiceField(choices=["allowance", "balance", "escrow_balance"])
    token = AddressField()
    spender = AddressField(allow_null=True, help_text="Whom to approve; only for an allowance.")
    has = UintField()
    needs = UintField()


class PreparedTransactionAnswer(Answer):
    transaction = TransactionAnswer()
    simulation = SimulationAnswer()
    issues = IssueAnswer(many=True, help_text="What the account must do first.")
    explanation = serializers.CharField(help_text="What it means in money and time; a sentence a line.")
    block_number = IntField(help_text="At which all of this was true.")
