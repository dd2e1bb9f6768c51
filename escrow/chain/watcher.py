"""The step of a chain's reader: look and plan, read, and hand the store what to write. No I/O of its own."""

import gc
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from escrow.chain.backfill import readings
from escrow.chain.client import Node, RpcError, RpcFault, within
from escrow.chain.health import FORKED, MOVED, ChainEndpoints, Endpoints, GivenNodes
from escrow.chain.live import read_live
from escrow.chain.looking import Policy, look
from escrow.chain.planner import Extend, Halt, Header, Remote, Rewind, Staged, Step, TipWindow, Wait, depths, plan_step
from escrow.chain.quorum import confirmed
from escrow.chain.readings import EMPTY, ChainMovedError, Reading, headers_at
from escrow.chain.store import DatabaseStore, Store, TipLostError
from escrow.chain.tokens import token_facts
from escrow.domain.deals import FoldError
from otc.core import clock
from otc.core.failpoints import reach
from otc.core.locks import advisory_lock
from otc.core.models import Chain

log = logging.getLogger(__name__)

RETRY_PAUSE = 0.1  # seconds before a node that contradicted itself is asked again
STEP_SECONDS = 3.0  # for all answers of one node to one step: then the next node is asked
ALL_RANGES = 1_000_000  # blocks of history in one step: as many as its time allows
BITE = 20_000  # events of history folded at once
AHEAD = 200_000  # events staged before they are folded


class Outcome(StrEnum):
    """What a step did."""

    EXTENDED = "extended"
    STAGED = "staged"  # history was read ahead, nothing of it is folded yet
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


def watch(chain_id: int, *, budget: float = 2.0, nodes: Sequence[Node] | None = None) -> StepResult:
    """Steps until the chain is read up to its head, or `budget` seconds have passed. One process at a time.

    Returns the last step's result. Never call it inside a transaction.
    """
    with advisory_lock(f"escrow.chain:{chain_id}") as got:
        if not got:
            return StepResult(Outcome.BUSY)
        until = clock.monotonic() + budget
        result = watch_step(chain_id, nodes=nodes, until=until)
        while result.behind and clock.monotonic() < until:
            if result.outcome is Outcome.WAITING:
                clock.wait(RETRY_PAUSE)
            result = watch_step(chain_id, nodes=nodes, until=until)
        return result


def watch_step(chain_id: int, *, nodes: Sequence[Node] | None = None, until: float = 0.0) -> StepResult:
    """One step on the database. `nodes` default to the chain's endpoints, by health."""
    if nodes is not None:
        return step(DatabaseStore(chain_id), GivenNodes(nodes), until=until)
    endpoints = ChainEndpoints(Chain.objects.get(pk=chain_id))
    result = step(DatabaseStore(chain_id), endpoints, until=until)
    endpoints.probe()
    return result


def step(store: Store, endpoints: Endpoints, *, until: float = 0.0) -> StepResult:
    """One step with the first node that has something to say. In history it goes on, range by range, `until` that time of the
    monotonic clock.

    A node that fails, lags or contradicts itself is passed over; a halt needs every node that answers to agree.
    """
    halted = store.halted()
    if halted:
        return StepResult(Outcome.HALTED, halted)
    policy, window = store.policy(), store.window()
    idle: list[StepResult] = []
    forked: list[Node] = []
    for node in endpoints.ready():
        this = _Step(store, endpoints, policy, window, node, until)
        try:
            result = this.run()
            if result.outcome is not Outcome.HALTED and not this.broken_off:
                endpoints.worked(node, head=this.head, seconds=this.seconds)
        except (RpcError, ChainMovedError) as error:
            result = _failed(error, node, endpoints)
        except TipLostError as error:
            result = StepResult(Outcome.WAITING, str(error), behind=True)
        except FoldError as error:
            result = StepResult(Outcome.HALTED, f"the events contradict each other: {error}")
        if result.outcome in {Outcome.EXTENDED, Outcome.STAGED, Outcome.REWOUND, Outcome.LEVEL}:
            for other in forked:
                endpoints.failed(other, FORKED)
            return result
        if result.outcome is Outcome.HALTED:
            forked.append(node)
        idle.append(result)
    return _nothing_done(store, idle, missing=endpoints.misses_one())


