"""Who trades what with whom, and how it ends: a pure function of the seed and the allocation list.

Units are the list's own base units (18 decimals), one row of the list to an offer. Payment and collateral are base units of
the market's payment token. Wallets are numbers; the last CONTRACT_WALLETS of them are contract wallets.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

WALLETS = 200
CONTRACT_WALLETS = 3
UNIT = 10**18
COLLATERAL_PERCENT = (0, 25, 50, 100, 100, 150, 300)
MIN_FILL_PART = 12  # a partial offer's smallest fill is this part of it
BUY, SELL = 0, 1


class Fate(Enum):
    """What becomes of an offer."""

    TRADED = "traded"
    CANCELLED = "cancelled on chain"
    NONCE_KILLED = "nonce invalidated"
    WITHDRAWN = "withdrawn from the book"
    EXPIRED = "expired"
    HIDDEN = "hidden, uncovered"


class Conduct(Enum):
    """What a seller does in the delivery window."""

    FULL = "delivers all to the buyers' wallets"
    FULL_ESCROW = "delivers all into escrow"
    TWO_STEPS = "delivers a part, then the rest"
    PART = "delivers a part to the buyers' wallets"
    PART_ESCROW = "delivers a part into escrow"
    NONE = "delivers nothing"


# Of a hundred sellers.
CONDUCT_WEIGHTS = {
    Conduct.FULL: 58,
    Conduct.FULL_ESCROW: 10,
    Conduct.TWO_STEPS: 6,
    Conduct.PART: 8,
    Conduct.PART_ESCROW: 6,
    Conduct.NONE: 12,
}


@dataclass(frozen=True, slots=True)
class MarketPlan:
    """One market of the rehearsal. Prices are base units of the payment token for one whole unit (10^18)."""

    key: str
    decimals: int
    launches: bool
    price_low: int
    price_high: int
    offers: int


@dataclass(frozen=True, slots=True)
class FillPlan:
    taker: int
    units: int


@dataclass(frozen=True, slots=True)
class OfferPlan:
    number: int
    market: str
    maker: int
    side: int
    units: int
    payment: int
    collateral: int
    min_fill: int
    fate: Fate
    fills: tuple[FillPlan, ...]

    @property
    def locked(self) -> int:
        """What the maker must have free for it."""
        return self.payment if self.side == BUY else self.collateral


@dataclass(frozen=True, slots=True)
class Plan:
    markets: tuple[MarketPlan, ...]
    offers: tuple[OfferPlan, ...]
    conduct: tuple[Conduct, ...]  # by wallet

    def needs(self) -> dict[tuple[int, str], int]:
        """What each wallet deposits for its offers and fills: (wallet, market key) → base units."""
        needs: dict[tuple[int, str], int] = {}
        for offer in self.offers:
            needs[offer.maker, offer.market] = needs.get((offer.maker, offer.market), 0) + offer.locked
            for fill in offer.fills:
                whole = offer.collateral if offer.side == BUY else offer.payment
                share = -(-whole * fill.units // offer.units) + 1  # a leg rounds up by one at most
                needs[fill.taker, offer.market] = needs.get((fill.taker, offer.market), 0) + share
        return needs

    def rounds(self) -> Iterator[list[tuple[OfferPlan, FillPlan]]]:
        """Fills in the order they are sent: an offer's second fill stands in a later round than its first."""
        traded = [offer for offer in self.offers if offer.fills]
        for turn in range(max(len(offer.fills) for offer in traded)):
            yield [(offer, offer.fills[turn]) for offer in traded if turn < len(offer.fills)]


MARKETS = (
    MarketPlan("usdc", 6, launches=True, price_low=8 * 10**6, price_high=24 * 10**6, offers=118),
    MarketPlan("dai", 18, launches=True, price_low=8 * 10**18, price_high=24 * 10**18, offers=118),
    MarketPlan("usdc-never", 6, launches=False, price_low=6 * 10**6, price_high=20 * 10**6, offers=48),
    MarketPlan("dai-never", 18, launches=False, price_low=6 * 10**18, price_high=20 * 10**18, offers=48),
)
# Offers that never trade, for each fate, over all markets.
LOST = {Fate.CANCELLED: 10, Fate.NONCE_KILLED: 4, Fate.WITHDRAWN: 6, Fate.EXPIRED: 10, Fate.HIDDEN: 8}
OFFERS = sum(market.offers for market in MARKETS) + sum(LOST.values())


