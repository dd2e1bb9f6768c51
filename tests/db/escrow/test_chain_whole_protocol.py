"""Matches, changes of hands, attestations and disputes in the database, each taken back by a reorg and brought again."""

import random
from dataclasses import replace

import pytest
from django.db import transaction

from escrow.chain.watcher import Outcome, watch_step
from escrow.contracts import bindings
from escrow.models import Account, AutoDelivery, Deal, DealOutcome, DealPhase, DealTransfer
from escrow.services.rebuild import projection_refold
from otc.core.models import OutboxEvent
from points.models import MakerFunds, MakerNonces, Market, Offer
from tests.sim.fake_chain import ESCROW, FakeChain, FakeNode
from tests.sim.fake_escrow import TOKENS, USERS, FakeEscrow, word
from tests.support import rows
from tests.support.projection_state import projection_state

pytestmark = pytest.mark.django_db
BUYER, SELLER, NEW_BUYER, NEW_SELLER, ATTESTOR, ARBITRATOR = USERS[:6]
TOKEN, MARKET, DEAL = TOKENS[0], word(0x1000), word(0xD)
BUY, SELL, EVIDENCE, GROUNDS = word(0xB), word(0x5), word(0xE), word(0x6)
FIRST = bindings.Deal(
    id=DEAL, market=MARKET, buyer=BUYER, seller=SELLER, pay_token=TOKEN, units=10, payment=1_000, collateral=500,
    fee_bps=100, buyer_ref=word(1), seller_ref=word(2), opened_at=1_000,
)  # fmt: skip
GIVEN = replace(FIRST, buyer=NEW_BUYER, buyer_ref=word(3), opened_at=1_001)
SOLD = replace(GIVEN, seller=NEW_SELLER, seller_ref=word(4), opened_at=1_002)
BACK = replace(SOLD, buyer=BUYER, buyer_ref=word(5), opened_at=1_003)
SALT = 5 * 256 + 7
TERMS = bindings.MarketTerms(
    resolver=USERS[0], guardian=USERS[1], attestor=ATTESTOR, arbitrator=ARBITRATOR, pay_token=TOKEN, kind=0, settlement=1,
    objection=86_400, min_window=86_400, max_window=864_000, challenge=86_400, arbitration_window=86_400, bond_bps=300,
    long_stop=2_000_000_000, max_ratio_num=0, max_ratio_den=0, rules_hash=word(1),
)  # fmt: skip
SETTLEMENT = bindings.SettlementTerms(
    token="0x" + "00" * 20, ratio_num=1, ratio_den=1, start=90_000, window=86_400, tge_bps=10_000, tranches=1, period=0
)


def settled(outcome: int, to_buyer: int, to_seller: int, fee: int = 0) -> bindings.Settled:
    return bindings.Settled(
        id=DEAL, tranche=0, outcome=outcome, closed=True, to_buyer=to_buyer, to_seller=to_seller, fee=fee
    )


OPENED = [
    bindings.Filled(offer_hash=SELL, buyer=BUYER, seller=SELLER, deal=FIRST, maker_side=1, filled=10),
    bindings.Matched(buy_hash=BUY, sell_hash=SELL, id=DEAL, buy_filled=10),
]
GIFT = bindings.Transferred(id=DEAL, from_=BUYER, to=NEW_BUYER, deal=GIVEN, side=0)
SALE = bindings.Resold(id=DEAL, from_=SELLER, to=NEW_SELLER, deal=SOLD, side=1, price=40, lister_pays=False, salt=SALT)
PAID_SALE = bindings.Resold(
    id=DEAL, from_=NEW_BUYER, to=BUYER, deal=BACK, side=0, price=30, lister_pays=True, salt=SALT + 1
)
PROPOSED = bindings.Proposed(market=MARKET, settlement=SETTLEMENT, final_at=90_000)
ATTESTED = bindings.Attested(id=DEAL, units=4, evidence=EVIDENCE, until=200_000)
DISPUTED = bindings.Disputed(id=DEAL, by=NEW_SELLER, bond=30, evidence=GROUNDS, until=300_000)
APPEALED = bindings.Appealed(id=DEAL, until=400_000)
RULED = settled(DealOutcome.RULED, 330, 1_200)
APPROVED = bindings.AutoDeliverSet(seller=SELLER, market=word(0x9999), token=TOKENS[1], amount=77)
LIFE = [OPENED, [GIFT], [SALE], [PAID_SALE], [PROPOSED], [ATTESTED], [DISPUTED], [APPEALED], [RULED]]


