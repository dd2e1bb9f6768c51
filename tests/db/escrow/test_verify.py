"""Each invariant of the database is broken by hand once, and named."""

import json

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import F

from escrow.chain.models import StagedBlock, WrittenTogether
from escrow.checks import folds
from escrow.checks.invariants import QUERIES, REFERENCES
from escrow.checks.verify import FOLDS, NAMES, SHOWN, verify
from escrow.models import (
    Account,
    Attempt,
    Block,
    ChainCursor,
    ChainEvent,
    Deal,
    DealTranche,
    Intent,
    KeptRight,
    SettlementTerms,
    Signer,
    Transfer,
)
from otc.core.fields import ZERO_ADDRESS
from otc.core.models import Chain, OutboxEvent
from points.models import MakerFunds, Market, Offer
from tests.db.escrow.test_chain_whole_protocol import APPROVED, BUY, BUYER, DEAL, ESCROW, LIFE, chain, fake, mine, word
from tests.support.rows import attempt
from tests.support.threads import run_together

__all__ = ["chain", "fake"]  # fixtures

pytestmark = pytest.mark.django_db
KEEPER = "0x" + "ce" * 20


@pytest.fixture
def lived(chain, fake):
    """A chain on which every kind of thing happened, its deal still open, and a keeper in the middle of its work."""
    mine(chain, fake, *LIFE[:-1], [APPROVED])
    chain.refresh_from_db()
    final = Block.objects.get(chain=chain, number=chain.final_number, canonical=True)
    signer = Signer.objects.create(chain_id=chain.chain_id, address=KEEPER, final_nonce=1, next_nonce=3)
    done = attempt(signer, 0, block_number=final.number, block_hash=final.hash, succeeded=True)
    attempt(signer, 1)
    attempt(signer, 2, block_number=chain.head_number, block_hash=chain.head_hash, succeeded=True)
    common = {"chain": chain, "action": "slash", "deal_id": DEAL}
    Intent.objects.create(key="a", tranche=0, state="done", attempt=done, **common)
    Intent.objects.create(key="b", tranche=1, state="sent", attempt=Attempt.objects.get(nonce=1), **common)
    Intent.objects.create(key="c", tranche=2, state="mined", attempt=Attempt.objects.get(nonce=2), **common)
    Intent.objects.create(key="d", tranche=3, **common)
    return chain


def tip_block():
    return Block.objects.filter(canonical=True).order_by("-number")[:1]


def change(queryset, **values):
    return lambda: queryset.model.objects.filter(pk__in=queryset.all()[:1].values("pk")).update(**values)


