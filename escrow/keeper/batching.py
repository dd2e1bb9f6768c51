"""Turns planned intents into one transaction that will go through: drops what is done, judges what the contract refuses."""

from collections.abc import Sequence
from dataclasses import dataclass

from escrow.contracts import bindings, structs, words
from escrow.keeper.models import REASON_MAX, Intent, IntentState
from escrow.keeper.planner import SLASH
from escrow.keeper.step import Step
from escrow.models import Deal, DealOutcome

LAST_OUTCOME = max(DealOutcome.values)
# Refusals that only say that the facts have moved on since the plan; every other one is a disagreement for a person.
FACTS_MOVED = {
    "DealClosed",
    "NoSettlement",
    "NotRefundable",
    "TooEarly",
    "TrancheClosed",
    "UnknownDeal",
    "UnknownMarket",
}


@dataclass(frozen=True, slots=True)
class Item:
    intent: Intent
    deal: bindings.Deal


@dataclass(frozen=True, slots=True)
class Batch:
    """`gas` is the node's estimate."""

    intent_pks: tuple[int, ...]
    calldata: bytes
    gas: int


def next_batch(step: Step) -> Batch | None:
    """The oldest planned intents of one action as one call, simulated at the newest block; None when nothing is left to do.

    Asks the node; writes the intents it finds moot or failed. Raises NodeUnavailableError.
    """
    limit = step.policy.max_items
    while True:
        items = _live(step, _planned(step, limit))
        if items is None:
            return None
        if not items:
            continue
        calldata = encode(items)
        simulation = step.node.estimate(sender=step.signer.address, to=step.chain.escrow_address, data=calldata)
        if simulation.gas is not None and simulation.gas <= step.policy.gas_cap:
            return Batch(tuple(item.intent.pk for item in items), words.raw(calldata), simulation.gas)
        if simulation.gas is None and _judge_refused(step, items):
            continue
        # Too much for one transaction: fewer items, down to one.
        if len(items) == 1:
            _close(step, {items[0].intent.pk: simulation.message or "needs more gas than allowed"}, IntentState.FAILED)
            limit = step.policy.max_items
        else:
            limit = len(items) // 2


def encode(items: Sequence[Item]) -> str:
    """Calldata of slashBatch or refundBatch: they skip what is done, so a race with somebody else costs gas only."""
    if items[0].intent.action == SLASH:
        return bindings.encode_slash_batch([bindings.TrancheOf(item.deal, item.intent.tranche) for item in items])
    return bindings.encode_refund_batch([item.deal for item in items])


def _planned(step: Step, limit: int) -> list[Intent]:
    planned = Intent.objects.filter(chain=step.chain, state=IntentState.PLANNED).order_by("pk")
    first = planned.first()
    return list(planned.filter(action=first.action)[:limit]) if first is not None else []


def _live(step: Step, intents: list[Intent]) -> list[Item] | None:
    """Those of `intents` that the contract still has open, after writing down the others. None when there were none at all."""
    if not intents:
        return None
    deals = {
        deal.deal_id: structs.deal_preimage(deal)
        for deal in Deal.objects.filter(
            chain=step.chain, deal_id__in={intent.deal_id for intent in intents}
        ).select_related("market", "pay_token")
    }
    calls = [bindings.encode_deals(intent.deal_id) for intent in intents]
    calls += [bindings.encode_progress(intent.deal_id) for intent in intents]
    answers = step.node.read(step.chain.escrow_address, calls, block=step.pulse.number)
    moot: dict[int, str] = {}
    live: list[Item] = []
    for index, intent in enumerate(intents):
        stored = int(answers[index], 16)
        progress = int(answers[len(intents) + index], 16)
        deal = deals.get(intent.deal_id)
        if stored == 0:
            moot[intent.pk] = "the chain does not know this deal"
        elif stored <= LAST_OUTCOME:
            moot[intent.pk] = f"the deal was already closed: {DealOutcome(stored).label}"
        elif intent.action == SLASH and progress >> intent.tranche & 1:
            moot[intent.pk] = "the tranche was already closed"
        elif deal is None:
            moot[intent.pk] = "the deal is no longer among the facts"
        else:
            live.append(Item(intent, deal))
    _close(step, moot, IntentState.MOOT)
    return live


def _judge_refused(step: Step, items: Sequence[Item]) -> bool:
    """Tries each item alone and writes down those that the contract refuses. Whether there was any."""
    alone = step.node.try_each(
        sender=step.signer.address,
        to=step.chain.escrow_address,
        calls=[encode([item]) for item in items],
        block=step.pulse.number,
    )
    moot: dict[int, str] = {}
    failed: dict[int, str] = {}
    for item, simulation in zip(items, alone, strict=True):
        if simulation.gas is not None:
            continue
        error = _decoded(simulation.revert_data)
        if error is not None and error.name in FACTS_MOVED:
            moot[item.intent.pk] = str(error)
        else:
            failed[item.intent.pk] = str(error) if error is not None else simulation.message
    _close(step, moot, IntentState.MOOT)
    _close(step, failed, IntentState.FAILED)
    return bool(moot or failed)


def _decoded(revert_data: str) -> words.ContractError | None:
    try:
        return bindings.decode_error(revert_data)
    except ValueError:
        return None


def _close(step: Step, details: dict[int, str], state: IntentState) -> None:
    """PLANNED → MOOT or FAILED, with the block at which it was judged."""
    for detail in set(details.values()):
        pks = [pk for pk, text in details.items() if text == detail]
        Intent.objects.filter(pk__in=pks, state=IntentState.PLANNED).update(
            state=state, judged_block=step.pulse.number, detail=detail[:REASON_MAX]
        )