def _failed(error: RpcError | ChainMovedError, node: Node, endpoints: Endpoints) -> StepResult:
    """A range that was too wide is no failure: it is asked again, narrower."""
    log.warning("%s: %s", node.name, error)
    if isinstance(error, ChainMovedError):
        endpoints.failed(node, MOVED)
        return StepResult(Outcome.WAITING, str(error), behind=True)
    if error.fault is RpcFault.RANGE_TOO_WIDE and node.width.blocks > 1:
        return StepResult(Outcome.WAITING, str(error), behind=True)
    endpoints.failed(node, error.fault, retry_after=error.retry_after)
    return StepResult(Outcome.WAITING, str(error))


def _nothing_done(store: Store, idle: Sequence[StepResult], *, missing: bool) -> StepResult:
    """All nodes waited, failed or called for a halt. Nothing is halted while the word of one is `missing`: a machine that is stuck
    on a branch that lost must not stop us because the others failed a moment ago.
    """
    answered = [result for result in idle if result.outcome is Outcome.HALTED]
    waiting = [result for result in idle if result.outcome is Outcome.WAITING]
    if answered and not waiting and not missing:
        store.halt(answered[0].detail)
        return StepResult(Outcome.HALTED, answered[0].detail)
    detail = "; ".join(result.detail for result in idle) or "no endpoint is configured, or all of them rest"
    return StepResult(Outcome.WAITING, detail, behind=any(result.behind for result in waiting))


