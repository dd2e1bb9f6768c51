"""Who hears of what: history is no news, and what was told as seen is told again when it is final."""

import random
from functools import partial

import pytest
from django.db import transaction

from escrow.chain.watcher import watch_step
from escrow.contracts import bindings
from escrow.domain.ledger import FREE, AccountKey
from escrow.services.announcements import Announcements
from otc.core.models import EscrowKind, OutboxEvent
from tests.sim.fake_chain import ESCROW, FakeChain, FakeNode
from tests.sim.fake_escrow import TOKENS, USERS, FakeEscrow, word
from tests.support import rows
from tests.support.threads import run_together

pytestmark = pytest.mark.django_db


def filled(number: int) -> bindings.Filled:
    deal = bindings.Deal(
        id=word(number),
        market=word(0x1000),
        buyer=USERS[0],
        seller=USERS[1],
        pay_token=TOKENS[0],
        units=10,
        payment=100,
        collateral=50,
        fee_bps=0,
        buyer_ref=word(0),
        seller_ref=word(0),
        opened_at=1_000,
    )
    return bindings.Filled(
        offer_hash=word(number << 8), buyer=USERS[0], seller=USERS[1], deal=deal, maker_side=1, filled=10
    )


@pytest.fixture
def fake():
    """Funds in block 1, a deal in block 2."""
    made = FakeChain(random.Random(3), FakeEscrow(random.Random(3), {}, []))  # noqa: S311 - a seed that can be run again
    deposits = [
        bindings.Deposited(token=TOKENS[0], user=user, from_=user, amount=10_000) for user in (USERS[0], USERS[1])
    ]
    made.mine([bindings.PayTokenSet(token=TOKENS[0], allowed=True), *deposits])
    made.mine([filled(1)])
    return made


def read(chain, fake) -> None:
    while watch_step(chain.pk, nodes=[FakeNode(fake)]).behind:
        pass


def told(deal: int) -> list[tuple[int, str, str]]:
    rows_ = OutboxEvent.objects.filter(aggregate=f"deal:{word(deal)}").order_by("sequence")
    return list(rows_.values_list("sequence", "type", "depth"))


@pytest.fixture
def chain():
    return rows.chain(escrow_address=ESCROW, final_depth=3, safe_depth=1, **rows.UNREAD)


def test_what_was_final_when_a_chain_is_first_read_is_history(chain, fake):
    for _ in range(5):
        fake.mine([])
    read(chain, fake)
    assert not OutboxEvent.objects.filter(type__in=["deal.opened", "deal.final", "funds.changed"]).exists()


def test_a_deal_is_told_when_seen_and_again_when_final(chain, fake):
    read(chain, fake)
    assert told(1) == [(1, "deal.opened", "seen")]
    payload = OutboxEvent.objects.get(type="deal.opened").payload
    assert (payload["buyer"], payload["seller"], payload["event"]["deal"]["payment"]) == (USERS[0], USERS[1], "100")
    for _ in range(3):
        fake.mine([])
    read(chain, fake)
    assert told(1) == [(1, "deal.opened", "seen"), (2, "deal.final", "final")]


def test_what_happened_while_nobody_read_is_told_as_final_once(chain, fake):
    read(chain, fake)
    fake.mine([filled(2)])
    for _ in range(6):
        fake.mine([])
    read(chain, fake)
    assert told(1) == [(1, "deal.opened", "seen"), (2, "deal.final", "final")]
    assert told(2) == [(1, "deal.opened", "final")]


def test_a_reorg_is_told_with_what_it_undid(chain, fake):
    read(chain, fake)
    branch = fake.blocks[-1:]
    fake.reorg(1, 2, empty=True)
    read(chain, fake)
    assert told(1) == [(1, "deal.opened", "seen"), (2, "deal.reverted", "seen")]
    payload = OutboxEvent.objects.get(type="deal.reverted").payload
    assert payload["exists"] is False
    assert [(fact["fact"], fact["block_number"]) for fact in payload["reverted"]] == [("deal.opened", 2)]
    fake.restore(branch)
    for _ in range(2):
        fake.mine([])
    read(chain, fake)
    assert [kind for _, kind, _ in told(1)] == ["deal.opened", "deal.reverted", "deal.opened"]


@pytest.mark.django_db(transaction=True)
def test_readers_of_two_escrows_tell_of_the_same_wallet_in_turns():
    def tell(chain):
        with transaction.atomic():
            told = Announcements(chain, from_block=0)
            told.funds({AccountKey(kind=FREE, token=TOKENS[0], owner=USERS[0]): 5})
            told.write()

    chains = [rows.chain(), rows.chain(kind=EscrowKind.RIGHTS, escrow_address="0x" + "e6" * 20)]
    assert run_together([partial(tell, chain) for chain in chains * 3]) == [None] * 6
    told = OutboxEvent.objects.filter(aggregate=f"funds:{USERS[0]}").order_by("id")
    assert list(told.values_list("sequence", flat=True)) == [1, 2, 3, 4, 5, 6]
