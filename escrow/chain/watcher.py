"""The step of a chain's reader: look and plan outside, then one transaction that writes all of it or nothing."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db import transaction

from escrow.chain.client import Node, RpcError, RpcFault, nodes_of
from escrow.chain.logs import ChainMovedError, Reading, look, read
from escrow.chain.models import Block, ChainCursor, ChainEvent
from escrow.chain.planner import Extend, Halt, Header, Remote, Rewind, TipWindow, Wait, plan_step
from escrow.chain.store import reading_store
from escrow.chain.tokens import token_facts
from escrow.contracts import bindings
from escrow.domain.deals import FoldError
from escrow.services.announcements import Announcements
from escrow.services.deals import deals_link
from escrow.services.markets import Tokens, markets_to_adopt
from escrow.services.projection import events_project, events_take_back, finality_advance, markets_adopt
from otc.core import clock, locks
from otc.core.failpoints import reach
from otc.core.fields import ZERO_ADDRESS
from otc.core.flags import flag_set
from otc.core.locks import advisory_lock
from otc.core.models import Chain, FlagName
from otc.core.outbox import outbox_add
from points.services.chain_facts import offers_expire

log = logging.getLogger(__name__)

EMPTY = Reading((), ())
RETRY_PAUSE = 0.1  # seconds before a node that contradicted itself is asked again
REASON_MAX = 300  # characters of Chain.halted and Flag.reason


class Outcome(StrEnum):
    """What a step did."""

    EXTENDED = "extended"
    REWOUND = "rewound"
    LEVEL = "level"  # nothing new
    WAITING = "waiting"  # the nodes lag, moved under us, or fail; the next tick tries again
    HALTED = "halted"
    BUSY = "busy"  # another process reads this chain


@dataclass(frozen=True, slots=True)
class StepResult:
    """`behind`: another step has work at once. `events`: how many the step stored or took back."""

    outcome: Outcome
    detail: str = ""
    behind: bool = False
    events: int = 0


class TipLostError(Exception):
    """The tip is not the one that was planned on: another writer was faster."""


def watch(chain_id: int, *, budget: float = 2.0, nodes: Sequence[Node] | None = None) -> StepResult:
    """Steps until the chain is read up to its head, or `budget` seconds have passed. One process at a time.

    Returns the last step's result. Never call it inside a transaction.
    """
    with advisory_lock(f"escrow.chain:{chain_id}") as got:
        if not got:
            return StepResult(Outcome.BUSY)
        until = clock.monotonic() + budget
        result = watch_step(chain_id, nodes=nodes)
        while result.behind and clock.monotonic() < until:
            if result.outcome is Outcome.WAITING:
                clock.wait(RETRY_PAUSE)
            result = watch_step(chain_id, nodes=nodes)
        return result


def watch_step(chain_id: int, *, nodes: Sequence[Node] | None = None) -> StepResult:
    """One step with the first node that has something to say. `nodes` default to the chain's endpoints, best first.

    A node that fails, lags or contradicts itself is passed over; a halt needs every node that answers to agree.
    """
    chain = Chain.objects.get(pk=chain_id)
    if chain.halted:
        return StepResult(Outcome.HALTED, chain.halted)
    window = tip_window(chain)
    idle: list[StepResult] = []
    for node in nodes if nodes is not None else nodes_of(chain.rpc_urls, chain.chain_id):
        try:
            result = _step_with(chain, window, node)
        except RpcError as error:
            log.warning("chain %s: %s", chain_id, error)
            shrunk = error.fault is RpcFault.RANGE_TOO_WIDE and node.width.blocks > 1
            result = StepResult(Outcome.WAITING, str(error), behind=shrunk)
        except (ChainMovedError, TipLostError) as error:
            result = StepResult(Outcome.WAITING, str(error), behind=True)
        except FoldError as error:
            result = StepResult(Outcome.HALTED, f"the events contradict each other: {error}")
        if result.outcome in {Outcome.EXTENDED, Outcome.REWOUND, Outcome.LEVEL}:
            return result
        idle.append(result)
    return _nothing_done(chain, idle)


def _nothing_done(chain: Chain, idle: Sequence[StepResult]) -> StepResult:
    """All nodes waited, failed or called for a halt."""
    answered = [result for result in idle if result.outcome is Outcome.HALTED]
    waiting = [result for result in idle if result.outcome is Outcome.WAITING]
    if answered and not waiting:
        return chain_halt(chain_id=chain.pk, reason=answered[0].detail)
    detail = "; ".join(result.detail for result in idle) or "no endpoint is configured"
    return StepResult(Outcome.WAITING, detail, behind=any(result.behind for result in waiting))


def tip_window(chain: Chain) -> TipWindow:
    """Our headers from the newest final block up to the tip."""
    cursor = ChainCursor.objects.filter(chain=chain).first()
    if cursor is None:
        return TipWindow(chain.start_block, -1, ())
    rows = Block.objects.filter(
        chain=chain, canonical=True, number__gte=cursor.final_number, number__lte=cursor.tip_number
    )
    headers = tuple(
        Header(*values) for values in rows.order_by("number").values_list("number", "hash", "parent_hash", "timestamp")
    )
    return TipWindow(chain.start_block, cursor.final_number, headers)


def _step_with(chain: Chain, window: TipWindow, node: Node) -> StepResult:
    remote = look(node, window, final_depth=chain.final_depth, final_by_tag=chain.final_by_tag)
    plan = plan_step(window, remote, limit=node.width.blocks)
    match plan:
        case Extend():
            reading = read(node, plan, tip=window.tip, escrow=chain.escrow_address)
            tokens = _tokens(chain, node, reading)
            reach("watcher.read")
            _extend(chain_id=chain.pk, window=window, reading=reading, remote=remote, tokens=tokens)
            reach("watcher.committed")
            behind = plan.last < remote.head.number
            return StepResult(Outcome.EXTENDED, f"up to block {plan.last}", behind, len(reading.logs))
        case Rewind():
            tokens = token_facts(node, _tokens_of_window(chain, plan.to))
            count = _rewind(chain_id=chain.pk, window=window, to=plan.to, tokens=tokens)
            reach("watcher.rewound")
            return StepResult(Outcome.REWOUND, f"to block {plan.to.number}", behind=True, events=count)
        case Halt():
            return StepResult(Outcome.HALTED, plan.reason)
        case Wait():
            return _wait(chain, window, remote, node, plan)


def _wait(chain: Chain, window: TipWindow, remote: Remote, node: Node, plan: Wait) -> StepResult:
    """Level with the node, finality may still move, and a market may have been registered."""
    tip = window.tip
    if tip is None or remote.head.hash != tip.hash:
        return StepResult(Outcome.WAITING, plan.reason)
    if min(remote.final, tip.number) > window.final or markets_to_adopt(chain):
        _extend(chain_id=chain.pk, window=window, reading=EMPTY, remote=remote, tokens=_tokens(chain, node, EMPTY))
    return StepResult(Outcome.LEVEL)


# ---------------------------------------------------------------- tokens to ask about


def _tokens(chain: Chain, node: Node, reading: Reading) -> Tokens:
    """Facts of the tokens that the events of a step, or of a market to adopt, name."""
    named = set()
    for log_ in reading.logs:
        if isinstance(log_.event, bindings.Proposed):
            named.add(log_.event.settlement.token)
        elif isinstance(log_.event, bindings.PayTokenSet):
            named.add(log_.event.token)
    adopted = markets_to_adopt(chain)
    if adopted:
        named |= _proposed_tokens(chain, adopted)
    return token_facts(node, named - {ZERO_ADDRESS})


def _tokens_of_window(chain: Chain, to: Header) -> set[str]:
    """Tokens whose proposal may come back when the blocks above `to` go."""
    touched = ChainEvent.objects.filter(
        chain=chain, canonical=True, block_number__gt=to.number, market_id__isnull=False
    ).exclude(name="Filled")
    return _proposed_tokens(chain, [market for market in touched.values_list("market_id", flat=True) if market])


def _proposed_tokens(chain: Chain, market_ids: Sequence[str]) -> set[str]:
    rows = ChainEvent.objects.filter(chain=chain, market_id__in=market_ids, name="Proposed", canonical=True)
    return {args["settlement"]["token"] for args in rows.values_list("args", flat=True)} - {ZERO_ADDRESS}


# ---------------------------------------------------------------- the transactions


@transaction.atomic
def _extend(*, chain_id: int, window: TipWindow, reading: Reading, remote: Remote, tokens: Tokens) -> None:
    """Stores the reading and folds it. Locks Chain and cursor. Errors: TipLostError, FoldError."""
    chain, cursor = _lock(chain_id, window, remote)
    tip = reading.headers[-1] if reading.headers else window.tip
    assert tip is not None, "an empty reading only follows a tip"  # noqa: S101
    before, final = cursor.final_number, max(cursor.final_number, min(remote.final, tip.number))
    _set_head(chain, tip, safe=min(remote.head.number - chain.safe_depth, tip.number), final=final)
    told = Announcements(chain, cursor.announce_from)
    events = reading_store(chain=chain, reading=reading)
    reach("watcher.stored")
    if final > before:
        finality_advance(chain=chain, above=before, upto=min(final, cursor.tip_number), told=told)
    if events:
        events_project(chain=chain, events=events, final_number=final, tokens=tokens, told=told)
    markets_adopt(chain=chain, tokens=tokens, told=told)
    cursor.linked_offer = deals_link(chain=chain, linked=cursor.linked_offer)
    offers_expire(chain_id=chain_id)
    reach("watcher.folded")
    told.write()
    _move(cursor, tip, final)
    reach("watcher.written")


@transaction.atomic
def _rewind(*, chain_id: int, window: TipWindow, to: Header, tokens: Tokens) -> int:
    """Takes back the blocks above `to`. Returns how many events went. Errors: TipLostError, FoldError."""
    chain, cursor = _lock(chain_id, window, None)
    rows = list(
        ChainEvent.objects.filter(chain=chain, canonical=True, block_number__gt=to.number).order_by(
            "block_number", "log_index"
        )
    )
    Block.objects.filter(chain=chain, canonical=True, number__gt=to.number).update(canonical=False)
    _set_head(
        chain,
        to,
        safe=min(-1 if chain.safe_number is None else chain.safe_number, to.number),
        final=cursor.final_number,
    )
    told = Announcements(chain, cursor.announce_from)
    events_take_back(chain=chain, rows=rows, tokens=tokens, told=told)
    reach("watcher.taken_back")
    offers_expire(chain_id=chain_id)
    told.write()
    _move(cursor, to, cursor.final_number)
    return len(rows)


@transaction.atomic
def chain_halt(*, chain_id: int, reason: str) -> StepResult:
    """Stops reading this chain, and the keeper, until a person has looked. Locks Chain."""
    chain = locks.lock_row(Chain.objects.filter(pk=chain_id))
    assert chain is not None, "chains are never deleted"  # noqa: S101
    text = reason[:REASON_MAX]
    Chain.objects.filter(pk=chain_id).update(halted=text)
    reach("watcher.halting")
    flag_set(name=FlagName.PAUSE_KEEPER, on=True, reason=f"{chain.name} is halted: {reason}"[:REASON_MAX])
    outbox_add(type="chain.halted", aggregate=f"chain:{chain_id}", payload={"chain_id": chain_id, "reason": text})
    log.critical("chain %s halted: %s", chain_id, text)
    return StepResult(Outcome.HALTED, text)


def _lock(chain_id: int, window: TipWindow, remote: Remote | None) -> tuple[Chain, ChainCursor]:
    """The chain and its cursor, locked, when the tip is still the planned one."""
    chain = locks.lock_row(Chain.objects.filter(pk=chain_id))
    assert chain is not None, "chains are never deleted"  # noqa: S101
    cursor = locks.lock_row(ChainCursor.objects.filter(chain=chain))
    tip = window.tip
    if cursor is None and tip is None and remote is not None:
        # What is final when a chain is first read is history: nobody waits to hear of it.
        history = max(0, remote.final + 1)
        return chain, ChainCursor(chain=chain, tip_number=0, tip_hash="0x" + "00" * 32, announce_from=history)
    if cursor is None or tip is None or (cursor.tip_number, cursor.tip_hash) != (tip.number, tip.hash):
        raise TipLostError(f"the tip of chain {chain_id} moved")
    return chain, cursor


def _move(cursor: ChainCursor, tip: Header, final: int) -> None:
    cursor.tip_number, cursor.tip_hash, cursor.final_number = tip.number, tip.hash, final
    cursor.save()


def _set_head(chain: Chain, tip: Header, *, safe: int, final: int) -> None:
    """What others judge time and depth by. Safe is never less than final."""
    safe = max(safe, final)
    Chain.objects.filter(pk=chain.pk).update(
        head_number=tip.number,
        head_time=tip.timestamp,
        head_hash=tip.hash,
        safe_number=safe if safe >= 0 else None,
        final_number=final if final >= 0 else None,
    )
    chain.refresh_from_db()
