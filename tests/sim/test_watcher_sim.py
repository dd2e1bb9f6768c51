"""Hundreds of steps over a chain that forks, behind nodes that lie: after each, the database says what is true at its tip.

Truth is told twice: by the fake escrow's own books at that block, and by folding the stored events anew. At the end the chain is also read
again from its first block, by a node without faults. A seed that failed once stays in SEEDS.
"""

import random

import pytest
from django.db import transaction

from escrow.chain.events import DEAL_EVENTS
from escrow.chain.models import ChainCursor
from escrow.chain.watcher import Outcome, watch_step
from escrow.models import Transfer
from escrow.services.markets import markets_to_adopt
from escrow.services.rebuild import chain_forget, projection_refold
from otc.core.models import Chain, OutboxEvent
from points.models import MakerEpoch, MakerFunds, MakerNonces, Market, Offer, PayToken, UnknownMarket, UnknownOffer
from points.services.offer_states import offers_recompute
from tests.sim.database import as_database, database_facts
from tests.sim.endpoint import Endpoint, Habits
from tests.sim.facts import differences
from tests.sim.fake_chain import ESCROW, FakeBlock, FakeChain, FakeNode
from tests.sim.fake_escrow import TOKENS, USERS, FakeEscrow, OfferSeed, draw_offers, word
from tests.support import rows
from tests.support.projection_state import projection_state

SEEDS = [1, 2, 3]
DEEP = 3  # the seed whose forks go deep
HABITS = [Habits(fails=0.05, garbles=0.05, lags=0.08, mixes=0.08), Habits(lags=0.1, widest=40)]
STEPS = 60
MARKETS = {word(0x1000 + n): TOKENS[n % 2] for n in range(5)}
LATE, NEVER = word(0x1002), word(0x1003)  # registered here in the middle of the run; never
ATTESTED = frozenset({word(0x1000), LATE, NEVER})
PROOF = {
    "settlement": 1,
    "attestor": USERS[2],
    "arbitrator": USERS[3],
    "challenge": 86_400,
    "arbitration_window": 86_400,
    "bond_bps": 500,
}

pytestmark = pytest.mark.django_db


class World:
    """The fake chain, our view of it, and the rows that people made."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - a seed that can be run again
        self.offers = draw_offers(self.rng, MARKETS, 30)
        self.fake = FakeChain(self.rng, FakeEscrow(self.rng, MARKETS, self.offers, attested=ATTESTED))
        self.chain: Chain = rows.chain(
            escrow_address=ESCROW,
            final_depth=70 if seed == DEEP else self.rng.randint(3, 9),
            safe_depth=1,
            **rows.UNREAD,
        )
        for token in TOKENS:
            PayToken.objects.create(chain=self.chain, address=token, symbol="PAY", decimals=6, allowed=False)
        for market_id in sorted(set(MARKETS) - {LATE, NEVER}):
            self.register(market_id)
        self.highest = 0
        self.orphans: list[list[FakeBlock]] = []

    def register(self, market_id: str) -> None:
        """The market, and two thirds of its offers, become known here."""
        market = rows.market(self.chain, market_id=market_id, status=0, **(PROOF if market_id in ATTESTED else {}))
        market.pay_token = PayToken.objects.get(chain=self.chain, address=MARKETS[market_id])
        market.save()
        early = UnknownMarket.objects.filter(market_id=market_id).first()
        if early is not None:
            Market.objects.filter(pk=market.pk).update(status=early.status)
        for place, seed in enumerate(self.offers):
            if (
                seed.market == market_id
                and place % 3
                and not UnknownOffer.objects.filter(offer_hash=seed.hash).exists()
            ):
                self._post(market, seed)
        offers_recompute(chain=self.chain, offer_ids=set(Offer.objects.values_list("pk", flat=True)))

    def _post(self, market: Market, seed: OfferSeed) -> None:
        Offer.objects.create(
            market=market,
            offer_hash=seed.hash,
            maker=seed.maker,
            taker="0x" + "00" * 20,
            side=seed.side,
            units=seed.units,
            payment=seed.payment,
            collateral=seed.collateral,
            min_fill=seed.min_fill,
            max_fee_bps=200,
            expiry=10**10,
            epoch=0,
            salt=seed.salt,
            ref=word(0),
            signature=b"",
            price_e18=1,
            collateral_bps=1,
        )

    # ------------------------------------------------------------ what happens to the chain

    def live(self) -> None:
        """Blocks come, branches fork, lost branches win after all; never below what may be final."""
        lowest = max(self.highest - self.chain.final_depth, 0)
        depth = min(self.fake.head.number - lowest, 64)
        what = self.rng.random()
        if what < 0.2 and depth > 0:
            depth = self.rng.randint(1, depth)
            self.orphans.append(self.fake.blocks[-depth:])
            self.fake.reorg(depth, self.rng.randint(1, depth + 2))
        elif what < 0.3 and self.orphans:
            branch = self.orphans.pop()
            first = branch[0].number
            fits = lowest < first <= self.fake.head.number
            if fits and self.fake.blocks[first - 1].hash == branch[0].parent_hash:
                self.fake.restore(branch)
        elif what < 0.85:
            for _ in range(self.rng.choice([1, 1, 1, 2, 12])):
                self.fake.mine()
        self.highest = max(self.highest, self.fake.head.number)

    # ------------------------------------------------------------ what must hold

    def check_against_truth(self) -> None:
        """The database against the fake escrow's books at our tip."""
        cursor = ChainCursor.objects.get(chain=self.chain)
        truth = as_database(self.fake.known[cursor.tip_hash].facts())
        assert not differences(truth, database_facts(self.chain))
        posted = Transfer.objects.filter(state="posted", event__block_number__gt=cursor.final_number)
        pending = Transfer.objects.filter(state="pending", event__block_number__lte=cursor.final_number)
        assert not posted.exists()
        assert not pending.exists()
        assert not Transfer.objects.filter(state="void", event__canonical=True).exists()

    def check_against_refold(self) -> None:
        before = projection_state(self.chain)
        with transaction.atomic():
            projection_refold(chain_id=self.chain.pk)
            assert projection_state(self.chain) == before
            transaction.set_rollback(True)


