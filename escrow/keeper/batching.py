"""Turns planned intents into one transaction that will go through: drops what is done, judges what the contract refuses."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from escrow.contracts import bindings, structs, words
from escrow.domain.duties import DELIVERIES, Duty
from escrow.keeper.calls import Item, encode
from escrow.keeper.deliveries import covered
from escrow.keeper.models import REASON_MAX, Intent, IntentState
from escrow.keeper.node import Simulation
from escrow.keeper.sizing import FIRST_GUESS, first_count, half, next_count
from escrow.keeper.step import Step
from escrow.models import Deal, DealOutcome
from otc.core.models import Chain

LAST_OUTCOME = max(DealOutcome.values)
# Refusals that only say that the facts have moved on since the plan; every other one is a disagreement for a person.
FACTS_MOVED = {
    "Deadline",
    "DealClosed",
    "NoSettlement",
    "NotRefundable",
    "TooEarly",
    "TooMuch",
    "TrancheClosed",
    "UnknownDeal",
    "UnknownMarket",
    "WrongPhase",
}


@dataclass(frozen=True, slots=True)
class Batch:
    """`gas` is the node's estimate."""

    intent_pks: tuple[int, ...]
    calldata: bytes
    gas: int


def next_batch(step: Step) -> Batch | None:
    """The oldest planned intents of one action as one call, simulated at the newest block; None when nothing is left to do.

    Asks the node; writes the intents it finds moot or failed, or lets them wait. Raises NodeUnavailableError.
    """
    while intents := _planned(step):
        items = _live(step, intents)
        if items and intents[0].action in DELIVERIES:
            items, moot, waiting = covered(step, items)
            _close(step, moot, IntentState.MOOT)
            _wait(step, waiting)
        batch = _fit(step, items) if items else None
        if batch is not None:
            return batch
    return None


def _planned(step: Step) -> list[Intent]:
    """The oldest that may be tried, and those that can go with it. What was in a transaction that reverted goes alone from then
    on: whatever it does when it is mined, it does to nothing else. Deliveries go one transaction at a time, since the simulation
    of the next must see what this one took, and by market: a token that burns gas or reverts harms nobody but its own.
    """
    ready = Intent.objects.filter(step.ready, chain=step.chain, state=IntentState.PLANNED).order_by("pk")
    if Intent.objects.filter(chain=step.chain, state=IntentState.SENT, action__in=DELIVERIES).exists():
        ready = ready.exclude(action__in=DELIVERIES)
    first = ready.first()
    if first is None or first.reverts:
        return [first] if first is not None else []
    together = ready.filter(action=first.action, reverts=0)
    if first.action in DELIVERIES:
        deals = Deal.objects.filter(chain=step.chain)
        market = deals.filter(deal_id=first.deal_id).values("market")
        together = together.filter(Q(deal_id__in=deals.filter(market__in=market).values("deal_id")) | Q(pk=first.pk))
    return list(together[: step.policy.max_items])


