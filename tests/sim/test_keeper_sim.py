"""The keeper's own code over a chain model with drops, replacements and forks: no intent takes effect twice, none is lost."""

import logging

import pytest

from tests.sim.keeper_world import KeeperWorld
from tests.sim.seeds import kept_seeds
from tests.sim.world import replayed

pytestmark = pytest.mark.django_db
SEEDS = [*kept_seeds("keeper"), 7, 8, 9, 12]


@pytest.fixture(autouse=True)
def quiet():
    """The keeper tells of every halt."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_intent_takes_effect_twice_and_none_is_lost(seed):
    with replayed("keeper", seed):
        world = KeeperWorld(seed)
        world.run()
    assert world.counts["sent"]
