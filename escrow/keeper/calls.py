"""Intents as calls of the escrow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from escrow.contracts import bindings, words
from escrow.domain.duties import Duty
from escrow.keeper.models import Intent
from escrow.models import Deal

MULTICALL = "multicall("
# What the keeper's key may call, and what may stand in a multicall of it: by the start of the signature.
DIRECT = ("slashBatch(", "refundBatch(")
WITHIN = ("finalize(", "ruleTimeout(", "deliverFor(")


@dataclass(frozen=True, slots=True)
class Item:
    """`amount`: base units of the settlement token, of a delivery."""

    intent: Intent
    row: Deal
    deal: bindings.Deal
    amount: int = 0


def encode(items: Sequence[Item]) -> str:
    """One call for intents of one action. slashBatch and refundBatch skip what is done, so a race with somebody else costs gas
    only; a multicall is all or none.
    """
    duty = Duty(items[0].intent.action)
    if duty is Duty.SLASH:
        return bindings.encode_slash_batch([bindings.TrancheOf(item.deal, item.intent.tranche) for item in items])
    if duty is Duty.REFUND:
        return bindings.encode_refund_batch([item.deal for item in items])
    one = _SINGLE[duty]
    return bindings.encode_multicall([words.raw(one(item)) for item in items])


def _deliver_for(item: Item) -> str:
    return bindings.encode_deliver_for(
        bindings.Delivery(
            deal=item.deal,
            to_escrow=item.intent.action == Duty.REST,
            tranche=item.intent.tranche,
            amount=item.amount,
        )
    )


_SINGLE: dict[Duty, Callable[[Item], str]] = {
    Duty.FINALIZE: lambda item: bindings.encode_finalize(item.deal),
    Duty.TIMEOUT: lambda item: bindings.encode_rule_timeout(item.deal),
    Duty.DELIVER: _deliver_for,
    Duty.REST: _deliver_for,
}