def _live(step: Step, intents: list[Intent]) -> list[Item]:
    """Those of `intents` that the contract still has open, after writing down the others."""
    deals = {
        deal.deal_id: deal
        for deal in Deal.objects.filter(
            chain=step.chain, deal_id__in={intent.deal_id for intent in intents}
        ).select_related("market__settlement_terms", "pay_token")
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
        of_a_tranche = intent.action == Duty.SLASH or intent.action in DELIVERIES
        if stored == 0:
            moot[intent.pk] = "the chain does not know this deal"
        elif stored <= LAST_OUTCOME:
            moot[intent.pk] = f"the deal was already closed: {DealOutcome(stored).label}"
        elif of_a_tranche and progress >> intent.tranche & 1:
            moot[intent.pk] = "the tranche was already closed"
        elif deal is None:
            moot[intent.pk] = "the deal is no longer among the facts"
        elif intent.action in DELIVERIES and not hasattr(deal.market, "settlement_terms"):
            moot[intent.pk] = "the settlement terms are no longer among the facts"
        else:
            live.append(Item(intent, deal, structs.deal_preimage(deal)))
    _close(step, moot, IntentState.MOOT)
    return live


def _fit(step: Step, items: Sequence[Item]) -> Batch | None:
    """As many of `items` as one transaction takes; None when some were found to be wrong and written down."""
    action = items[0].intent.action
    most = len(items)
    count = first_count(
        gas_per_item=step.gas_per_item.get(action, FIRST_GUESS[action]),
        bytes_per_item=_size(encode([*items[:1], *items[:1]])) - _size(encode(items[:1])),
        available=most,
        policy=step.policy,
    )
    while True:
        chosen = items[:count]
        calldata = encode(chosen)
        found = step.node.estimate(sender=step.signer.address, to=step.chain.escrow_address, data=calldata)
        if found.gas is None:
            if _judge_refused(step, chosen, found):
                return None
            wanted = half(count)
        else:
            step.gas_per_item[action] = -(-found.gas // count)
            other = next_count(count, gas=found.gas, size=_size(calldata), most=most, policy=step.policy)
            if other is None:
                return Batch(tuple(item.intent.pk for item in chosen), words.raw(calldata), found.gas)
            wanted = other
        if wanted == 0:
            _close(step, {chosen[0].intent.pk: f"needs {found.gas} gas, more than allowed"}, IntentState.FAILED)
            return None
        if wanted < count:
            most = count - 1
        count = wanted


def _size(calldata: str) -> int:
    return (len(calldata) - 2) // 2


def _judge_refused(step: Step, items: Sequence[Item], together: Simulation) -> bool:
    """Tries each item alone and writes down those that the contract refuses. Whether there was any."""
    if len(items) == 1:
        _write_refused(step, [(items[0], together)])
        return True
    alone = step.node.try_each(
        sender=step.signer.address,
        to=step.chain.escrow_address,
        calls=[encode([item]) for item in items],
        block=step.pulse.number,
    )
    refused = [(item, found) for item, found in zip(items, alone, strict=True) if found.gas is None]
    _write_refused(step, refused)
    return bool(refused)


def _write_refused(step: Step, refused: Sequence[tuple[Item, Simulation]]) -> None:
    """Moot when the facts have moved; a delivery that the seller's token refuses waits; all else is for a person, if it was asked
    with what we have folded up to the block it was judged at: else it may be about what we have not read, or about another branch.
    """
    moot: dict[int, str] = {}
    failed: dict[int, str] = {}
    waiting: dict[int, str] = {}
    for item, simulation in refused:
        error = _decoded(simulation.revert_data)
        text = str(error) if error is not None else simulation.message
        if error is not None and error.name in FACTS_MOVED:
            moot[item.intent.pk] = text
        elif item.intent.action in DELIVERIES:
            waiting[item.intent.pk] = f"the delivery is refused: {text}"
        else:
            failed[item.intent.pk] = text
    _close(step, moot, IntentState.MOOT)
    _close(step, failed, IntentState.FAILED if failed and _is_folded(step) else IntentState.MOOT)
    _wait(step, waiting)


def _is_folded(step: Step) -> bool:
    """Whether the fold has reached the block that the step is judged by, stands on the node's branch, and is still where it was when
    the step began: the facts that the contract refused are those that we have now.
    """
    number, digest = Chain.objects.values_list("head_number", "head_hash").get(pk=step.chain.pk)
    if number is None or digest != step.chain.head_hash:
        return False
    return step.pulse.number <= number and step.node.block_hashes([number]) == [digest]


def _decoded(revert_data: str) -> words.ContractError | None:
    try:
        return bindings.decode_error(revert_data)
    except ValueError:
        return None


def _close(step: Step, details: dict[int, str], state: IntentState) -> None:
    """PLANNED → MOOT or FAILED, with the block at which it was judged."""
    _note(details, state=state, judged_block=step.pulse.number)


def _wait(step: Step, details: dict[int, str]) -> None:
    """They stay planned, and are left alone for a while of the chain's time."""
    _note(details, wait_until=(step.chain.head_time or 0) + step.policy.retry_seconds)


def _note(details: dict[int, str], **values: object) -> None:
    for detail in set(details.values()):
        pks = [pk for pk, text in details.items() if text == detail]
        Intent.objects.filter(pk__in=pks, state=IntentState.PLANNED).update(detail=detail[:REASON_MAX], **values)
