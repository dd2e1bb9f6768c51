"""The step of a chain's reader: look and plan, read, and hand the store what to write. No I/O of its own."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from escrow.chain.backfill import read_range
from escrow.chain.client import Node, RpcError, RpcFault, nodes_of
from escrow.chain.live import read_live
from escrow.chain.looking import Policy, look
from escrow.chain.planner import Extend, Halt, Header, Remote, Rewind, TipWindow, Wait, depths, plan_step
from escrow.chain.readings import EMPTY, ChainMovedError, Reading
from escrow.chain.store import DatabaseStore, Store, TipLostError
from escrow.chain.tokens import token_facts
from escrow.domain.deals import FoldError
from otc.core import clock
from otc.core.failpoints import reach
from otc.core.locks import advisory_lock
from otc.core.models import Chain

log = logging.getLogger(__name__)

RETRY_PAUSE = 0.1  # seconds before a node that contradicted itself is asked again


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
    """One step on the database. `nodes` default to the chain's endpoints, best first."""
    if nodes is None:
        chain = Chain.objects.get(pk=chain_id)
        nodes = nodes_of(chain.rpc_urls, chain.chain_id)
    return step(DatabaseStore(chain_id), nodes)


def step(store: Store, nodes: Sequence[Node]) -> StepResult:
    """One step with the first node that has something to say.

    A node that fails, lags or contradicts itself is passed over; a halt needs every node that answers to agree.
    """
    halted = store.halted()
    if halted:
        return StepResult(Outcome.HALTED, halted)
    policy, window = store.policy(), store.window()
    idle: list[StepResult] = []
    for node in nodes:
        try:
            result = _Step(store, policy, window, node).run()
        except RpcError as error:
            log.warning("%s: %s", node.name, error)
            shrunk = error.fault is RpcFault.RANGE_TOO_WIDE and node.width.blocks > 1
            result = StepResult(Outcome.WAITING, str(error), behind=shrunk)
        except (ChainMovedError, TipLostError) as error:
            result = StepResult(Outcome.WAITING, str(error), behind=True)
        except FoldError as error:
            result = StepResult(Outcome.HALTED, f"the events contradict each other: {error}")
        if result.outcome in {Outcome.EXTENDED, Outcome.REWOUND, Outcome.LEVEL}:
            return result
        idle.append(result)
    return _nothing_done(store, idle)


def _nothing_done(store: Store, idle: Sequence[StepResult]) -> StepResult:
    """All nodes waited, failed or called for a halt."""
    answered = [result for result in idle if result.outcome is Outcome.HALTED]
    waiting = [result for result in idle if result.outcome is Outcome.WAITING]
    if answered and not waiting:
        store.halt(answered[0].detail)
        return StepResult(Outcome.HALTED, answered[0].detail)
    detail = "; ".join(result.detail for result in idle) or "no endpoint is configured"
    return StepResult(Outcome.WAITING, detail, behind=any(result.behind for result in waiting))


@dataclass(frozen=True, slots=True)
class _Step:
    """A step with one node."""

    store: Store
    policy: Policy
    window: TipWindow
    node: Node

    def run(self) -> StepResult:
        """Errors: RpcError, ChainMovedError, TipLostError, FoldError."""
        remote = look(self.node, self.window, self.policy)
        plan = plan_step(self.window, remote, limit=self.node.width.blocks)
        match plan:
            case Extend():
                read = read_live if plan.live else read_range
                reading = read(self.node, plan, tip=self.window.tip, escrow=self.policy.escrow)
                self._extend(reading, remote, reading.headers[-1])
                behind = plan.last < remote.head.number
                return StepResult(Outcome.EXTENDED, f"up to block {plan.last}", behind, len(reading.logs))
            case Rewind():
                tokens = token_facts(self.node, self.store.tokens_above(plan.to))
                count = self.store.rewind(self.window, plan.to, tokens)
                reach("watcher.rewound")
                return StepResult(Outcome.REWOUND, f"to block {plan.to.number}", behind=True, events=count)
            case Halt():
                return StepResult(Outcome.HALTED, plan.reason)
            case Wait():
                return self._wait(remote, plan)

    def _wait(self, remote: Remote, plan: Wait) -> StepResult:
        """Level with the node, finality may still move, and there may be work that waited for us."""
        tip = self.window.tip
        if tip is None or remote.head.hash != tip.hash:
            return StepResult(Outcome.WAITING, plan.reason)
        if min(remote.final, tip.number) > self.window.final or self.store.has_late_work():
            self._extend(EMPTY, remote, tip)
        return StepResult(Outcome.LEVEL)

    def _extend(self, reading: Reading, remote: Remote, tip: Header) -> None:
        after = depths(self.window, remote, tip, safe_depth=self.policy.safe_depth)
        tokens = token_facts(self.node, self.store.tokens_of(reading))
        reach("watcher.read")
        self.store.extend(self.window, reading, after, tokens)
        reach("watcher.committed")
