"""20,000 steps of the reader on a store in memory: after each one the store says what was true at its tip. See tests/sim/deep.py for more."""

import logging
from collections import Counter

import pytest

from escrow.chain import live, watcher
from escrow.chain.planner import Rewind, plan_step
from escrow.chain.watcher import Outcome, StepResult
from escrow.contracts import bindings
from tests.sim.memory_store import MemoryStore
from tests.sim.projection import Projection
from tests.sim.seeds import kept_seeds
from tests.sim.world import DEEPEST, ViolationError, World, replayed

STEPS = 20_000
# each planted fault must show within these; `first` is the one that showed it when it was written
FAULT_SEEDS = range(80)


@pytest.fixture(autouse=True)
def quiet():
    """The reader tells of every node that fails, thousands of times."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def run_seeds(seeds, *, steps=None, store=MemoryStore):
    counts = Counter()
    for seed in seeds:
        with replayed("watcher", seed):
            world = World(seed, store=store)
            world.run()
        deepest = max(counts["deepest"], world.counts["deepest"])
        counts += world.counts
        counts["deepest"] = deepest
        if steps is not None and counts["steps"] >= steps:
            break
    return counts


def test_after_every_step_the_store_says_what_is_true():
    counts = run_seeds(range(1_000), steps=STEPS)
    assert counts["steps"] >= STEPS
    assert counts["deepest"] >= DEEPEST
    happened = {*Outcome, "deaths", "races", "reorgs", "rebuilds"} - {Outcome.BUSY}
    assert not {what for what in happened if not counts[what]}


@pytest.mark.parametrize("seed", kept_seeds("watcher"))
def test_seeds_that_failed_once(seed):
    run_seeds([seed])


# ---------------------------------------------------------------- the simulation can fail


class ForgetsToVoid(Projection):
    def _book(self, moves, sign):
        if sign > 0:
            super()._book(moves, sign)


class ForgetsToRefold(Projection):
    def _fold_anew(self, subject):
        if subject[0] != "deal":
            super()._fold_anew(subject)


class AppliesTwice(Projection):
    """What a rewind took back is booked once more when it comes again."""

    def take_back(self, items):
        super().take_back([item for item in items if not isinstance(item.event, bindings.Deposited)])


def with_projection(kind):
    class Store(MemoryStore):
        def forget(self):
            super().forget()
            self.projection = kind()

    return Store


class WithoutSwap(MemoryStore):
    def _require_tip(self, window):
        pass


class HalfWritten(MemoryStore):
    """The headers are written before the events, in a transaction of their own."""

    def extend(self, window, reading, depths, tokens):
        self._require_tip(window)
        self.headers += reading.headers
        self._window = None
        watcher.reach("watcher.stored")
        del self.headers[len(self.headers) - len(reading.headers) :]
        super().extend(window, reading, depths, tokens)


@pytest.mark.parametrize(
    ("store", "first"),
    [
        (with_projection(ForgetsToVoid), 0),
        (with_projection(ForgetsToRefold), 0),
        (with_projection(AppliesTwice), 0),
        (WithoutSwap, 2),
        (HalfWritten, 0),
    ],
    ids=["forgets to void", "forgets to refold", "applies twice", "swaps without comparing", "commits half"],
)
def test_a_faulty_store_is_found(store, first):
    with pytest.raises(ViolationError):
        run_seeds([first, *FAULT_SEEDS], store=store)


def rewinds_one_too_few(window, remote, *, limit):
    plan = plan_step(window, remote, limit=limit)
    above = [header for header in window.headers if isinstance(plan, Rewind) and header.number > plan.to.number]
    return Rewind(above[0]) if len(above) > 1 else plan


def believes_one_node(store, idle, *, missing):
    halting = [result for result in idle if result.outcome is Outcome.HALTED]
    if halting:
        store.halt(halting[0].detail)
        return halting[0]
    return StepResult(Outcome.WAITING)


@pytest.mark.parametrize(
    ("module", "name", "faulty", "first"),
    [
        (watcher, "plan_step", rewinds_one_too_few, 73),
        (watcher, "_nothing_done", believes_one_node, 5),
        (live, "check_links", lambda _headers, _tip: None, 2),
    ],
    ids=["rewinds one too few", "one node can halt", "links are not checked"],
)
def test_a_faulty_reader_is_found(monkeypatch, module, name, faulty, first):
    monkeypatch.setattr(module, name, faulty)
    with pytest.raises(ViolationError):
        run_seeds([first, *FAULT_SEEDS])
