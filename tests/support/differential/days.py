"""Worlds for tests on a shared anvil, and runs of given seeds in them."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tests.support.anvil import Anvil
from tests.support.differential.coverage import owed, table
from tests.support.differential.driver import Driver
from tests.support.differential.fold import Folded
from tests.support.differential.trial import Trial
from tests.support.differential.world import World

STEPS = 330
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
