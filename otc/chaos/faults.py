"""What is done to the stack: each fault is drawn, done, noted with its time, and undone by `heal` where it does not end by itself."""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from django.db import Error, connection
from django.db.models import Max
from redis import RedisError

from escrow.keeper.models import Attempt, Intent, IntentState
from otc.chaos.proxy import Kind, Trouble
from otc.chaos.stage import Stage
from otc.core import clock, failpoints
from otc.rehearsal.node import NodeError
from otc.stack import anvil, processes

STOP_SECONDS = 10.0
RESTART_SECONDS = 180.0  # that every service gets to run again, on a machine that has other things to do
DEEPEST = 64
FORK_DEEPEST = 8
LOST_AT_MOST = 3  # blocks that the node loses when it is killed
FEE_SPIKE, DEAREST = 10**11, 24 * 10**10  # wei: what waits is underpriced, and a replacement is below the cap
SPIKE_STEPS = (3, 6)  # how long it lasts; an empty block lowers the base fee by an eighth
CALM_FEE = 10**9
KEEPER_SECONDS = 1.0
KEEPER = anvil.address("keeper")
Deed = Callable[[], str]  # does it, and says what was done; empty: there was nothing to do it to
PEOPLE = ("seller", "buyer", "maker", "taker", "resolver", "guardian")


@dataclass(frozen=True, slots=True)
class _Stopped:
    """A process that was stopped, and when it goes on."""

    pid: int
    identity: str
    until: float
    group: bool


