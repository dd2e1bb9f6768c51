"""A chain's state rebuilt beside the live one: equal, or the difference is named and mended; and nobody waits meanwhile."""

import json
from threading import Event

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from escrow.chain.watcher import Outcome, watch_step
from escrow.checks.state import state_hash
from escrow.models import (
    Account,
    AutoDelivery,
    ChainEvent,
    Deal,
    DealTranche,
    DealTransfer,
    MarketRecord,
    SettlementTerms,
    Transfer,
)
from escrow.services import replay as module
from escrow.services.replay import replay
from otc.core.errors import DomainError, ErrorCode
from otc.core.locks import lock_row
from otc.core.models import Chain, OutboxEvent
from points.models import MakerEpoch, MakerFunds, MakerNonces, Market, Offer, PayToken, UnknownMarket, UnknownOffer
from tests.db.escrow.test_chain_whole_protocol import APPROVED, BUY, BUYER, LIFE, TOKEN, chain, fake, mine, word
from tests.sim.fake_chain import FakeNode
from tests.support.threads import run_together

__all__ = ["chain", "fake"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lived(chain, fake):
    """A chain on which every kind of thing happened; all but the end of its only deal."""
    mine(chain, fake, *LIFE[:-1], [APPROVED])
    chain.refresh_from_db()
    return chain


def change(queryset, **values):
    return lambda: queryset.all().update(**values)


# What somebody did to the tables by hand, and the part of the state that must be named for it.
DAMAGE = {
    "a deal": (change(Deal.objects, units=11), "deals"),
    "a deal gone": (lambda: (DealTransfer.objects.all().delete(), Deal.objects.all().delete()), "deals"),
    "a change of hands gone": (lambda: DealTransfer.objects.first().delete(), "changes of hands"),
    "a tranche": (lambda: DealTranche.objects.create(deal=Deal.objects.get(), number=3, delivered=1), "tranches"),
    "an approval": (change(AutoDelivery.objects, amount=1), "approvals"),
    "terms": (change(SettlementTerms.objects, ratio_num=9), "terms"),
    "a record": (change(MarketRecord.objects, cancel_confirmable_at=5), "records"),
    "a balance": (change(Account.objects.filter(kind="free", owner=BUYER), balance=1), "accounts"),
    "an amount": (change(Transfer.objects.filter(kind="bond"), amount=31), "transfers"),
    "finality": (change(Transfer.objects.filter(state="posted"), state="pending"), "posted"),
    "a market": (change(Market.objects, deal_count=7), "markets"),
    "an unknown market": (
        lambda: UnknownMarket.objects.create(chain=Chain.objects.get(), market_id=word(0x77), status=1),
        "unknown markets",
    ),
    "an offer": (change(Offer.objects.filter(offer_hash=BUY), filled_units=3), "offers"),
    "an offer's state": (change(Offer.objects.filter(offer_hash=BUY), state="open"), "offers"),
    "an unknown offer": (
        lambda: UnknownOffer.objects.create(chain=Chain.objects.get(), offer_hash=word(0x78), filled_units=1),
        "unknown offers",
    ),
    "funds": (change(MakerFunds.objects.filter(maker=BUYER), free=1), "funds"),
    "an epoch": (lambda: MakerEpoch.objects.create(chain=Chain.objects.get(), maker=BUYER, epoch=4), "epochs"),
    "nonces": (change(MakerNonces.objects, mask=1), "nonces"),
    "a payment token": (change(PayToken.objects.filter(address=TOKEN), allowed=False), "pay tokens"),
    "the fee": (change(Chain.objects, fee_bps=77), "chain"),
}


def test_the_rebuilt_state_is_the_live_one_which_is_left_alone(lived):
    before = (Deal.objects.get().pk, Account.objects.count(), OutboxEvent.objects.count())
    done = replay(chain_id=lived.pk, install=True)
    assert done.same
    folded = ChainEvent.objects.filter(canonical=True).count()
    assert (done.installed, done.events, done.live) == (False, folded, state_hash(lived))
    empty = {name for name, (count, _) in done.live.parts.items() if not count}
    assert empty == {
        "unknown markets", "unknown offers", "epochs", "tranches", "pieces delivered", "rights kept", "rights moved",
    }  # fmt: skip
    assert before == (Deal.objects.get().pk, Account.objects.count(), OutboxEvent.objects.count())


@pytest.mark.parametrize("what", DAMAGE)
def test_each_kind_of_damage_is_named_and_mended(lived, what):
    whole = state_hash(lived)
    damage, part = DAMAGE[what]
    told = OutboxEvent.objects.count()
    damage()
    found = replay(chain_id=lived.pk, install=False)
    assert not found.same
    assert part in found.live.differing(found.rebuilt)
    assert found.rebuilt == whole
    assert state_hash(lived) == found.live != whole
    assert replay(chain_id=lived.pk, install=True).installed
    assert state_hash(lived) == whole
    assert OutboxEvent.objects.count() == told


def test_offers_that_the_reader_is_still_to_end_are_waited_for(lived):
    Offer.objects.filter(offer_hash=BUY).update(state="open", filled_units=0, expiry=lived.head_time - 1)
    before = state_hash(lived)
    with pytest.raises(DomainError, match="ending offers that ran out") as refused:
        replay(chain_id=lived.pk, install=True)
    assert refused.value.code == ErrorCode.CONFLICT
    assert state_hash(lived) == before


def test_reader_and_writers_go_on_meanwhile_and_no_row_of_theirs_is_locked(lived, fake, monkeypatch):
    rebuilt, go = Event(), Event()
    held = []

    def paused(**given):
        count = fold(**given)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relation::regclass::text, mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'"
                " AND relation NOT IN (SELECT oid FROM pg_class WHERE relpersistence = 't') AND mode <> 'AccessShareLock'"
            )
            held.extend(cursor.fetchall())
        rebuilt.set()
        assert go.wait(30)
        return count

    fold = module.projection_refold
    monkeypatch.setattr(module, "projection_refold", paused)

    def others():
        assert rebuilt.wait(30)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '100ms'")
            fake.mine(LIFE[-1])
            result = watch_step(lived.pk, nodes=[FakeNode(fake)])
            with transaction.atomic():
                assert lock_row(MakerFunds.objects.filter(maker=BUYER)) is not None
            return result.outcome
        finally:
            go.set()

    done, outcome = run_together([lambda: replay(chain_id=lived.pk, install=False), others])
    assert outcome is Outcome.EXTENDED
    assert done.same
    assert held == []
    assert Deal.objects.get().outcome
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'")
        assert cursor.fetchone()[0] == 0


