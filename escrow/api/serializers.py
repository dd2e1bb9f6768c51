"""Shapes of requests (checked) and of answers (declared for the schema; `escrow.api.representations` writes them)."""

from typing import Any

from rest_framework import serializers

from escrow.api.representations import OUTCOME_CODES, PHASES
from escrow.chain.models import Depth
from escrow.domain.actions import Phase
from escrow.selectors.allowed import ROLES
from escrow.services.tx.call import NeedKind
from otc.core.serializers import (
    AddressField,
    Hash32Field,
    IntField,
    StrictSerializer,
    TextField,
    UintField,
)
from points.api.serializers import ChoiceText, EscrowField, MarketDetailAnswer, PayTokenAnswer

PHASE_NAMES = list(PHASES.values())
Answer = serializers.Serializer[Any]


# ---------------------------------------------------------------- queries


class ChainQuery(StrictSerializer):
    chain_id = IntField(minimum=1, required=False)
    escrow = EscrowField(required=False)


class DealsQuery(ChainQuery):
    party = AddressField(required=False, help_text="Buyer or seller.")
    market = Hash32Field(required=False)
    outcome = ChoiceText(choices=list(OUTCOME_CODES), required=False)


# ---------------------------------------------------------------- answers


class ChainAnswer(Answer):
    """One escrow on one chain."""

    chain_id = IntField()
    kind = EscrowField(help_text="What other paths name by `escrow`.")
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


class RightsTermsAnswer(Answer):
    semi_fungible = serializers.BooleanField(help_text="Pieces of an ERC-1155, else of an ERC-721.")
    ids_root = Hash32Field(allow_null=True, help_text="Merkle root of the ids that count; null: any id.")


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
    rights = RightsTermsAnswer(
        allow_null=True, help_text="Of terms in pieces of a right, which the ratio counts; null otherwise."
    )


class MarketWithSettlementAnswer(MarketDetailAnswer):
    phase = serializers.ChoiceField(choices=[str(phase) for phase in Phase], help_text="At the chain's time.")
    settlement = SettlementAnswer(allow_null=True, help_text="Null until terms are proposed.")


class TrancheAnswer(Answer):
    number = IntField()
    due = UintField(
        help_text="Base units of the settlement token, or pieces of a right; of an attested market, units of the program."
    )
    delivered = UintField(help_text="Measured at the receiver.")
    opens_at = IntField()
    deadline = IntField(help_text="The last second in which it may be delivered.")
    payment = UintField()
    collateral = UintField()
    payment_locked = UintField()
    collateral_locked = UintField()
    outcome = serializers.ChoiceField(choices=list(OUTCOME_CODES))


class AttestationAnswer(Answer):
    phase = serializers.ChoiceField(choices=PHASE_NAMES)
    until = IntField(allow_null=True, help_text="The last second to dispute in, or to rule in.")
    units = UintField(help_text="Attested as delivered.")
    evidence = Hash32Field(allow_null=True, help_text="Hash of what proves it.")
    attestor = AddressField()
    arbitrator = AddressField()
    challenge = IntField(help_text="Seconds from an attestation in which it may be disputed.")
    arbitration_window = IntField(help_text="Seconds from a dispute in which the arbitrator may rule.")
    disputed_by = AddressField(allow_null=True)
    dispute_evidence = Hash32Field(allow_null=True)
    bond_bps = IntField(help_text="What a dispute locks, of the payment.")
    bond = UintField(help_text="What it locked.")
    appeals = IntField(help_text="Of three.")


class DealAnswer(Answer):
    deal_id = Hash32Field()
    chain_id = IntField()
    escrow = EscrowField()
    market = Hash32Field()
    program = serializers.CharField()
    offer_hash = Hash32Field(help_text="Of the offer that was taken; of two that were matched, the seller's.")
    matched_offer_hash = Hash32Field(allow_null=True, help_text="Of two that were matched, the buyer's.")
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
    opened_at = IntField(help_text="Of the fill, or of the last change of hands: part of the commitment.")
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
    bond_locked = UintField(help_text="Of a dispute, on top.")
    phase = serializers.ChoiceField(
        choices=PHASE_NAMES, help_text="Of a delivery outside the escrow; none in other markets."
    )
    attestation = AttestationAnswer(allow_null=True, help_text="Null in markets that settle in a token.")
    settlement = SettlementAnswer(allow_null=True, help_text="Null until terms are proposed.")
    tranches = TrancheAnswer(many=True)
    deadline = IntField(
        allow_null=True, help_text="Of the next tranche that is not resolved; of the challenge, or of the ruling."
    )
    refundable = serializers.BooleanField(help_text="Each side can have its own money back now.")