def make(seed: int, amounts: Sequence[int]) -> Plan:
    """The plan for this seed over the amounts of an allocation list (at least OFFERS of them)."""
    chance = random.Random(f"plan {seed}")  # noqa: S311 - a rehearsal repeats, it hides nothing
    # The list is shuffled, not sorted: an offer's size says nothing about its place.
    drawn = chance.sample(range(len(amounts)), OFFERS)
    sizes = iter([amounts[at] for at in drawn])
    fates = [(market, Fate.TRADED) for market in MARKETS for _ in range(market.offers)]
    fates += [(MARKETS[at % len(MARKETS)], fate) for fate, many in LOST.items() for at in range(many)]
    makers = _makers(chance, len(fates))
    offers = tuple(
        _offer(chance, number, market, fate, maker, next(sizes))
        for number, ((market, fate), maker) in enumerate(zip(fates, makers, strict=True))
    )
    return Plan(MARKETS, offers, _conduct(chance))


def _conduct(chance: random.Random) -> tuple[Conduct, ...]:
    """By wallet; each kind at least a few times, whatever the seed."""
    whole = sum(CONDUCT_WEIGHTS.values())
    dealt = [conduct for conduct, weight in CONDUCT_WEIGHTS.items() for _ in range(WALLETS * weight // whole)]
    dealt += [Conduct.FULL] * (WALLETS - len(dealt))
    chance.shuffle(dealt)
    return tuple(dealt)


def _makers(chance: random.Random, many: int) -> list[int]:
    """Every wallet makes an offer before one makes its second; contract wallets make two more each."""
    order: list[int] = []
    while len(order) < many:
        turn = list(range(WALLETS))
        chance.shuffle(turn)
        order += turn
    contracts = list(range(WALLETS - CONTRACT_WALLETS, WALLETS)) * 2
    for place, wallet in zip(chance.sample(range(WALLETS, WALLETS + 100), len(contracts)), contracts, strict=True):
        order[place] = wallet
    return order[:many]


def _offer(chance: random.Random, number: int, market: MarketPlan, fate: Fate, maker: int, units: int) -> OfferPlan:
    price = chance.randint(market.price_low, market.price_high)
    payment = max(1, units * price // UNIT)
    percent = chance.choice(COLLATERAL_PERCENT)
    side = SELL if fate is Fate.HIDDEN or chance.random() < 0.6 else BUY  # noqa: PLR2004 - a lean to selling
    if fate is Fate.HIDDEN:
        percent = max(percent, 100)  # an offer without collateral is always covered
    # Dust can't be cut: a part of it would cost nothing.
    partial = fate is not Fate.NONCE_KILLED and units > UNIT and chance.random() < 0.45  # noqa: PLR2004
    min_fill = units // MIN_FILL_PART if partial else units
    fills = tuple(_fills(chance, maker, units, partial=partial)) if fate is Fate.TRADED else ()
    return OfferPlan(number, market.key, maker, side, units, payment, payment * percent // 100, min_fill, fate, fills)


def _fills(chance: random.Random, maker: int, units: int, *, partial: bool) -> Iterator[FillPlan]:
    """One taker for all of it, or two to five for cuts of it; every sixth partial offer keeps a rest."""
    if not partial:
        yield FillPlan(_taker(chance, maker), units)
        return
    parts = chance.randint(2, 5)
    weights = [chance.randint(10, 20) for _ in range(parts)]
    left, rest = units, chance.random() < 1 / 6
    for at, weight in enumerate(weights):
        last = at == parts - 1
        if last and rest:
            return
        # At least a tenth of two and a half of the whole each: above the smallest fill.
        cut = left if last else units * weight // sum(weights)
        left -= cut
        yield FillPlan(_taker(chance, maker), cut)


def _taker(chance: random.Random, maker: int) -> int:
    """Anyone but the maker; contract wallets only make."""
    while True:
        taker = chance.randrange(WALLETS - CONTRACT_WALLETS)
        if taker != maker:
            return taker
