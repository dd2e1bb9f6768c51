"""One seed of the reader's simulation: a chain that lives, endpoints with habits, processes that die and race, and what must hold after each step."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from unittest import mock

from escrow.chain import watcher
from escrow.chain.events import FoldEvent
from escrow.chain.health import ChainEndpoints, Endpoints, GivenNodes
from escrow.chain.looking import Policy
from escrow.chain.models import EndpointHealth
from escrow.chain.watcher import Outcome, StepResult
from otc.core import clock
from otc.core.models import Finality
from tests.sim.endpoint import HABITS, HIDING, LIARS, RELIABLE, STEADY, Endpoint, Habits
from tests.sim.facts import differences
from tests.sim.fake_chain import ESCROW, FakeBlock, FakeChain
from tests.sim.fake_escrow import TOKENS, FakeEscrow, draw_offers, word
from tests.sim.memory_store import MemoryStore
from tests.sim.projection import Projection

MARKETS = {word(0x1000 + n): TOKENS[n % 2] for n in range(12)}
ATTESTED = frozenset({word(0x1000 + n) for n in range(0, 12, 3)})
OFFERS = 60
TURNS = 400  # of a seed
REBUILD_EVERY, CALM_EVERY = 100, 60  # turns
PATIENCE = 400  # steps in which a steady endpoint must bring us to its head
DEEPEST = 64  # blocks of a reorg
SLEEPS = 0.004  # chance that nobody reads for long


class ViolationError(AssertionError):
    """Something that must hold does not."""


class KilledError(BaseException):
    """As kill -9: nothing of ours runs after it."""


@contextmanager
def replayed(what: str, seed: int) -> Iterator[None]:
    """A failure says how to see it again."""
    try:
        yield
    except Exception as error:
        error.add_note(f"seed {seed}: python -m tests.sim.deep {what} --seed {seed} --steps 1")
        raise


class RememberedEndpoints(ChainEndpoints):
    """The project's own order, rests and widths, with rows in `health` instead of a table."""

    def __init__(self, nodes: Sequence[Endpoint], health: dict[str, EndpointHealth]) -> None:
        self._nodes = list(nodes)
        self._rows = health
        for node in nodes:
            if node.url not in health:
                health[node.url] = EndpointHealth(name=node.name)
            row = health[node.url]
            node.width.blocks, node.width.refused = row.width or node.width.blocks, row.refused_width

    def _load(self) -> None: ...

    @staticmethod
    def _save(row: EndpointHealth) -> None: ...


