"""The keeper's own code over a chain model with drops, replacements and forks: no intent takes effect twice, none is lost."""

import logging
from contextlib import suppress

import pytest
from django.db import connection, transaction

from escrow.keeper import confirming, driver, planner, sending
from escrow.keeper.models import Intent
from tests.sim.keeper_world import KeeperWorld
from tests.sim.seeds import kept_seeds
from tests.sim.world import ViolationError, replayed

pytestmark = pytest.mark.django_db
SEEDS = [*kept_seeds("keeper"), 7, 8, 9, 12]
FAULT_SEEDS = range(200, 206)  # each planted fault must show within these


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


def found_by():
    """The first seed that finds what is wrong with the keeper, and its words. AssertionError when none does."""
    for seed in FAULT_SEEDS:
        with suppress(_Undone), transaction.atomic():
            try:
                KeeperWorld(seed).run()
            except ViolationError as violation:
                return seed, str(violation)
            raise _Undone
    raise AssertionError("no seed found it")


class _Undone(Exception):  # noqa: N818 - takes a seed back
    """Nothing of a seed stays in the database."""


def sends_before_it_stores(patch):
    signed = sending._signed

    def signed_and_sent(step, *given, **what):
        attempt = signed(step, *given, **what)
        step.node.send(bytes(attempt.raw))
        return attempt

    patch.setattr(sending, "_signed", signed_and_sent)


def takes_one_block_for_final(patch):
    look_up = confirming._look_up

    def looked_up(step, slots):
        look_up(step, slots)
        for slot in slots:
            slot.final = slot.mined is not None

    patch.setattr(confirming, "_look_up", looked_up)


def plans_an_intent_twice(patch):
    """Without the constraints that make an intent one, and without a look at what is there."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE escrow_intent DROP CONSTRAINT intent_once")
        cursor.execute("ALTER TABLE escrow_intent DROP CONSTRAINT escrow_intent_key_key")
    write = planner._write

    def written(chain, due, deals, fresh):
        known = Intent.objects.filter(chain=chain, action=due.duty, tranche=due.tranche).exists()
        twice = planner._insert(chain, due, list(deals.values_list("deal_id", flat=True))) if known else 0
        return twice + write(chain, due, deals, fresh)

    patch.setattr(planner, "_write", written)


def leaves_a_nonce_out(patch):
    store = driver.batch_store

    def stored(step, batch):
        attempt = store(step, batch)
        if attempt is not None and attempt.nonce == 1:
            sending.Signer.objects.filter(pk=step.signer_pk).update(next_nonce=attempt.nonce + 2)
        return attempt

    patch.setattr(driver, "batch_store", stored)


def forgets_what_it_stored(patch):
    patch.setattr(driver, "_send_again", lambda *_given: None)


def signs_anew_instead_of_sending_again(patch):
    """What was lost goes out at a nonce of its own."""

    def sent_again(step, waiting, _sent):
        for slot in waiting:
            Intent.objects.filter(attempt__in=slot.attempts, state="sent").update(state="planned", attempt=None)

    patch.setattr(driver, "_send_again", sent_again)


@pytest.mark.parametrize(
    "plant",
    [
        sends_before_it_stores,
        takes_one_block_for_final,
        plans_an_intent_twice,
        leaves_a_nonce_out,
        forgets_what_it_stored,
        signs_anew_instead_of_sending_again,
    ],
    ids=lambda plant: plant.__name__.replace("_", " "),
)
def test_a_faulty_keeper_is_found(plant, monkeypatch):
    plant(monkeypatch)
    seed, words = found_by()
    assert words, seed
