"""Runs of the checks are kept, for metrics and alarms; what could not be asked is not kept as a success."""

import logging
from datetime import timedelta

import pytest
from django.core.management import call_command

from escrow.checks import tasks
from escrow.checks.models import CheckRun
from escrow.models import Deal, Reorg
from otc.core import clock
from otc.core.models import Chain
from tests.db.escrow.test_chain_whole_protocol import LIFE, chain, fake, mine, word

__all__ = ["chain", "fake"]  # fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture
def lived(chain, fake):
    mine(chain, fake, *LIFE)
    chain.refresh_from_db()
    return chain


def newest(check, chain):
    return CheckRun.objects.filter(check_name=check, chain=chain).first()


def test_verify_and_replay_keep_what_they_found_and_say_it_loudly(lived, caplog):
    tasks.verify_all()
    tasks.replay_chain(lived.pk)
    runs = {(run.check_name, run.chain): run for run in CheckRun.objects.all()}
    assert set(runs) == {("verify", lived), ("verify", None), ("replay", lived)}
    assert {run.differing for run in runs.values()} == {0}
    assert runs["replay", lived].block_number == lived.head_number
    assert not [record for record in caplog.records if record.levelno == logging.CRITICAL]

    Deal.objects.update(buyer_ref=word(9))
    tasks.verify_all()
    tasks.replay_chain(lived.pk)
    verify, replay = newest("verify", lived), newest("replay", lived)
    assert (verify.differing, verify.differences[0]["invariant"]) == (1, "deals.fold")
    assert (replay.differing, replay.differences) == (1, [{"part": "deals"}])
    assert Deal.objects.get().buyer_ref == word(9)  # the nightly check mends nothing
    told = [record.message for record in caplog.records if record.levelno == logging.CRITICAL]
    assert [text.partition(" ")[0] for text in told] == ["verify", "replay"]


def test_a_comparison_that_no_node_answered_is_not_kept(lived, caplog):
    tasks.reconcile_chain(lived.pk)
    assert newest("reconcile", lived) is None
    assert "No endpoint" in caplog.text


def test_the_night_asks_for_every_chain_that_was_read(lived, monkeypatch):
    Chain.objects.create(id=5, chain_id=5, name="Unread", escrow_address="0x" + "05" * 20, start_block=0)
    asked = []
    for name in ("verify_all", "reconcile_chain", "replay_chain"):
        monkeypatch.setattr(getattr(tasks, name), "delay", lambda *args, name=name: asked.append((name, *args)))
    tasks.nightly()
    assert asked == [("verify_all",), ("reconcile_chain", lived.pk), ("replay_chain", lived.pk)]


def test_runs_are_forgotten_after_ninety_days(lived):
    run = {"check_name": "verify", "checked": 1, "differing": 0, "differences": [], "seconds": 1}
    CheckRun.objects.create(ended_at=clock.now() - timedelta(days=91), **run)
    CheckRun.objects.create(ended_at=clock.now() - timedelta(days=89), **run)
    call_command("verify")
    assert CheckRun.objects.count() == 3


def test_a_reorg_is_written_down(lived, fake):
    assert not Reorg.objects.exists()
    fake.reorg(2, 3, empty=True)
    mine(lived, fake)
    reorg = Reorg.objects.get()
    assert (reorg.from_number - reorg.to_number, reorg.events) == (2, 2)
