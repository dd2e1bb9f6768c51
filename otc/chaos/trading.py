"""What people do on the chain while markets are open: signed offers taken and matched, money moved, places sold and handed on.

Everything is sent straight to the node, and nobody minds whether it works: a transaction may be refused, lost or undone. What to do next
is read off the chain's own logs each time, so the people go on sensibly whatever a reorganisation left of their work.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from escrow.contracts import bindings, hashing
from otc.chaos.seen import Contracts, Seen
from otc.core.fields import ZERO_ADDRESS, ZERO_HASH
from otc.core.signatures import sign_digest
from otc.stack import anvil

DAY = 86_400
USD = 10**6
TRADERS = ("seller", "buyer", "maker", "taker")
ADDRESS = {role: anvil.address(role) for role in anvil.ROLES}
ROLE = {address: role for role, address in ADDRESS.items()}
OFFERS, PAIRS = 12, 4
MAX_FEE_BPS = 200
FIRST_RESALE_SALT = 10_000
OBJECTION = CHALLENGE = ARBITRATION = DAY
TOKENS, ATTESTED, VOID, RIGHTS = "tokens", "attested", "void", "rights"  # the four markets: what becomes of them

Call = tuple[str, str, str]  # role, contract, calldata


@dataclass(frozen=True, slots=True)
class Place:
    """A market of a seed, in one of the two escrows."""

    name: str
    escrow: str
    terms: bindings.MarketTerms
    market_id: str
    tranches: int


@dataclass(frozen=True, slots=True)
class SignedOffer:
    place: Place
    offer: bindings.Offer
    offer_hash: str
    signature: bytes

    def left(self, seen: Seen) -> int:
        return self.offer.units - seen.filled.get(self.offer_hash, 0)


class Trading:
    """The roles of one seed while markets are open. Amounts are base units of the payment token (6 decimals)."""

    def __init__(self, chance: random.Random, *, chain_id: int, contracts: Contracts) -> None:
        self.chance, self.chain_id, self.contracts = chance, chain_id, contracts
        self.places: dict[str, Place] = {}
        self.offers: list[SignedOffer] = []
        self.pairs: list[tuple[SignedOffer, SignedOffer]] = []  # to buy and to sell, on terms that meet

    # ------------------------------------------------------------ before the first block of a seed

    def open(self, now: int, rules_hash: Callable[[str], str]) -> None:
        """Draws the markets, and offers in each, signed; `rules_hash` gives the hash of a market's rules text."""
        for name in (TOKENS, ATTESTED, VOID, RIGHTS):
            proof, rights = name == ATTESTED, name == RIGHTS
            terms = bindings.MarketTerms(
                resolver=ADDRESS["resolver"],
                guardian=ADDRESS["guardian"],
                attestor=ADDRESS["attestor"] if proof else ZERO_ADDRESS,
                arbitrator=ADDRESS["arbitrator"] if proof else ZERO_ADDRESS,
                pay_token=self.contracts.pay,
                kind=3 if rights else 0,
                settlement=int(proof),
                objection=OBJECTION,
                min_window=DAY,
                max_window=7 * DAY,
                challenge=CHALLENGE if proof else 0,
                arbitration_window=ARBITRATION if proof else 0,
                bond_bps=500 if proof else 0,
                long_stop=now + (9 if name == VOID else 40) * DAY,
                max_ratio_num=0,
                max_ratio_den=0,
                rules_hash=rules_hash(name),
            )
            tranches = self.chance.choice({TOKENS: [1, 1, 2, 3], RIGHTS: [1, 1, 2]}.get(name, [1]))
            escrow = self.contracts.rights if rights else self.contracts.tokens
            self.places[name] = Place(name, escrow, terms, hashing.market_id(terms), tranches)
        self.offers = [self._drawn(now, salt) for salt in range(1, OFFERS + 1)]
        self.pairs = [self._pair(now, OFFERS + 1 + 2 * at) for at in range(PAIRS)]
        self.offers += [signed for pair in self.pairs for signed in pair]

    def _drawn(self, now: int, salt: int) -> SignedOffer:
        place = self.places[self.chance.choice((TOKENS, TOKENS, ATTESTED, VOID, RIGHTS))]
        units = self.chance.randint(3, 60)
        payment = units * self.chance.randint(1, 9) * USD + self.chance.randint(0, 999)
        return self._signed(
            place,
            ADDRESS[self.chance.choice(TRADERS)],
            now,
            salt=salt,
            side=self.chance.randrange(2),
            units=units,
            payment=payment,
            collateral=self.chance.choice([0, payment // 2, payment, 2 * payment + 1]),
            min_fill=self.chance.choice([units, 1, max(1, units // 3)]),
        )

    def _pair(self, now: int, salt: int) -> tuple[SignedOffer, SignedOffer]:
        """The buyer gives no less than the seller asks, and asks no more collateral than the seller locks."""
        place = self.places[self.chance.choice((TOKENS, TOKENS, ATTESTED, VOID, RIGHTS))]
        buyer, seller = self.chance.sample(TRADERS, 2)
        units = self.chance.randint(3, 60)
        asked = units * self.chance.randint(1, 9) * USD
        terms = {"units": units, "min_fill": self.chance.choice([units, 1])}
        more = self.chance.choice([0, asked // 10])
        buy = self._signed(
            place, ADDRESS[buyer], now, salt=salt, side=0, payment=asked + more, collateral=asked // 2, **terms
        )
        sell = self._signed(
            place, ADDRESS[seller], now, salt=salt + 1, side=1, payment=asked, collateral=asked // 2 + more, **terms
        )
        return buy, sell

    def _signed(self, place: Place, maker: str, now: int, *, salt: int, **terms: int) -> SignedOffer:
        offer = bindings.Offer(
            maker=maker,
            taker=ZERO_ADDRESS,
            market=place.market_id,
            pay_token=self.contracts.pay,
            max_fee_bps=MAX_FEE_BPS,
            expiry=now + 30 * DAY,
            epoch=0,
            salt=salt,
            ref=ZERO_HASH,
            **terms,
        )
        digest = hashing.offer_hash(offer, chain_id=self.chain_id, contract=place.escrow)
        return SignedOffer(place, offer, digest, sign_digest(bytes.fromhex(digest[2:]), anvil.key(ROLE[maker])))

    def openings(self) -> Iterator[Call]:
        """The first transactions: deposits of all, and the markets."""
        yield from self.again(Seen(0))

    # ------------------------------------------------------------ acting

    def again(self, seen: Seen) -> Iterator[Call]:
        """What the story needs and is not there, or no longer: the markets, the first deposits."""
        for place in self.places.values():
            if place.market_id not in seen.created:
                yield "resolver", place.escrow, bindings.encode_create_market(place.terms)
        for escrow in (self.contracts.tokens, self.contracts.rights):
            for role in TRADERS:
                if (escrow, ADDRESS[role]) not in seen.depositors:
                    yield self._deposit_of(role, escrow, self.chance.randint(900, 2_000))

    def trade(self, seen: Seen) -> Iterator[Call]:
        """Two random acts while markets are open."""
        acts = {
            self.fill: 13,
            self._match: 6,
            self._resell: 5,
            self._deposit: 2,
            self._withdraw: 2,
            self._cancel: 1,
            self.approve_standing: 2,
            self._hand_on: 1,
        }
        for act in self.chance.choices(list(acts), list(acts.values()), k=2):
            yield from act(seen)

    def _escrow(self) -> str:
        return self.chance.choice([self.contracts.tokens, self.contracts.tokens, self.contracts.rights])

    def _deposit_of(self, role: str, escrow: str, dollars: int) -> Call:
        return role, escrow, bindings.encode_deposit(self.contracts.pay, dollars * USD, ADDRESS[role])

    def _deposit(self, _seen: Seen) -> Iterator[Call]:
        yield self._deposit_of(self.chance.choice(TRADERS), self._escrow(), self.chance.randint(1, 400))

    def _withdraw(self, _seen: Seen) -> Iterator[Call]:
        role, amount = self.chance.choice(TRADERS), self.chance.randint(1, 300) * USD
        yield role, self._escrow(), bindings.encode_withdraw(self.contracts.pay, amount, ADDRESS[role])

    def _cancel(self, _seen: Seen) -> Iterator[Call]:
        signed = self.chance.choice(self.offers)
        yield ROLE[signed.offer.maker], signed.place.escrow, bindings.encode_cancel(signed.offer)

    def fill(self, seen: Seen) -> Iterator[Call]:
        """Somebody takes some of an offer."""
        signed = self.chance.choice(self.offers)
        offer, left = signed.offer, signed.left(seen)
        if left <= 0:
            return
        taker = self.chance.choice([role for role in TRADERS if ADDRESS[role] != offer.maker])
        units = min(left, max(offer.min_fill, self.chance.randint(1, left)))
        yield taker, signed.place.escrow, bindings.encode_fill(offer, signed.signature, units, ZERO_HASH)

    def _match(self, seen: Seen) -> Iterator[Call]:
        """Anybody brings two offers together."""
        buy, sell = self.chance.choice(self.pairs)
        left = min(buy.left(seen), sell.left(seen))
        if left <= 0:
            return
        units = left if buy.offer.min_fill > 1 else self.chance.randint(1, left)
        data = bindings.encode_match_offers(buy.offer, buy.signature, sell.offer, sell.signature, units)
        yield self.chance.choice(TRADERS), buy.place.escrow, data

    def approve_standing(self, _seen: Seen) -> Iterator[Call]:
        """A seller lets the keeper deliver for him, up to so much."""
        amount = self.chance.choice([0, 5, 200]) * 10**18
        place = self.places[TOKENS]
        data = bindings.encode_set_auto_deliver(place.market_id, self.contracts.delivered, amount)
        yield self.chance.choice(TRADERS), place.escrow, data

    def _some_deal(self, seen: Seen) -> tuple[Place, bindings.Deal] | None:
        found = [(place, deal) for place in self.places.values() for deal in seen.open_deals(place.market_id)]
        return self.chance.choice(found) if found else None

    def _hand_on(self, seen: Seen) -> Iterator[Call]:
        """A buyer gives his place away."""
        chosen = self._some_deal(seen)
        if chosen is None:
            return
        place, deal = chosen
        to = ADDRESS[self._outsider(deal)]
        yield ROLE[deal.buyer], place.escrow, bindings.encode_transfer_position(deal, 0, to, ZERO_HASH)

    def _outsider(self, deal: bindings.Deal) -> str:
        return self.chance.choice([role for role in TRADERS if ADDRESS[role] not in {deal.buyer, deal.seller}])

    def _resell(self, seen: Seen) -> Iterator[Call]:
        """Somebody takes a place that its holder signed away at a price, of either side; now and then the holder pays."""
        chosen = self._some_deal(seen)
        if chosen is None:
            return
        place, deal = chosen
        side, taker = self.chance.randrange(2), self._outsider(deal)
        resale = bindings.Resale(
            deal=hashing.deal_hash(deal),
            side=side,
            price=self.chance.choice([0, self.chance.randint(1, deal.payment)]),
            lister_pays=self.chance.choice([True, False, False]),
            taker=self.chance.choice([ZERO_ADDRESS, ADDRESS[taker]]),
            expiry=seen.now + DAY,
            epoch=0,
            salt=FIRST_RESALE_SALT + self.chance.randrange(2_000),
        )
        digest = hashing.resale_hash(resale, chain_id=self.chain_id, contract=place.escrow)
        lister = ROLE[deal.buyer if side == 0 else deal.seller]
        signature = sign_digest(bytes.fromhex(digest[2:]), anvil.key(lister))
        yield taker, place.escrow, bindings.encode_fill_resale(deal, resale, signature, ZERO_HASH)
