"""Worlds for tests on a shared anvil, and days in them: of given seeds, and of Hypothesis' choices."""

import random
from collections.abc import Collection, Iterable, Iterator
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.anvil import Anvil
from tests.support.differential.coverage import owed, table
from tests.support.differential.driver import Driver
from tests.support.differential.fold import Folded
from tests.support.differential.trial import Trial
from tests.support.differential.world import World

STEPS = 330
# Of Hypothesis: days, calls of a seed in each, and calls whose every choice is its own, as many as it can hold.
EXAMPLES, BEFORE, CHOSEN = 12, 100, 25
WorldT = TypeVar("WorldT", bound=World)


def world_on(anvil: Anvil, kind: type[WorldT]) -> Iterator[WorldT]:
    """One world; afterwards the node is as it was."""
    before = anvil.snapshot()
    world = kind(anvil)
    yield world
    world.close()
    anvil.rpc("anvil_dropAllTransactions")
    anvil.automine(on=True)
    anvil.revert(before)


def days(world: World, driver: type[Driver], seeds: Iterable[int]) -> set[tuple[str, str]]:
    """A random day a seed: views, events, refusals and the fold are compared after each call. Returns pairs of a function and an event or
    error of its. Errors: MismatchError; AssertionError when a function was never accepted, or never refused.
    """
    for seed in seeds:
        Trial(world, STEPS, Folded(), driver).run(seed)
    missing = owed(world.counts, world.functions)
    assert not missing, f"{missing} in\n{table(world.counts, world.functions)}"
    return world.errors.keys() | world.seen.keys()


def chosen_days(world: World, driver: type[Driver], phases: Collection[Phase] = tuple(Phase)) -> None:
    """Days of which Hypothesis chooses the seed, and each call of the evening by itself: it shrinks what fails. Errors: MismatchError."""

    @settings(
        max_examples=EXAMPLES,
        phases=phases,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow],
    )
    @given(st.integers(0, 2**64 - 1), st.randoms(use_true_random=False))
    def day(seed: int, choices: random.Random) -> None:
        Trial(world, BEFORE, Folded(), driver).day(seed, choices, CHOSEN)

    day()
