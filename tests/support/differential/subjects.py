"""What a random call may be about: the people, markets, deals and signed papers of the world as it stands."""

import random
from collections.abc import Callable

from tests.support.differential.world import ACTORS, World
from tests.support.model.deals import due
from tests.support.model.state import DealState, Market
from tests.support.model.structs import (
    NO_WORD,
    ONCHAIN,
    OPEN,
    PENDING,
    PROPOSED,
    ZERO,
    Deal,
    MarketTerms,
    Offer,
    Resale,
    Signature,
)

Tranche = tuple[DealState, int]


class Subjects:
    """Draws from `rng` alone: the same seed on the same world gives the same calls."""

    def __init__(self, rng: random.Random, world: World, now: int) -> None:
        self.rng, self.world, self.now = rng, world, now
        self.offers: list[tuple[Offer, Signature | None]] = []
        self.resales: list[tuple[Deal, Resale, Signature | None]] = []
        self.stale: list[Deal] = []  # pre-images that once were, or never will be

    @property
    def model(self):
        return self.world.model

    # ------------------------------------------------------------ luck

    def luck(self, chance: float) -> bool:
        return self.rng.random() < chance

    def one(self, *choices):
        return self.rng.choice(choices)

    def any_of(self, items):
        """One of them, or None when there is none."""
        items = list(items)
        return self.rng.choice(items) if items else None

    def person(self) -> str:
        return self.rng.choice(self.world.people)

    def someone(self, wanted: str) -> str:
        """Who is asked for, mostly."""
        return self.person() if self.luck(0.1) or wanted not in self.world.people else wanted

    def token(self) -> str:
        return self.rng.choice(self.world.tokens)

    def pay_token(self) -> str:
        if self.luck(0.02):
            return self.one(self.world.address, ZERO, *self.world.tokens[2:])
        return self.rng.choice(self.world.tokens[:2])

    def scale(self, token: str) -> int:
        """One whole token in base units."""
        return 10 ** self.world.decimals.get(token, 6)

    def free(self, token: str, user: str) -> int:
        return self.model.balances.get((token, user), 0)

    def word(self) -> str:
        """A reference or a hash of evidence."""
        return NO_WORD if self.luck(0.3) else f"0x{self.rng.getrandbits(256):064x}"

    # ------------------------------------------------------------ markets

    def markets(self, status: int | None = None) -> list[Market]:
        return [market for market in self.model.markets.values() if status in {None, market.status}]

    def market(self, status: int) -> Market | None:
        """One of that status, mostly."""
        if self.luck(0.08):
            return self.any_of(self.markets())
        found = self.markets(status)
        if status == OPEN:
            running = [market for market in found if market.terms.long_stop >= self.now]
            found = running or (found if self.luck(0.1) else [])
        return self.any_of(found)

    def terms(self, market: Market) -> MarketTerms:
        """As they are, mostly."""
        if not self.luck(0.03):
            return market.terms
        return self.one(market.terms._replace(kind=(market.terms.kind + 1) % 4), self.any_of(self.markets()).terms)

    # ------------------------------------------------------------ deals

    def deals(self, fits: Callable[[DealState, Market], bool] = lambda _state, _market: True) -> list[DealState]:
        return [state for state in self.model.deals.values() if fits(state, self.model.markets[state.deal.market])]

    def open_deals(self, *, status: int | None = None, settlement: int | None = None) -> list[DealState]:
        return self.deals(
            lambda state, market: (
                state.outcome == PENDING
                and status in {None, market.status}
                and settlement in {None, market.terms.settlement}
            )
        )

    def movable(self) -> list[DealState]:
        """Deals whose places may change hands."""
        keys = self.trading() if not self.luck(0.05) else self.model.markets
        return [state for state in self.open_deals() if state.deal.market in keys]

    def subject(self, wanted: list[DealState]) -> DealState | None:
        """One of the wanted, now and then any other."""
        return self.any_of(self.deals() if self.luck(0.08 if wanted else 0.04) else wanted)

    def shown(self, deal: Deal) -> Deal:
        """The pre-image as the caller brings it."""
        if not self.luck(0.03):
            return deal
        if self.stale and self.luck(0.4):
            return self.any_of(self.stale)
        return self.one(
            deal._replace(payment=deal.payment + 1),
            deal._replace(buyer=self.person()),
            deal._replace(id=f"0x{self.rng.getrandbits(256):064x}"),
        )

    def tranches(self, fits: Callable[[int, int], bool]) -> list[Tranche]:
        """Unresolved tranches of deals of settled markets, by (opening, last second)."""
        found = []
        for state in self.open_deals(status=PROPOSED):
            terms = self.model.settlement_of(state.deal.market)
            for tranche in range(terms.tranches):
                opens = terms.start + tranche * terms.period
                if not self.model.is_resolved(state, tranche) and fits(opens, opens + terms.window):
                    found.append((state, tranche))
        return found

    def tranche_subject(self, wanted: list[Tranche]) -> Tranche | None:
        if wanted and not self.luck(0.08):
            return self.rng.choice(wanted)
        state = self.subject([])
        return state and (state, self.one(0, 0, 0, 1, 2, 64, 300))

    def deliverable(self) -> list[Tranche]:
        return [
            (state, tranche)
            for state, tranche in self.tranches(lambda opens, last: opens <= self.now <= last)
            if self.model.markets[state.deal.market].terms.settlement == ONCHAIN
        ]

    def slashable(self) -> list[Tranche]:
        return self.tranches(lambda _opens, last: last < self.now)

    def missing(self, state: DealState, tranche: int) -> tuple[int, str]:
        """Tokens still due in a tranche, and which."""
        terms = self.model.settlement_of(state.deal.market)
        if terms is None or tranche >= terms.tranches:
            return 1, self.world.tokens[2]
        return due(state.deal, terms, tranche) - state.delivered.get(tranche, 0), terms.token

    # ------------------------------------------------------------ papers

    def signed(self, signer: str, struct: tuple) -> Signature | None:
        """By the signer, or an owner of the signing wallet; now and then by nobody, somebody else, or of another paper."""
        key = self.model.names.key(struct)
        if self.luck(0.04):
            return self.one(
                None,
                Signature(self.rng.choice(ACTORS), key),
                Signature(ACTORS[0], f"0x{self.rng.getrandbits(256):064x}"),
            )
        return Signature(signer if signer in ACTORS else self.rng.choice(ACTORS[:2]), key)

    def salt(self) -> int:
        return self.one(*range(4), 255, 256, 257, self.rng.getrandbits(256), self.rng.getrandbits(20))

    def epoch(self, maker: str) -> int:
        return self.model.epochs.get(maker, 0) + (1 if self.luck(0.02) else 0)

    def new_offer(self, side: int | None = None, like: Offer | None = None) -> Offer | None:
        """With `like`, one that may meet it."""
        market = self.market(OPEN)
        if market is None and like is None:
            return None
        key = like.market if like else self.model.names.key(market.terms)
        pay_token = like.pay_token if like else market.terms.pay_token
        scale = self.scale(pay_token)
        units = like.units if like else self.one(1, 2, 7, 100, 1000, 10**6, 10**18)
        payment = self.one(1, 13, scale, 7 * scale + 3, self.rng.randrange(1, 1000 * scale))
        collateral = self.one(0, 1, payment // 2, payment, 2 * payment, self.rng.randrange(1, 500 * scale))
        if like and not self.luck(0.15):  # a buyer pays at least what is asked, and asks at most what backs it
            grow = 1 if side == 0 else -1
            payment = max(1, like.payment + grow * self.rng.randrange(like.payment // 5 + 1))
            collateral = max(0, like.collateral - grow * self.rng.randrange(like.collateral // 5 + 1))
        maker = self.person()
        if side is None:
            side = self.one(0, 1)
        offer = Offer(
            maker=maker,
            taker=self.one(*[ZERO] * 11, self.person()),
            side=side,
            market=key,
            pay_token=pay_token,
            units=units,
            payment=payment,
            collateral=collateral,
            min_fill=self.one(1, units, units, units // 3 + 1, units // 2 + 1),
            max_fee_bps=self.one(*[200] * 14, 100, 0),
            expiry=self.now + self.one(-1, 0, 5, 3600, *[10**7] * 16),
            epoch=self.epoch(maker),
            salt=self.salt(),
            ref=self.word(),
        )
        if self.luck(0.04):
            offer = self.one(
                offer._replace(side=2),
                offer._replace(payment=0),
                offer._replace(payment=2**128),
                offer._replace(min_fill=0),
                offer._replace(min_fill=units + 1),
                offer._replace(market=self.word()),
                offer._replace(pay_token=self.token()),
                offer._replace(payment=10**9 * scale),
                offer._replace(collateral=10**9 * scale),
            )
        return offer

    def offer(self, side: int | None = None) -> tuple[Offer, Signature | None] | None:
        """A new one, or one that was shown before."""
        known = [pair for pair in self.offers if side in {None, pair[0].side} and self._alive(pair[0])]
        if known and self.luck(0.45):
            return self.rng.choice(known[-12:])
        offer = self.new_offer(side)
        if offer is None:
            return None
        self.offers.append((offer, self.signed(offer.maker, offer)))
        return self.offers[-1]

    def _alive(self, offer: Offer) -> bool:
        """Can still be filled; others are shown now and then."""
        used = self.model.filled.get(self.model.names.key(offer), 0) >= offer.units
        if offer.min_fill == offer.units:
            used = bool(self.model.nonces.get((offer.maker, offer.salt // 256), 0) >> offer.salt % 256 & 1)
        fresh = offer.expiry >= self.now and not used and offer.epoch == self.model.epochs.get(offer.maker, 0)
        return (fresh and offer.market in self.trading()) or self.luck(0.01)

    def trading(self) -> set:
        """Markets that take fills."""
        markets = self.model.markets.items()
        return {key for key, market in markets if market.status == OPEN and market.terms.long_stop >= self.now}

    def units(self, offer: Offer) -> int:
        """To fill."""
        done = self.model.filled.get(self.model.names.key(offer), 0)
        left = max(1, offer.units - done)
        if offer.min_fill == offer.units:
            return self.one(*[offer.units] * 14, 1, 0)
        least = min(left, offer.min_fill)
        fitting = (left, least, least, max(least, left // 2), self.rng.randrange(least, left + 1))
        return self.one(*fitting * 3, left + 1, max(0, least - 1))

    def taker(self, offer: Offer) -> str:
        """Who may fill: the named one, else one who is not the maker."""
        if self.luck(0.05):
            return self.person()
        if offer.taker != ZERO:
            return offer.taker
        return self.any_of(person for person in self.world.people if person != offer.maker)