def of_rights():
    """The chain's escrow becomes the one of rights, its market on chain, and a tranche has pieces that nobody delivered."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE core_chain DROP CONSTRAINT chain_key_of_its_escrow")
    Chain.objects.update(kind="rights")
    unproven = {"attestor": ZERO_ADDRESS, "arbitrator": ZERO_ADDRESS, "challenge": 0, "arbitration_window": 0}
    Market.objects.update(settlement=0, bond_bps=0, **unproven)
    DealTranche.objects.create(deal=Deal.objects.get(), number=0, delivered=2)


# By invariant: what is done by hand, and the key under which it must be named.
BREAKS = {
    "ledger.balance": (change(Account.objects.filter(kind="free", owner=BUYER), balance=1), "account "),
    "ledger.sum": (change(Account.objects.filter(kind="free", owner=BUYER), balance=1), "70" * 20),
    "ledger.posted": (change(Transfer.objects.filter(state="pending"), state="posted"), "transfer "),
    "ledger.pending": (change(Transfer.objects.filter(state="posted"), state="pending"), "transfer "),
    "ledger.void": (change(Transfer.objects.filter(state="pending"), state="void"), "transfer "),
    "ledger.locked": (change(Deal.objects, paid_to_buyer=1), DEAL[2:]),
    "ledger.funds": (change(MakerFunds.objects.filter(maker=BUYER), free=1), BUYER[2:]),
    "chain.linked": (change(tip_block(), parent_hash=word(1)), "block "),
    "chain.tip": (change(Chain.objects, head_time=5), "block "),
    "chain.depths": (change(Chain.objects, safe_number=F("head_number") + 1), "chain"),
    "chain.staged": (lambda: StagedBlock.objects.create(chain=Chain.objects.get(), number=0, hash=word(1), parent_hash=word(0), timestamp=1), "block "),
    "chain.unread": (lambda: ChainCursor.objects.all().delete(), "chain"),
    "events.block": (change(tip_block(), canonical=False), "event "),
    "offers.filled": (change(Offer.objects.filter(offer_hash=BUY), filled_units=9), BUY[2:]),
    "markets.deals": (change(Market.objects, deal_count=2), word(0x1000)[2:]),
    "markets.terms": (lambda: SettlementTerms.objects.all().delete(), word(0x1000)[2:]),
    "rights.kept": (lambda: KeptRight.objects.create(chain=Chain.objects.get(), token=ESCROW, right=5, user=BUYER, amount=1), "kept right "),
    "rights.delivered": (of_rights, DEAL[2:]),
    "intents.attempt": (change(Intent.objects.filter(key="b"), state="planned"), "b"),
    "intents.done": (change(Attempt.objects.filter(nonce=0), block_hash=word(5)), "a"),
    "nonces.gapless": (change(Signer.objects, next_nonce=4), KEEPER[2:]),
    "nonces.once": (
        lambda: attempt(Signer.objects.get(), 2, tx_hash=word(7), block_number=3),
        KEEPER[2:],
    ),
    "references": (change(Transfer.objects, event_id=10**9), "escrow_transfer "),
    "outbox.sequence": (change(OutboxEvent.objects.filter(sequence=2), sequence=700), ""),
    "deals.fold": (change(Deal.objects, buyer_ref=word(9)), DEAL),
    "deals.shares": (change(Account.objects.filter(kind="locked"), balance=F("balance") + 1), DEAL),
}  # fmt: skip


def broken(chain):
    """Violations by invariant."""
    found = [violation for done in verify([chain]) for violation in done.violations]
    return {name: [item.key for item in found if item.invariant == name] for name in {item.invariant for item in found}}


def test_a_sound_database_breaks_none(lived):
    of_chain, of_none = verify([lived])
    assert (of_chain.broken, of_none.broken) == ({}, {})
    assert set(of_chain.seconds) | set(of_none.seconds) == set(NAMES)
    assert len(NAMES) == len(QUERIES) + len(FOLDS)


def test_each_invariant_is_named_when_it_is_broken(lived):
    assert set(BREAKS) == set(NAMES)
    for name, (break_it, key) in BREAKS.items():
        with transaction.atomic():
            break_it()
            found = broken(lived)
            assert name in found, f"{name} was broken, {found} was told"
            assert any(told.startswith(key) for told in found[name]), (name, found[name])
            transaction.set_rollback(True)
    assert broken(lived) == {}


@pytest.mark.parametrize(
    ("break_it", "found"),
    [
        (lambda: DealTranche.objects.create(deal=Deal.objects.get(), number=0, delivered=1), "tranches={0"),
        (lambda: Deal.objects.update(phase_until=1), "until=1"),
        (lambda: Deal.objects.update(deal_id=word(0xD0)), "no event opened it"),
        (lambda: ChainEvent.objects.filter(name="Attested").update(canonical=False), "dispute"),
    ],
)
def test_a_deal_is_compared_in_all_that_the_fold_says(lived, break_it, found):
    break_it()
    told = [item.found for done in verify([lived]) for item in done.violations if item.invariant == "deals.fold"]
    assert len(told) == 1
    assert found in told[0]


def test_every_reference_without_a_foreign_key_is_looked_at():
    unguarded = {
        (model._meta.db_table, field.column, field.related_model._meta.db_table)
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, WrittenTogether)
    }
    assert set(REFERENCES) == unguarded


def test_an_ended_deal_holds_nothing(chain, fake):
    mine(chain, fake, *LIFE)
    assert broken(chain) == {}
    Account.objects.filter(kind="locked").update(balance=1)
    assert {"ledger.locked", "ledger.balance"} <= set(broken(chain))


def test_a_reorg_leaves_a_sound_database(chain, fake):
    mine(chain, fake, *LIFE)
    fake.reorg(2, 3, empty=True)
    mine(chain, fake)
    assert Transfer.objects.filter(state="void").exists()
    assert broken(chain) == {}


def test_a_chain_that_was_never_read_breaks_none(chain):
    assert broken(chain) == {}


def test_all_are_counted_and_some_are_shown(lived):
    rows = [OutboxEvent(type="a", aggregate=f"deal:{n}", sequence=2, payload={}) for n in range(SHOWN + 5)]
    OutboxEvent.objects.bulk_create(rows)
    (_, of_none) = verify([lived])
    assert of_none.broken == {"outbox.sequence": SHOWN + 5}
    assert len(of_none.violations) == SHOWN


class TestCommand:
    def test_it_prints_what_is_broken_and_exits_with_1(self, lived, capsys):
        call_command("verify")
        assert f"{lived}: {len(NAMES) - 2} invariants, 0 broken" in capsys.readouterr().out
        Deal.objects.update(buyer_ref=word(9))
        with pytest.raises(CommandError, match="1 violations") as caught:
            call_command("verify", "--json", "--chain", str(lived.pk))
        assert caught.value.returncode == 1
        told = json.loads(capsys.readouterr().out.splitlines()[0])
        assert (told["chain"], told["broken"]) == (lived.pk, {"deals.fold": 1})
        assert told["violations"][0]["key"] == DEAL
        with pytest.raises(CommandError):
            call_command("verify")
        assert f"deals.fold: 1 times not so that {NAMES['deals.fold']}\n    {DEAL}: " in capsys.readouterr().out

    def test_an_unknown_chain_is_refused(self, db):
        with pytest.raises(CommandError, match="No such chain"):
            call_command("verify", "--chain", "5")


@pytest.mark.django_db(transaction=True)
def test_it_looks_at_one_moment_whatever_is_written_meanwhile(chain, fake, monkeypatch):
    mine(chain, fake, *LIFE[:3])
    histories = folds._histories

    def then_written(of):
        read = list(histories(of))
        run_together([lambda: mine(chain, fake, *LIFE[3:])])
        yield from read

    monkeypatch.setattr(folds, "_histories", then_written)
    assert broken(chain) == {}
    assert Deal.objects.get().outcome
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone()[0] == "read committed"
