"""Terms in rights, pieces delivered, and what the escrow keeps of them, each taken back by a reorg and brought again."""

import random
from dataclasses import replace

import pytest
from django.db import IntegrityError, transaction

from escrow.chain.watcher import Outcome, watch_step
from escrow.contracts import bindings
from escrow.contracts.rights_bindings import RightsDelivered, RightsProposed, RightWithdrawn
from escrow.models import Account, Deal, DealTransfer, DeliveredRight, KeptRight, RightMovement, SettlementTerms
from escrow.selectors.deals import deal_get, deal_view
from escrow.services.rebuild import projection_refold
from escrow.services.replay import replay
from otc.core.models import Chain, EscrowKind, OutboxEvent
from points.models import Market
from tests.sim.fake_chain import ESCROW, FakeChain, FakeNode
from tests.sim.fake_escrow import TOKENS, USERS, FakeEscrow, word
from tests.support import rows
from tests.support.projection_state import projection_state

pytestmark = pytest.mark.django_db
BUYER, SELLER, STRANGER = USERS[:3]
MONEY, KEYS, MARKET, DEAL, ROOT = TOKENS[0], "0x" + "77" * 20, word(0x1000), word(0xD), word(0x7007)
HUGE = 2**256 - 1
TERMS = bindings.MarketTerms(
    resolver=USERS[3], guardian=USERS[4], attestor=rows.ZERO_ADDRESS, arbitrator=rows.ZERO_ADDRESS, pay_token=MONEY, kind=3,
    settlement=0, objection=86_400, min_window=86_400, max_window=864_000, challenge=0, arbitration_window=0, bond_bps=0,
    long_stop=2_000_000_000, max_ratio_num=0, max_ratio_den=0, rules_hash=word(1),
)  # fmt: skip
SETTLEMENT = bindings.SettlementTerms(
    token=KEYS, ratio_num=1, ratio_den=2, start=90_000, window=86_400, tge_bps=5_000, tranches=2, period=86_400
)
STRUCT = bindings.Deal(
    id=DEAL, market=MARKET, buyer=BUYER, seller=SELLER, pay_token=MONEY, units=12, payment=1_200, collateral=600,
    fee_bps=100, buyer_ref=word(1), seller_ref=word(2), opened_at=1_000,
)  # fmt: skip
FILLED = bindings.Filled(offer_hash=word(5), buyer=BUYER, seller=SELLER, deal=STRUCT, maker_side=1, filled=12)
PROPOSED = [
    bindings.Proposed(market=MARKET, settlement=SETTLEMENT, final_at=90_000),
    RightsProposed(market=MARKET, ids_root=ROOT, semi_fungible=False),
]


def piece(right: int, *, tranche: int = 0, delivered: int, amount: int = 1, to_escrow: bool = True) -> RightsDelivered:
    return RightsDelivered(
        id=DEAL, token=KEYS, right=right, tranche=tranche, amount=amount, delivered=delivered, to_escrow=to_escrow
    )


def settled(*, tranche: int = 0, outcome: int, closed: bool = False, to_buyer: int = 0, to_seller: int, fee: int = 0):
    return bindings.Settled(
        id=DEAL, tranche=tranche, outcome=outcome, closed=closed, to_buyer=to_buyer, to_seller=to_seller, fee=fee
    )


def out(right: int, amount: int = 1) -> RightWithdrawn:
    return RightWithdrawn(token=KEYS, user=BUYER, to=BUYER, right=right, amount=amount)


FIRST_TWO = [piece(7, delivered=1), piece(HUGE, delivered=2, to_escrow=False), settled(outcome=0, to_seller=598, fee=2)]
THIRD = [piece(9, delivered=3), settled(outcome=1, to_seller=299, fee=1)]
SLASHED = [settled(tranche=1, outcome=2, closed=True, to_buyer=900, to_seller=0)]
LIFE = [[FILLED], PROPOSED, FIRST_TWO, THIRD, [out(7)], SLASHED]


@pytest.fixture
def chain():
    made = rows.chain(kind=EscrowKind.RIGHTS, escrow_address=ESCROW, final_depth=6, safe_depth=1, **rows.UNREAD)
    rows.market(made, market_id=MARKET, status=0)
    return made