def test_the_seeds_draw_every_event_of_deals():
    """Else the runs below would prove less than they say."""
    drawn = {type(event).__name__ for seed in SEEDS for event in _events_of(seed)}
    of_rights = {"RightsDelivered"}  # the fake escrow is of tokens
    assert drawn >= {*DEAL_EVENTS, "AutoDeliverSet"} - of_rights


def _events_of(seed: int) -> list[object]:
    rng = random.Random(seed)  # noqa: S311 - as the run
    escrow = FakeEscrow(rng, MARKETS, draw_offers(rng, MARKETS, 30), attested=ATTESTED)
    found = []
    for escrow.now in range(0, STEPS * 5, 2):  # as many blocks as a run has, and some of its forks
        found += escrow.block(8)
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_after_every_step_the_database_says_what_is_true(seed):
    world = World(seed)
    nodes = [
        Endpoint(world.fake, name=f"node-{n}", rng=world.rng, habits=habits, around=lambda: None)
        for n, habits in enumerate(HABITS)
    ]
    outcomes = set()
    for turn in range(STEPS):
        world.live()
        if turn == STEPS // 2:
            world.register(LATE)
        for _ in range(world.rng.randint(0, 3)):
            result = watch_step(world.chain.pk, nodes=nodes[: world.rng.randint(1, 2)])
            assert result.outcome is not Outcome.HALTED, result.detail
            outcomes.add(result.outcome)
        if ChainCursor.objects.exists():
            world.check_against_truth()
            if turn % 5 == 0 and not markets_to_adopt(world.chain):
                world.check_against_refold()
    result = catch_up(world)
    assert result.outcome in {Outcome.EXTENDED, Outcome.LEVEL}
    assert outcomes >= {Outcome.EXTENDED, Outcome.REWOUND, Outcome.LEVEL}
    world.check_against_truth()
    read_again_from_the_first_block(world)


def catch_up(world: World):
    node = FakeNode(world.fake)
    result = watch_step(world.chain.pk, nodes=[node])
    while result.behind:
        result = watch_step(world.chain.pk, nodes=[node])
    return result


def read_again_from_the_first_block(world: World) -> None:
    """Nothing of what was is needed: with all facts wiped too, the same state comes out."""
    before = projection_state(world.chain)
    assert before["deals"]
    told = OutboxEvent.objects.count()
    chain_forget(chain_id=world.chain.pk)
    MakerFunds.objects.all().delete()
    MakerEpoch.objects.all().delete()
    MakerNonces.objects.all().delete()
    UnknownOffer.objects.all().delete()
    UnknownMarket.objects.all().delete()
    PayToken.objects.update(allowed=False)
    Market.objects.update(status=0, deal_count=0, last_price_e18=None)
    Offer.objects.update(filled_units=0, fillable_units=0, cancelled_on_chain=False, state="open")
    offers_recompute(chain=world.chain, offer_ids=set(Offer.objects.values_list("pk", flat=True)))
    catch_up(world)
    assert projection_state(world.chain) == before
    assert OutboxEvent.objects.filter(type__startswith="deal.").count() <= told + len(before["events"])