@pytest.fixture
def chain():
    made = rows.chain(escrow_address=ESCROW, final_depth=6, safe_depth=1, **rows.UNREAD)
    market = rows.market(
        made, market_id=MARKET, status=0, settlement=1, attestor=ATTESTOR, arbitrator=ARBITRATOR, challenge=86_400,
        arbitration_window=86_400, bond_bps=300,
    )  # fmt: skip
    assert market.pay_token.address == TOKEN
    offer = {
        "market": market, "taker": rows.ZERO_ADDRESS, "units": 10, "payment": 1_000, "collateral": 500, "min_fill": 10,
        "max_fee_bps": 200, "expiry": 10**10, "epoch": 0, "ref": word(0), "signature": b"", "price_e18": 1, "collateral_bps": 1,
    }  # fmt: skip
    Offer.objects.create(offer_hash=BUY, maker=BUYER, side=0, salt=1, **offer)
    Offer.objects.create(offer_hash=SELL, maker=SELLER, side=1, salt=2, **offer)
    Offer.objects.create(offer_hash=word(0x51), maker=SELLER, side=1, salt=SALT, **offer)
    return made


@pytest.fixture
def fake():
    """A market and everybody's deposits of 10,000 in block 1."""
    made = FakeChain(random.Random(3), FakeEscrow(random.Random(3), {}, []))  # noqa: S311 - a seed that can be run again
    deposits = [bindings.Deposited(token=TOKEN, user=user, from_=user, amount=10_000) for user in USERS[:4]]
    made.mine([
        bindings.PayTokenSet(token=TOKEN, allowed=True), *deposits, bindings.MarketCreated(market=MARKET, terms=TERMS)
    ])  # fmt: skip
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
    """What follows from the events: all but where the chain stands, and logs that mean nothing."""
    left_out = {"chain", "tip", "events", "blocks with events", "posted"}
    return {key: value for key, value in projection_state(chain).items() if key not in left_out}


def assert_equals_refold(chain) -> None:
    before = projection_state(chain)
    with transaction.atomic():
        projection_refold(chain_id=chain.pk)
        assert projection_state(chain) == before
        transaction.set_rollback(True)


def free() -> dict[str, int]:
    return dict(MakerFunds.objects.values_list("maker", "free"))


def locked() -> int:
    return Account.objects.get(kind="locked").balance


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


def test_a_reorg_of_a_whole_life_leaves_nothing_of_it(chain, fake):
    read(chain, fake)
    before = facts(chain)
    mine(chain, fake, [event for events in LIFE for event in events] + [APPROVED])
    assert Deal.objects.get().outcome == DealOutcome.RULED
    fake.reorg(1, 2, empty=True)
    read(chain, fake)
    assert facts(chain) == before
    assert not Deal.objects.exists()
    assert not DealTransfer.objects.exists()


def test_a_match_fills_the_buy_offer_too(chain, fake):
    mine(chain, fake, OPENED)
    filled = dict(Offer.objects.values_list("offer_hash", "filled_units"))
    assert filled == {BUY: 10, SELL: 10, word(0x51): 0}
    assert set(Offer.objects.filter(filled_units=10).values_list("state", flat=True)) == {"filled"}
    deal = Deal.objects.get()
    assert (deal.offer_hash, deal.matched_offer_hash) == (SELL, BUY)


def test_places_change_hands_and_the_end_pays_who_holds_them(chain, fake):
    mine(chain, fake, OPENED, [GIFT])
    assert free() == {BUYER: 9_000, SELLER: 9_500, NEW_BUYER: 10_000, NEW_SELLER: 10_000}
    mine(chain, fake, [SALE])
    assert free() == {BUYER: 9_000, SELLER: 10_040, NEW_BUYER: 10_000, NEW_SELLER: 9_460}
    assert (MakerNonces.objects.get().maker, MakerNonces.objects.get().mask) == (SELLER, 1 << 7)
    assert Offer.objects.get(offer_hash=word(0x51)).state == "cancelled"
    mine(chain, fake, [PAID_SALE])
    assert (free()[BUYER], free()[NEW_BUYER], locked()) == (9_030, 9_970, 1_500)
    deal = Deal.objects.get()
    assert (deal.buyer, deal.seller, deal.buyer_ref, deal.seller_ref, deal.opened_at) == (
        BUYER, NEW_SELLER, word(5), word(4), 1_003,
    )  # fmt: skip
    moves = DealTransfer.objects.values_list("side", "from_address", "to_address", "price", "lister_pays")
    assert list(moves) == [
        (0, BUYER, NEW_BUYER, None, False),
        (1, SELLER, NEW_SELLER, 40, False),
        (0, NEW_BUYER, BUYER, 30, True),
    ]
    mine(chain, fake, [settled(DealOutcome.MUTUAL, 600, 900)])
    assert (free()[BUYER], free()[NEW_SELLER], free()[NEW_BUYER], free()[SELLER]) == (9_630, 10_360, 9_970, 10_040)
    assert locked() == 0