@pytest.fixture
def fake():
    """A market and both parties' deposits of 10,000 in block 1."""
    made = FakeChain(random.Random(3), FakeEscrow(random.Random(3), {}, []))  # noqa: S311 - a seed that can be run again
    deposits = [bindings.Deposited(token=MONEY, user=user, from_=user, amount=10_000) for user in (BUYER, SELLER)]
    allowed = bindings.PayTokenSet(token=MONEY, allowed=True)
    made.mine([allowed, *deposits, bindings.MarketCreated(market=MARKET, terms=TERMS)])
    return made


def read(chain, fake) -> None:
    result = watch_step(chain.pk, nodes=[FakeNode(fake)])
    while result.behind:
        result = watch_step(chain.pk, nodes=[FakeNode(fake)])
    assert result.outcome in {Outcome.EXTENDED, Outcome.LEVEL}, result


def mine(chain, fake, *blocks) -> None:
    for events in blocks:
        fake.mine(list(events))
    read(chain, fake)


def facts(chain):
    left_out = {"chain", "tip", "events", "blocks with events", "posted"}
    return {key: value for key, value in projection_state(chain).items() if key not in left_out}


def assert_equals_refold(chain) -> None:
    before = projection_state(chain)
    with transaction.atomic():
        projection_refold(chain_id=chain.pk)
        assert projection_state(chain) == before
        transaction.set_rollback(True)


def kept() -> dict[int, int]:
    return {row.right: row.amount for row in KeptRight.objects.all()}


@pytest.mark.parametrize("step", range(len(LIFE)))
def test_a_reorg_takes_back_exactly_what_came_and_it_can_come_again(chain, fake, step):
    mine(chain, fake, *LIFE[:step])
    before = facts(chain)
    mine(chain, fake, LIFE[step])
    after = facts(chain)
    assert after != before
    assert_equals_refold(chain)
    branch = fake.blocks[-1:]
    fake.reorg(1, 2, empty=True)
    read(chain, fake)
    assert facts(chain) == before
    assert_equals_refold(chain)
    fake.restore(branch)
    fake.mine([])
    fake.mine([])
    read(chain, fake)
    assert facts(chain) == after


def test_a_life_in_pieces(chain, fake):
    mine(chain, fake, *LIFE[:4])
    terms = SettlementTerms.objects.get()
    assert (terms.token, terms.semi_fungible, terms.ids_root) == (KEYS, False, ROOT)
    view = deal_view(deal_get(DEAL))
    assert [(one.due, one.delivered, one.outcome) for one in view.tranches] == [(3, 3, 1), (3, 0, 0)]
    assert kept() == {7: 1, 9: 1}
    came = DeliveredRight.objects.values_list("tranche", "right", "amount", "to_escrow")
    assert list(came) == [(0, 7, 1, True), (0, HUGE, 1, False), (0, 9, 1, True)]
    money = dict(Account.objects.filter(kind="free").values_list("owner", "balance"))
    assert money == {BUYER: 8_800, SELLER: 10_297}
    assert not Account.objects.filter(token=KEYS).exists()
    mine(chain, fake, [out(7)], SLASHED)
    assert kept() == {7: 0, 9: 1}
    assert list(RightMovement.objects.values_list("kept__right", "incoming")) == [(7, True), (9, True), (7, False)]
    deal = Deal.objects.get()
    assert (deal.outcome, deal.paid_to_buyer, deal.paid_to_seller, deal.fee_paid) == (2, 900, 897, 3)


def test_semi_fungible_pieces_add_up_and_a_surplus_does_not_count(chain, fake):
    proposed = [PROPOSED[0], replace(PROPOSED[1], semi_fungible=True, ids_root=word(0))]
    lot = [piece(5, amount=2, delivered=2), piece(5, amount=4, delivered=3), settled(outcome=1, to_seller=897, fee=3)]
    mine(chain, fake, [FILLED], proposed, lot, [out(5, 6)])
    terms = SettlementTerms.objects.get()
    assert (terms.semi_fungible, terms.ids_root) == (True, None)
    assert kept() == {5: 0}
    assert_equals_refold(chain)