class World:
    """`step`s of the reader's own code on a store in memory, over a chain drawn from the seed."""

    def __init__(self, seed: int, *, store: type[MemoryStore] = MemoryStore) -> None:
        self.rng = rng = random.Random(seed)  # noqa: S311 - a seed that can be run again
        escrow = FakeEscrow(rng, MARKETS, draw_offers(rng, MARKETS, OFFERS), attested=ATTESTED)
        self.fake = FakeChain(rng, escrow, size=rng.choice([1, 2, 4]))
        self.policy = self._draw_policy()
        for _ in range(self.policy.start):
            self.fake.mine([])
        self.store = store(self.policy)
        self.habits = self._draw_habits()
        self.deaths, self.races = rng.choice([0.0, 0.01, 0.03]), rng.choice([0.0, 0.02])
        self.breaks_finality = rng.random() < 0.25
        self.broken = False  # it did
        self.now = 1_000_000.0
        self.counts: Counter[str] = Counter()
        self.highest = 0
        self.branches: list[list[FakeBlock]] = []
        self._racing = False
        self._final = -1
        self.health: dict[str, EndpointHealth] = {}
        self.start_processes()

    def _draw_policy(self) -> Policy:
        rng = self.rng
        return Policy(
            start=rng.choice([0, 0, 5]),
            escrow=ESCROW,
            safe_depth=rng.randint(0, 3),
            final_depth=rng.choice([rng.randint(1, 9), rng.randint(3, 20), DEEPEST + rng.randint(0, 6)]),
            finality=rng.choice(list(Finality)),
            final_quorum=rng.choice([1, 1, 2]),
            check_blooms=rng.random() < 0.3,
        )

    def _draw_habits(self) -> list[Habits]:
        """Each fault only where the policy of the chain is one that withstands it."""
        rng, policy = self.rng, self.policy
        habits = [rng.choice(HABITS) for _ in range(rng.randint(1, 4))]
        if policy.check_blooms:
            habits.append(HIDING)
        if policy.final_quorum > 1:
            habits += [STEADY, rng.choice(LIARS)]
        if any(each.stale for each in habits):  # alone it would be right to halt
            habits.append(RELIABLE)
        rng.shuffle(habits)
        return habits

    def start_processes(self) -> None:
        """Nothing of what a process had learnt is left."""
        nodes = [self._endpoint(f"node-{n}", habits) for n, habits in enumerate(self.habits)]
        self.endpoints = RememberedEndpoints(nodes, self.health)
        self.steady = GivenNodes([self._endpoint(f"steady-{n}", STEADY) for n in range(2)])

    def _endpoint(self, name: str, habits: Habits) -> Endpoint:
        return Endpoint(self.fake, name=name, rng=self.rng, habits=habits, around=self._around)

    # ------------------------------------------------------------ a turn

    def run(self, turns: int = TURNS) -> None:
        """Errors: ViolationError."""
        with self._clock(), mock.patch.object(watcher, "reach", self._reach):
            for turn in range(turns):
                for _ in range(60 if self.rng.random() < SLEEPS else 1):
                    self._live()
                for _ in range(self.rng.choice([1, 2, 2])):
                    self._step(self.endpoints)
                if turn % CALM_EVERY == CALM_EVERY - 1:
                    self._calm()
                if turn % REBUILD_EVERY == REBUILD_EVERY - 1:
                    self._rebuild()
            self._calm()
            self._rebuild()

    def _step(self, endpoints: Endpoints) -> StepResult | None:
        """None: the process died."""
        self.now += self.rng.choice([1.0, 1.0, 20.0])
        self.counts["steps"] += 1
        try:
            result = self._step_of_one(endpoints)
        except KilledError:
            self.counts["deaths"] += 1
            self.start_processes()
            result = None
        self._check(result)
        return result

    def _step_of_one(self, endpoints: Endpoints) -> StepResult:
        """As `watch_step`: sometimes with time for more than one range of history."""
        until = self.now + self.rng.choice([0.0, 2.0])
        result = watcher.step(self.store, endpoints, until=until)
        if isinstance(endpoints, RememberedEndpoints):
            endpoints.probe()
        return result

    def _live(self) -> None:
        """Blocks come, branches fork, lost branches win after all; never below what may be final."""
        rng, fake = self.rng, self.fake
        lowest = self.highest - self.policy.final_depth
        if self.policy.finality is not Finality.DEPTH:
            if rng.random() < 0.3:
                fake.finalized = max(fake.finalized, fake.head.number - rng.randint(0, self.policy.final_depth))
            lowest = fake.finalized if self.policy.finality is Finality.TAG else min(fake.finalized, lowest)
        lowest = max(lowest, self.policy.start)
        depth, what = min(fake.head.number - lowest, DEEPEST), rng.random()
        if what < 0.1 and depth > 0:
            depth = rng.choice([1, 1, min(2, depth), rng.randint(1, depth), depth])
            self._fork(depth, rng.choice([depth + 1, rng.randint(1, depth + 2)]))
        elif what < 0.16 and self.branches:
            branch = self.branches.pop()
            first = branch[0].number
            if lowest < first <= fake.head.number and fake.blocks[first - 1] is branch[0].parent:
                fake.restore(branch)
        elif what < 0.75:
            for _ in range(rng.choice([1, 1, 1, 1, 2, 8])):
                fake.mine()
        elif self.breaks_finality and not self.broken and self._final > self.policy.start and what > 0.98:
            depth = fake.head.number - rng.randint(self.policy.start, self._final - 1)
            self._fork(depth, depth + 1)
            self.broken = True
        self.highest = max(self.highest, fake.head.number)

    def _fork(self, depth: int, length: int) -> None:
        self.counts["reorgs"] += 1
        self.counts["deepest"] = max(self.counts["deepest"], depth)
        self.branches.append(self.fake.blocks[-depth:])
        del self.branches[:-4]
        self.fake.reorg(depth, length)

    # ------------------------------------------------------------ processes

    def _around(self) -> None:
        """Before and after each request."""
        self.now += self.rng.random() / 10
        if self.rng.random() < self.deaths:
            raise KilledError
        if self.rng.random() < self.races:
            self._race()

    def _race(self) -> None:
        """Another process does its whole step meanwhile."""
        if self._racing:
            return
        self._racing = True
        try:
            self.counts["races"] += 1
            self.counts["steps"] += 1
            self._step_of_one(self.endpoints)
        except KilledError:
            self.counts["deaths"] += 1
        finally:
            self._racing = False

    def _reach(self, _name: str) -> None:
        if self.rng.random() < self.deaths:
            raise KilledError

    @contextmanager
    def _clock(self) -> Iterator[None]:
        with (
            mock.patch.object(clock, "monotonic", self._seconds),
            mock.patch.object(clock, "now", self._moment),
        ):
            yield

    def _seconds(self) -> float:
        return self.now

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    # ------------------------------------------------------------ what must hold

    def _require(self, holds: bool, what: str) -> None:
        if not holds:
            raise ViolationError(what)

    def _check(self, result: StepResult | None) -> None:
        """After every step: our tip is a block of the chain, and what we say is what was true at it."""
        store, tip = self.store, self.store.tip
        if result is not None:
            self.counts[result.outcome] += 1
            if result.outcome is Outcome.HALTED:
                self._require(self.broken, f"halted without a reason: {result.detail}")
                self._final = -1
                self.broken = self.breaks_finality = False
                store.forget()
                return
        if tip is None:
            return
        block = self.fake.known[tip.hash]
        self._require(self._same(tip, block), f"the tip {tip} is not {block.header}")
        self._require(store.projection.facts.mark == block.mark, "the facts are not those of the tip")
        read = len(store.items) + len(store.strange)
        self._require(read == block.count, f"{read} logs up to block {block.number}, which has {block.count}")
        self._require(self._final <= store.final <= tip.number, f"final went from {self._final} to {store.final}")
        held = store.window().headers[0]
        if held.number <= store.final and not self.broken:
            self._require(self.fake.blocks[held.number].hash == held.hash, f"{held} is final and not canonical")
        self._require(store.final <= store.safe <= tip.number or store.safe == -1, "safe lies outside")
        self._final = store.final

    @staticmethod
    def _same(header: object, block: FakeBlock) -> bool:
        return (header.number, header.hash, header.parent_hash, header.timestamp) == (
            block.number,
            block.hash,
            block.parent_hash,
            block.timestamp,
        )

    def _calm(self) -> None:
        """With a steady endpoint and no deaths we come to its head."""
        chances, self.deaths, self.races = (self.deaths, self.races), 0.0, 0.0
        try:
            for _ in range(PATIENCE):
                result = self._step(self.steady)
                if result is not None and result.outcome is Outcome.LEVEL:
                    break
            tip = self.store.tip
            if tip is None and self.policy.final_quorum > 1:
                return  # a reader by quorum begins when two agree on a final block: a young chain has none
            self._require(
                tip is not None and tip.hash == self.fake.head.hash, "a steady endpoint's head is not reached"
            )
        finally:
            self.deaths, self.races = chances

    def _rebuild(self) -> None:
        """The store against a fold of all events from the first block, against the escrow's own books, and against the chain itself."""
        store, tip = self.store, self.store.tip
        if tip is None:
            return
        block = self.fake.known[tip.hash]
        branch = block.branch()
        anew = Projection()
        items = [
            FoldEvent(0, each.number, place, log["transactionHash"], event)
            for each in branch
            for place, (log, event) in enumerate(zip(each.logs, each.events, strict=False))
        ]
        anew.apply([FoldEvent(pk, *_rest(item)) for pk, item in enumerate(items)])
        for what, expected in (("rebuild", anew.facts.values), ("books", block.facts())):
            lines = differences(expected, store.projection.facts.values)
            self._require(not lines, f"the store differs from the {what}:\n" + "\n".join(lines))
        kept = {header.number: header for header in store.headers}
        self._require(
            all(self._same(header, branch[number]) for number, header in kept.items()), "a header is not its block's"
        )
        self._require(len(kept) == len(store.headers), "a height is there twice")
        wanted = {each.number for each in branch if each.number > store.final or each.logs} - set(
            range(self.policy.start)
        )
        self._require(wanted <= set(kept), f"headers are missing: {sorted(wanted - set(kept))[:5]}")
        self._require(
            [_rest(item) for item in store.items] == [_rest(item) for item in items], "the events are not the branch's"
        )
        self.counts["rebuilds"] += 1


def _rest(item: FoldEvent) -> tuple[object, ...]:
    return item.block_number, item.log_index, item.tx_hash, item.event