def test_a_market_that_the_reader_is_about_to_take_up_is_no_difference(lived):
    MarketRecord.objects.all().delete()
    with pytest.raises(DomainError) as caught:
        replay(chain_id=lived.pk, install=True)
    assert caught.value.code == ErrorCode.CONFLICT


def test_the_command_prints_both_hashes_and_exits_1_on_a_difference(lived, capsys):
    call_command("replay", "--chain", str(lived.pk), "--json")
    same = json.loads(capsys.readouterr().out)
    assert (same["before"], same["differing"], same["installed"]) == (same["after"], [], False)
    Deal.objects.update(units=11)
    with pytest.raises(CommandError, match="differs in deals; nothing was changed") as caught:
        call_command("replay", "--chain", str(lived.pk), "--check")
    assert caught.value.returncode == 1
    with pytest.raises(CommandError, match="differs in deals; the rebuilt state is in place") as caught:
        call_command("replay", "--chain", str(lived.pk))
    assert caught.value.returncode == 1
    assert f"after  {same['after']}" in capsys.readouterr().out
    call_command("replay", "--chain", str(lived.pk))


def test_a_chain_that_was_never_read_is_refused():
    with pytest.raises(CommandError, match="There is no chain 5") as caught:
        call_command("replay", "--chain", "5")
    assert caught.value.returncode == 2