@contextmanager
def collector_resting() -> Iterator[None]:
    """Without the search for reference cycles: a range makes a million objects and no cycle, and the search is a quarter of its time."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


@dataclass(slots=True)
class _Step:
    """A step with one node. `window` moves on as ranges are stored; `head` and `seconds` are of the look."""

    store: Store
    endpoints: Endpoints
    policy: Policy
    window: TipWindow
    node: Node
    until: float
    head: int = -1
    seconds: float = 0.0
    broken_off: bool = False  # after something was stored

    def run(self) -> StepResult:
        """Errors: RpcError, ChainMovedError, TipLostError, FoldError."""
        begun = clock.monotonic()
        with within(STEP_SECONDS):
            remote = look(self.node, self.window, self.policy)
        self.head, self.seconds = remote.head.number, clock.monotonic() - begun
        remote = confirmed(remote, self.node, self.endpoints, self.window, self.policy)
        limit = ALL_RANGES if self.until else self.node.width.blocks
        plan = plan_step(self.window, remote, limit=limit)
        if isinstance(plan, Extend) and not plan.live:
            return self._history(plan, remote)
        with within(STEP_SECONDS - self.seconds):
            return self._short(plan, remote)

    def _short(self, plan: Step, remote: Remote) -> StepResult:
        match plan:
            case Extend():
                return self._live(plan, remote)
            case Rewind():
                tokens = token_facts(self.node, self.store.tokens_above(plan.to))
                count = self.store.rewind(self.window, plan.to, tokens)
                reach("watcher.rewound")
                return StepResult(Outcome.REWOUND, f"to block {plan.to.number}", behind=True, events=count)
            case Halt():
                return StepResult(Outcome.HALTED, plan.reason)
            case Wait():
                return self._wait(remote, plan)

    def _live(self, plan: Extend, remote: Remote) -> StepResult:
        if self.window.tip is None and remote.final < 0 < self.policy.final_quorum - 1:
            return StepResult(Outcome.WAITING, f"no {self.policy.final_quorum} endpoints agree on a final block yet")
        reading = read_live(self.node, plan, tip=self.window.tip, policy=self.policy, others=self._others())
        self._extend(reading, remote, reading.headers[-1])
        return StepResult(
            Outcome.EXTENDED, f"up to block {plan.last}", plan.last < remote.head.number, len(reading.logs)
        )

    def _history(self, plan: Extend, remote: Remote) -> StepResult:
        """Reads ahead, then folds what is staged, bite by bite, once it is a whole one or all that there is."""
        with collector_resting():
            ready = self._read_ahead(plan)
            return self._fold(plan, remote, ready)

    def _read_ahead(self, plan: Extend) -> Staged:
        """Stages range after range. What was staged before an error stands, and hides it when there is something to fold."""
        staged = self.store.staged()
        if staged.reaches(plan.last) or staged.logs >= AHEAD:
            return staged
        begun, patience = staged, STEP_SECONDS - self.seconds
        tip = staged.tip or self.window.tip
        rest = Extend(plan.first if staged.tip is None else staged.tip.number + 1, plan.last, live=False)
        ranges = readings(
            self.node,
            rest,
            tip=tip,
            policy=self.policy,
            others=self._others(),
            more=lambda: staged.logs < AHEAD and clock.monotonic() < self.until,
        )
        try:
            while True:
                with within(patience):
                    reading = next(ranges, None)
                if reading is None:
                    break
                self.store.stage(self.window, tip, reading)
                reach("watcher.staged")
                tip, patience = reading.headers[-1], STEP_SECONDS
                staged = Staged(tip, staged.logs + len(reading.logs))
        except (RpcError, ChainMovedError) as error:
            if staged == begun and staged.logs < BITE:
                raise
            self.broken_off = True
            _failed(error, self.node, self.endpoints)
        finally:
            ranges.close()
        return staged

    def _fold(self, plan: Extend, remote: Remote, staged: Staged) -> StepResult:
        """As many bites as there is time for, one at least."""
        complete, left, events, last = staged.reaches(plan.last), staged.logs, 0, plan.first - 1
        while last < plan.last and (complete or left >= BITE) and (last < plan.first or clock.monotonic() < self.until):
            bite = self.store.bite(plan.last, BITE)
            if not bite.headers:
                break
            with within(STEP_SECONDS):
                self._extend_by_bite(bite, remote)
            left, events, last = left - len(bite.logs), events + len(bite.logs), bite.headers[-1].number
        if last >= plan.first:
            return StepResult(Outcome.EXTENDED, f"up to block {last}", last < remote.head.number, events)
        if complete:
            return StepResult(
                Outcome.WAITING, f"the node lags: it calls block {plan.last} final, and later ones are staged"
            )
        return StepResult(Outcome.STAGED, f"{left} events ahead", behind=True)

    def _extend_by_bite(self, bite: Reading, remote: Remote) -> None:
        """Another machine may have told what was staged, a while ago: this node must have its end, and agree on what is final."""
        tip = bite.headers[-1]
        found = headers_at(self.node, [tip.number])
        if not found:
            raise ChainMovedError(f"{self.node.name} no longer has block {tip.number}")
        if found[0].hash != tip.hash or _other_final(bite.headers, remote) is not None:
            self.store.unstage()
            raise ChainMovedError(f"{self.node.name} has another chain than the one that was staged up to {tip.number}")
        self._extend(bite, remote, tip)

    def _wait(self, remote: Remote, plan: Wait) -> StepResult:
        """Level with the node, finality may still move, and there may be work that waited for us."""
        tip = self.window.tip
        if tip is None or remote.head.hash != tip.hash:
            return StepResult(Outcome.WAITING, plan.reason)
        if min(remote.final, tip.number) > self.window.final or self.store.has_late_work():
            self._extend(EMPTY, remote, tip)
        return StepResult(Outcome.LEVEL)

    def _extend(self, reading: Reading, remote: Remote, tip: Header) -> None:
        wrong = _other_final((*self.window.headers, *reading.headers), remote)
        if wrong is not None:
            raise ChainMovedError(f"block {wrong.hash} is not the final one, {remote.final_hash}")
        after = depths(self.window, remote, tip, safe_depth=self.policy.safe_depth)
        tokens = token_facts(self.node, self.store.tokens_of(reading))
        reach("watcher.read")
        self.store.extend(self.window, reading, after, tokens)
        reach("watcher.committed")
        self.window = TipWindow(self.window.start, after.final, (tip,))

    def _others(self) -> list[Node]:
        """Who is asked when an empty answer is hard to believe."""
        return [other for other in self.endpoints.ready() if other is not self.node] if self.policy.check_blooms else []


def _other_final(headers: Iterable[Header], remote: Remote) -> Header | None:
    """The header of ours at the height that the node calls final, when it names another block there."""
    return next(
        (
            header
            for header in headers
            if header.number == remote.final and remote.final_hash not in {None, header.hash}
        ),
        None,
    )
