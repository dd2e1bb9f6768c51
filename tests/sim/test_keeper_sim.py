"""The keeper's own code over a chain model with drops, replacements and forks: no intent takes effect twice, none is lost."""

import logging

import pytest
from django.db import transaction

from escrow.keeper import confirming, driver, sending
from tests.sim.keeper_world import KeeperWorld
from tests.sim.seeds import kept_seeds
from tests.sim.world import ViolationError, replayed

pytestmark = pytest.mark.django_db
SEEDS = [*kept_seeds("keeper"), *range(5)]
FAULT_SEEDS = range(12)  # each planted fault must show within these


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


# ---------------------------------------------------------------- the simulation can fail


def any_receipt(_step, receipts):
    return {receipt.block_hash for receipt in receipts}


def nothing_again(_step, _waiting, _sent):
    return None


def sends_before_it_stores(step, batch):
    attempt = sending.batch_store(step, batch)
    if attempt is not None:
        attempt.raw = bytes(attempt.raw[:-1]) + b"\x01"
    return attempt


def run_all(seeds):
    for seed in seeds:
        with transaction.atomic():
            KeeperWorld(seed).run()
            transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("module", "name", "faulty"),
    [
        (confirming, "_canonical", any_receipt),
        (driver, "_send_again", nothing_again),
        (driver, "batch_store", sends_before_it_stores),
    ],
    ids=["believes receipts of orphans", "never sends again", "sends other bytes than it stored"],
)
def test_a_faulty_keeper_is_found(monkeypatch, module, name, faulty):
    monkeypatch.setattr(module, name, faulty)
    with pytest.raises(ViolationError):
        run_all(FAULT_SEEDS)