class FactAnswer(Answer):
    event = serializers.CharField()
    args = serializers.DictField(help_text="Decoded; integers as decimal strings.")
    block_number = IntField()
    tx_hash = Hash32Field()
    log_index = IntField()
    time = IntField()
    depth = serializers.ChoiceField(choices=Depth.choices)


class TransferAnswer(Answer):
    side = serializers.ChoiceField(choices=["buy", "sell"], help_text="Whose place.")
    to = AddressField()
    ref = Hash32Field(help_text="The new holder's.")
    price = UintField(allow_null=True, help_text="Null: given away.")
    lister_pays = serializers.BooleanField(help_text="The price went to the new holder.")
    time = IntField()
    block_number = IntField()
    tx_hash = Hash32Field()

    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python."""
        return {**super().get_fields(), "from": AddressField()}


class AllowedAnswer(Answer):
    action = serializers.CharField(help_text="Of tx/prepare.")
    by = serializers.ChoiceField(choices=ROLES, help_text="`parties`: both together.")
    until = IntField(allow_null=True, help_text="The last second; null: no end.")
    tranche = IntField(allow_null=True)


class PieceAnswer(Answer):
    tranche = IntField()
    token = AddressField()
    right = UintField(help_text="The id.")
    amount = UintField(help_text="Pieces, measured at the receiver.")
    to_escrow = serializers.BooleanField(help_text="Kept there for the buyer, who sends withdraw_right.")
    time = IntField()
    block_number = IntField()
    tx_hash = Hash32Field()


class DealDetailAnswer(DealAnswer):
    auto_delivery = UintField(help_text="Base units of the settlement token that anyone may deliver for the seller.")
    allowed = AllowedAnswer(many=True, help_text="What can be done now, by whom, until when.")
    pieces = PieceAnswer(many=True, help_text="Of a right, as they were delivered, oldest first.")
    transfers = TransferAnswer(many=True, help_text="Changes of hands, oldest first.")
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
    escrow = EscrowField(help_text="Money in one escrow of a chain is of no use in the other.")
    token = AddressField()
    symbol = serializers.CharField()
    decimals = IntField(allow_null=True)
    is_pay_token = serializers.BooleanField()
    free = UintField(help_text="Can be withdrawn now.")
    locked = UintField(help_text="The wallet's own payment, collateral and bonds in open deals.")
    locked_payment = UintField()
    locked_collateral = UintField()
    locked_bond = UintField()
    pending_in = UintField(help_text="The part of `free` that came in blocks which are not final.")
    pending_out = UintField()


class BalancesAnswer(Answer):
    address = AddressField()
    balances = BalanceAnswer(many=True)


class KeptRightAnswer(Answer):
    chain_id = IntField()
    escrow = EscrowField()
    token = AddressField()
    right = UintField(help_text="The id.")
    amount = UintField(help_text="Pieces, seen.")


class KeptRightsAnswer(Answer):
    address = AddressField()
    rights = KeptRightAnswer(many=True)


class SolvencyTokenAnswer(Answer):
    chain_id = IntField()
    escrow = EscrowField()
    token = AddressField()
    symbol = serializers.CharField()
    decimals = IntField(allow_null=True)
    block_number = IntField()
    block_hash = Hash32Field()
    payment_token = serializers.BooleanField(
        help_text="The escrow takes it as payment now. Any other token is code that somebody proposed to deliver: "
        "what it says of the escrow's balance is its own doing."
    )
    contract_balance = UintField(
        allow_null=True,
        help_text="What the token says the escrow holds, at that block; null: it gives no number, or not in time.",
    )
    contract_liabilities = UintField(help_text="What the escrow says it owes.")
    contract_fees = UintField()
    ledger_free = UintField(help_text="Sums of our ledger, rebuilt from the logs.")
    ledger_locked = UintField()
    ledger_fees = UintField()
    solvent = serializers.BooleanField(
        allow_null=True, help_text="contract_balance ≥ contract_liabilities; null where there is no contract_balance."
    )
    agrees = serializers.BooleanField(help_text="The ledger says what the contract says.")


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
    kind = serializers.ChoiceField(choices=[str(kind) for kind in NeedKind])
    token = AddressField()
    right = UintField(allow_null=True, help_text="The id, where it is about pieces of one right.")
    spender = AddressField(allow_null=True, help_text="Whom to approve; only for an allowance or an approval.")
    has = UintField(help_text="Base units; of a right, pieces; of an approval, 0.")
    needs = UintField()


class PreparedTransactionAnswer(Answer):
    transaction = TransactionAnswer()
    simulation = SimulationAnswer()
    issues = IssueAnswer(many=True, help_text="What the account must do first.")
    explanation = serializers.CharField(help_text="What it means in money and time; a sentence a line.")
    block_number = IntField(help_text="At which all of this was true.")