class Faults:
    """The faults of one seed. `final_depth` bounds how much of the chain may be replaced: what is final must stand."""

    def __init__(self, stage: Stage, chance: random.Random, *, final_depth: int) -> None:
        self.stage, self.chance, self.final_depth = stage, chance, final_depth
        self.injected: Counter[str] = Counter()
        self.depths: list[int] = []  # of reorganisations and rollbacks
        self._stopped: list[_Stopped] = []
        self._fork_until: int | None = None  # highest block while an endpoint is on a fork
        self._dear, self._dear_fee = 0, FEE_SPIKE  # for how many steps gas is still dear, and how dear
        self._loaded = False  # the node was started again: it can't look further back than to then
        self._kinds: dict[str, tuple[int, Deed]] = {
            "service killed": (2, self._kill_service),  # rare: it takes its successor long to start
            "node killed": (4, self._kill_chain),
            "worker process killed": (8, self._kill_child),
            "backend killed": (3, self._kill_backend),
            "failpoint": (16, self._arm),
            "Redis killed and emptied": (3, self._lose_redis),
            "PostgreSQL stopped in immediate mode": (3, self._stop_postgres),
            "process stopped for 10 s": (3, self._pause),
            "endpoint in trouble": (16, self._trouble),
            "reorganisation": (14, self._reorg),
            "rollback": (6, self._rollback),
            "pool dropped": (3, self._drop_pool),
            "fee spike": (5, self._spike),
        }

    def inject(self) -> None:
        """One fault, drawn by weight. What can't be done now (the node is down) is noted as such."""
        names = list(self._kinds)
        name = self.chance.choices(names, [self._kinds[each][0] for each in names])[0]
        try:
            detail = self._kinds[name][1]()
        except (NodeError, Error, RedisError) as error:
            connection.close()
            self.stage.happened.note(f"{name}: not possible now ({type(error).__name__})")
            return
        if detail:
            self.injected[name] += 1
            self.stage.happened.note(f"{name}: {detail}")

    def tick(self) -> None:
        """Lets go on what was stopped long enough, keeps gas dear, and ends a fork before a block of it could become final."""
        for stopped in list(self._stopped):
            if clock.monotonic() >= stopped.until:
                self._go_on(stopped)
        if self._fork_until is not None and self.stage.highest > self._fork_until:
            self.calm()
        if self._dear:
            self._dear -= 1
            with suppress(NodeError):
                self._set_base_fee(self._dear_fee if self._dear else CALM_FEE)

    def _set_base_fee(self, wei: int) -> None:
        """Of the next block."""
        self.stage.node.call("anvil_setNextBlockBaseFeePerGas", hex(wei))

    def calm(self) -> None:
        """Both endpoints are well."""
        self._fork_until = None
        for endpoint in self.stage.endpoints:
            endpoint.set(None)

    def heal(self) -> None:
        """Everything runs and tells the truth. Waits for what was stopped to have had its time."""
        self.calm()
        failpoints.disarm(self.stage.failpoints)
        last = max((stopped.until for stopped in self._stopped), default=0.0)
        self.stage.wait(lambda: clock.monotonic() >= last, seconds=STOP_SECONDS + 1)
        self.tick()
        self.stage.until(self.stage.stack.supervisor.well, "every process runs again", seconds=RESTART_SECONDS)
        self.stage.node.call("evm_setAutomine", False)
        self._set_base_fee(CALM_FEE)
        self._dear = 0
        self.forget_people()

    def forget_people(self) -> None:
        """Drops what the people's wallets have waiting: after a reorganisation its nonces fit no more."""
        for role in PEOPLE:
            self.stage.node.call("anvil_removePoolTransactions", anvil.address(role))

    # ------------------------------------------------------------ processes

    def _kill_service(self) -> str:
        name = self.chance.choice(["worker", "worker", "beat", "web"])
        return self._kill(name, self.stage.pid(name))

    def _kill_chain(self) -> str:
        """The node is saved, makes some more blocks, and dies: those blocks are lost, and its pool."""
        if not self.stage.stack.chain.save():
            return ""
        lost = self.chance.randint(0, min(LOST_AT_MOST, self._room()))
        if lost:
            self.stage.mine(lost)
        self._loaded = True
        return self._kill("chain", self.stage.pid("chain")) + (f", {lost} blocks lost" if lost else "")

    def _kill_child(self) -> str:
        children = self.stage.children("worker")
        return self._kill("a worker process", self.chance.choice(children) if children else None)

    def _kill_backend(self) -> str:
        """SIGKILL to a server process that serves a worker: PostgreSQL takes all others down and recovers."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend' ORDER BY (state = 'active') DESC, query_start DESC"
            )
            found = [row[0] for row in cursor.fetchall()]
        connection.close()
        return self._kill("a backend of PostgreSQL", found[0] if found else None)

    def _kill(self, what: str, pid: int | None) -> str:
        if pid is None:
            return ""
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return ""
        return f"kill -9 {pid}, {what}"

    def _pause(self) -> str:
        """SIGSTOP to the whole worker, or to one of its processes: whatever lock it holds, it keeps for ten seconds."""
        group = self.chance.random() < 0.3  # noqa: PLR2004 - most often one of several
        children = self.stage.children("worker")
        pid = self.stage.pid("worker") if group else (self.chance.choice(children) if children else None)
        identity = processes.identity(pid) if pid is not None else None
        if pid is None or identity is None or self._stopped:
            return ""
        stopped = _Stopped(pid, identity, clock.monotonic() + STOP_SECONDS, group)
        self._signal(stopped, signal.SIGSTOP)
        self._stopped.append(stopped)
        return f"SIGSTOP {pid}, {'the worker' if group else 'a worker process'}"

    def _go_on(self, stopped: _Stopped) -> None:
        if processes.identity(stopped.pid) == stopped.identity:
            self._signal(stopped, signal.SIGCONT)
            self.stage.happened.note(f"SIGCONT {stopped.pid}")
        self._stopped.remove(stopped)

    @staticmethod
    def _signal(stopped: _Stopped, number: int) -> None:
        if stopped.group:
            processes.signal_group(stopped.pid, number)
        else:
            os.kill(stopped.pid, number)

    def _arm(self) -> str:
        name = self.chance.choice([name for name in failpoints.NAMES if name != "watcher.halting"])
        times = self.chance.choice([1, 1, 2, 3])
        failpoints.arm(self.stage.failpoints, name, times=times)
        return f"{name}, the {times}. time from now"

    # ------------------------------------------------------------ servers

    def _lose_redis(self) -> str:
        self.stage.redis().flushall()
        return self._kill("Redis, emptied before", self.stage.pid("redis"))

    def _stop_postgres(self) -> str:
        """What `pg_ctl stop -m immediate` sends."""
        pid = self.stage.pid("postgres")
        if pid is None:
            return ""
        os.kill(pid, signal.SIGQUIT)
        connection.close()
        return f"SIGQUIT {pid}"

    # ------------------------------------------------------------ the way to the node

    def _trouble(self) -> str:
        kinds = [kind for kind in Kind if kind is not Kind.FORKED or self.final_depth > DEEPEST]
        kind = self.chance.choice(kinds)
        share = self.chance.choice([1.0, 0.7, 0.3])
        blocks = 0
        if kind in {Kind.LAGGING, Kind.FORKED}:
            share, blocks = 1.0, self.chance.randint(1, FORK_DEEPEST)
        trouble = Trouble(kind, share, blocks)
        which = self.chance.choice([(0,), (0,), (1,), (0, 1)])
        if kind is Kind.FORKED:
            which = which[:1]
            self._fork_until = self.stage.highest - blocks + DEEPEST // 2
        for at in which:
            self.stage.endpoints[at].set(trouble)
        return f"endpoint {' and '.join('AB'[at] for at in which)} {trouble}"

    # ------------------------------------------------------------ the chain

    def _room(self) -> int:
        """How many of the newest blocks may be replaced."""
        return max(0, min(DEEPEST, self.stage.node.block_number() - (self.stage.highest - self.final_depth)))

    def _reorg(self) -> str:
        room = self._room()
        if not room:
            return ""
        depth = self.chance.choice([self.chance.randint(1, room), self.chance.randint(1, min(room, 6)), room])
        return self.reorg(depth, returning=self.chance.random() < 0.6)  # noqa: PLR2004 - a little more often than not

    def reorg(self, depth: int, *, returning: bool) -> str:
        """Replaces the newest `depth` blocks by as many, with their transactions in other places, or without."""
        node = self.stage.node
        back = self._transactions(depth) if returning else []
        if self._loaded:
            return self._reorg_by_hand(depth, back)
        placed = sorted(self.chance.randrange(depth) for _ in back)
        node.call("anvil_reorg", depth, [[raw, at] for raw, at in zip(back, placed, strict=True)])
        self.forget_people()
        self.depths.append(depth)
        return f"depth {depth}, {len(back)} transactions come back"

    def _reorg_by_hand(self, depth: int, back: list[str]) -> str:
        """For a node that was started again, whose own way gives blocks older than their parents."""
        node = self.stage.node
        node.call("anvil_rollback", depth)
        self.forget_people()
        for raw in back:
            try:
                node.call("eth_sendRawTransaction", raw)
            except NodeError:
                continue  # its nonce fits no more
        self.stage.mine(depth)
        self.depths.append(depth)
        return f"depth {depth}, {len(back)} transactions may come back"

    def _transactions(self, depth: int) -> list[str]:
        node = self.stage.node
        head = node.block_number()
        blocks = node.batch(
            [("eth_getBlockByNumber", [hex(number), False]) for number in range(head - depth + 1, head + 1)]
        )
        hashes = [found for block in blocks if block for found in block["transactions"]]
        return [str(raw) for raw in node.batch([("eth_getRawTransactionByHash", [found]) for found in hashes]) if raw]

    def _rollback(self) -> str:
        room = self._room()
        if not room:
            return ""
        depth = self.chance.randint(1, min(room, 12))
        self.stage.node.call("anvil_rollback", depth)
        self.forget_people()
        self.depths.append(depth)
        return f"{depth} blocks"

    def _drop_pool(self) -> str:
        waiting = self.stage.node.pooled()
        self.stage.node.call("anvil_dropAllTransactions")
        return f"{waiting} transactions"

    def _spike(self) -> str:
        """What waits is thrown out by the node, and not taken again: it must be replaced. The keeper gets a moment to have something
        waiting.
        """
        self._dear = self.chance.randint(*SPIKE_STEPS)
        self.stage.wake()
        at_work = Intent.objects.filter(state__in=[IntentState.PLANNED, IntentState.SENT])
        if self.stage.wait(at_work.exists, seconds=KEEPER_SECONDS):
            self.stage.wait(self._keeper_waits, seconds=3 * KEEPER_SECONDS)
        who = ", the keeper waits" if self._keeper_waits() else ""
        offered = Attempt.objects.aggregate(most=Max("max_fee"))["most"] or 0
        self._dear_fee = FEE_SPIKE if offered < FEE_SPIKE else DEAREST
        self._set_base_fee(self._dear_fee)
        self.stage.mine()
        return f"{self._dear_fee // 10**9:,} gwei for {self._dear} steps{who}"

    def _keeper_waits(self) -> bool:
        """Whether a transaction of the keeper's waits to be mined."""
        mined, with_pool = (
            int(self.stage.node.call("eth_getTransactionCount", KEEPER, which), 16) for which in ("latest", "pending")
        )
        return mined < with_pool