def test_an_attestation_a_dispute_and_a_ruling(chain, fake):
    mine(chain, fake, *LIFE[:6])
    deal = Deal.objects.get()
    assert (deal.phase, deal.phase_until, deal.attested_units, deal.attestation_evidence) == (1, 200_000, 4, EVIDENCE)
    mine(chain, fake, [DISPUTED], [APPEALED])
    deal.refresh_from_db()
    assert (deal.phase, deal.phase_until, deal.appeals) == (DealPhase.DISPUTED_BY_SELLER, 400_000, 1)
    assert (deal.disputed_by, deal.bond, deal.dispute_evidence, locked()) == (NEW_SELLER, 30, GROUNDS, 1_530)
    mine(chain, fake, [RULED])
    deal.refresh_from_db()
    assert (deal.outcome, deal.paid_to_buyer, deal.paid_to_seller, locked()) == (DealOutcome.RULED, 330, 1_200, 0)
    assert deal.phase == DealPhase.DISPUTED_BY_SELLER


def test_an_approval_is_what_the_last_event_left_of_it(chain, fake):
    mine(chain, fake, [APPROVED])
    mine(chain, fake, [replace(APPROVED, amount=5)])
    assert AutoDelivery.objects.get().amount == 5
    fake.reorg(1, 2, empty=True)
    read(chain, fake)
    assert AutoDelivery.objects.get().amount == 77
    assert_equals_refold(chain)
    told = OutboxEvent.objects.filter(type="approval.changed").order_by("sequence")
    assert [row.payload["amount"] for row in told] == ["77", "5", "77"]


def test_parties_are_told_of_each_fact_and_who_left_is_named(chain, fake):
    for events in LIFE:
        mine(chain, fake, events)
    told = OutboxEvent.objects.filter(aggregate=f"deal:{DEAL}", depth="seen").order_by("sequence")
    assert [row.type for row in told if row.type != "deal.final"] == [
        "deal.opened", "deal.matched", "deal.transferred", "deal.resold", "deal.resold", "deal.attested",
        "deal.disputed", "deal.appealed", "deal.settled",
    ]  # fmt: skip
    sale = told.filter(type="deal.resold").first().payload
    assert (sale["buyer"], sale["seller"], sale["event"]["from_"]) == (NEW_BUYER, NEW_SELLER, SELLER)
    fake.reorg(1, 2, empty=True)
    read(chain, fake)
    gone = OutboxEvent.objects.get(type="deal.reverted").payload
    assert (gone["outcome"], [fact["fact"] for fact in gone["reverted"]]) == (0, ["deal.settled"])


def test_what_contradicts_the_past_halts_the_chain_and_changes_nothing(chain, fake):
    mine(chain, fake, *LIFE[:2])
    before = projection_state(chain)
    fake.mine([replace(GIFT, from_=NEW_SELLER)])
    assert watch_step(chain.pk, nodes=[FakeNode(fake)]).outcome is Outcome.HALTED
    chain.refresh_from_db()
    assert "NEW" not in chain.halted
    assert NEW_SELLER in chain.halted
    assert projection_state(chain) == before


def test_a_market_registered_late_folds_the_deals_as_they_stand(chain, fake):
    Offer.objects.all().delete()
    Market.objects.filter(market_id=MARKET).delete()
    mine(chain, fake, *LIFE[:7])
    assert not Deal.objects.exists()
    assert (free()[NEW_SELLER], locked()) == (9_430, 1_530)
    rows.market(
        chain, market_id=MARKET, status=2, settlement=1, attestor=ATTESTOR, arbitrator=ARBITRATOR, challenge=86_400,
        arbitration_window=86_400, bond_bps=300,
    )  # fmt: skip
    mine(chain, fake, [APPEALED])
    deal = Deal.objects.get()
    assert (deal.buyer, deal.seller, deal.phase, deal.appeals) == (BUYER, NEW_SELLER, 3, 1)
    assert deal.transfers.count() == 3
    assert_equals_refold(chain)