def test_what_is_kept_is_told(chain, fake):
    for events in LIFE[:5]:
        mine(chain, fake, events)
    told = OutboxEvent.objects.filter(type="rights.changed").order_by("id")
    assert [(row.payload["right"], row.payload["kept"]) for row in told] == [("7", "1"), ("9", "1"), ("7", "0")]
    assert {row.aggregate for row in told} == {f"rights:{BUYER}"}
    assert {(row.payload["chain_id"], row.payload["escrow"]) for row in told} == {(31337, "rights")}
    fake.reorg(1, 2, empty=True)
    read(chain, fake)
    assert told.last().payload["kept"] == "1"
    deal = OutboxEvent.objects.filter(aggregate=f"deal:{DEAL}", type="deal.delivered")
    assert [row.payload["event"]["right"] for row in deal.order_by("sequence")] == ["7", str(HUGE), "9"]


@pytest.mark.parametrize(
    "wrong",
    [
        [out(7, 2)],  # more than is kept
        [out(8)],  # never came
        [replace(out(7), user=STRANGER)],  # another's
        [piece(8, delivered=3, tranche=1)],  # one piece is not three
        [piece(8, delivered=0, tranche=0)],  # a running total falls
        [PROPOSED[1]],  # rights are named once
        [replace(PROPOSED[1], market=word(0x2000))],  # of a market without terms
    ],
)
def test_what_contradicts_the_past_halts_the_chain_and_changes_nothing(chain, fake, wrong):
    mine(chain, fake, *LIFE[:3])
    before = projection_state(chain)
    fake.mine(wrong)
    assert watch_step(chain.pk, nodes=[FakeNode(fake)]).outcome is Outcome.HALTED
    assert projection_state(chain) == before


def test_a_seller_s_place_can_not_be_given_away(chain, fake):
    mine(chain, fake, [FILLED])
    given = replace(STRUCT, seller=STRANGER, seller_ref=word(9), opened_at=1_001)
    before = projection_state(chain)
    fake.mine([bindings.Transferred(id=DEAL, from_=SELLER, to=STRANGER, deal=given, side=1)])
    assert watch_step(chain.pk, nodes=[FakeNode(fake)]).outcome is Outcome.HALTED
    chain.refresh_from_db()
    assert "given away" in chain.halted
    assert projection_state(chain) == before
    with pytest.raises(IntegrityError, match="deal_transfer_seller_has_collateral"):
        DealTransfer.objects.create(
            deal=Deal.objects.get(), event=rows.event(chain), side=1, from_address=SELLER, to_address=STRANGER, ref=word(9),
            opened_at=1_001,
        )  # fmt: skip


def test_a_market_registered_late_folds_its_pieces(chain, fake):
    Market.objects.all().delete()
    mine(chain, fake, *LIFE[:4])
    assert (kept(), DeliveredRight.objects.count()) == ({7: 1, 9: 1}, 0)
    rows.market(chain, market_id=MARKET, status=2)
    mine(chain, fake, [out(9)])
    assert (kept(), DeliveredRight.objects.count()) == ({7: 1, 9: 0}, 3)
    assert SettlementTerms.objects.get().ids_root == ROOT
    assert_equals_refold(chain)


def test_both_escrows_of_a_chain_keep_apart(chain, fake):
    tokens = rows.chain(escrow_address=ESCROW, **rows.UNREAD)
    rows.market(tokens, market_id=MARKET, status=0)
    mine(chain, fake, *LIFE[:4])
    assert Chain.objects.filter(chain_id=31337).count() == 2
    assert Deal.objects.get().chain == chain
    assert not Account.objects.filter(chain=tokens).exists()
    assert Market.objects.get(chain=tokens).status == 0


@pytest.mark.django_db(transaction=True)
def test_a_replay_finds_the_same_rights(chain, fake):
    mine(chain, fake, *LIFE)
    done = replay(chain_id=chain.pk, install=False)
    assert done.same
    assert done.live.parts["rights kept"][0] == 1
    KeptRight.objects.update(amount=5)
    assert replay(chain_id=chain.pk, install=True).installed
    assert kept() == {7: 0, 9: 1}
