"""What people do on the chain during a seed: signed offers taken, money moved, terms proposed, deliveries made, attested, disputed.

Everything is sent straight to the node, and nobody minds whether it works: a transaction may be refused, lost or undone. What to do next
is read off the chain's own logs each time, so the people go on sensibly whatever a reorganisation left of their work.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from escrow.contracts import bindings, hashing
from otc.core.fields import ZERO_ADDRESS, ZERO_HASH
from otc.core.signatures import sign_digest
from otc.rehearsal.node import Node
from otc.stack import anvil

DAY = 86_400
USD = 10**6
TRADERS = ("seller", "buyer", "maker", "taker")
ADDRESS = {role: anvil.address(role) for role in anvil.ROLES}
ROLE = {address: role for role, address in ADDRESS.items()}
OFFERS = 12
ENOUGH_DEALS = 4
EVIDENCE = "0x" + "e1" * 32
OBJECTION = CHALLENGE = ARBITRATION = DAY
CANCEL_WAIT = 3 * DAY
TOKENS, ATTESTED, VOID = "tokens", "attested", "void"  # the three markets: what becomes of them

Call = tuple[str, str]  # role, calldata for the escrow


@dataclass(frozen=True, slots=True)
class Place:
    """A market of a seed. `settlement` is proposed by the resolver, counted from the moment of proposing."""

    name: str
    terms: bindings.MarketTerms
    market_id: str
    tranches: int


@dataclass(frozen=True, slots=True)
class SignedOffer:
    offer: bindings.Offer
    offer_hash: str
    signature: bytes


@dataclass
class Seen:
    """What the escrow's logs say as of one block. `attested` and `disputed` hold ids of deals that are or were so."""

    now: int
    created: set[str] = field(default_factory=set)
    depositors: set[str] = field(default_factory=set)
    settlements: dict[str, bindings.SettlementTerms] = field(default_factory=dict)
    cancel_proposed: set[str] = field(default_factory=set)
    filled: dict[str, int] = field(default_factory=dict)
    deals: dict[str, bindings.Deal] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    attested: set[str] = field(default_factory=set)
    disputed: set[str] = field(default_factory=set)

    def open_deals(self, market_id: str) -> list[bindings.Deal]:
        return [deal for key, deal in self.deals.items() if deal.market == market_id and key not in self.closed]

    def all_closed(self) -> bool:
        return set(self.deals) == self.closed


def look(node: Node, *, escrow: str, first_block: int) -> Seen:
    """Reads the logs of the escrow from `first_block` on. NodeError when the node does not answer."""
    seen = Seen(node.now())
    for log in node.call("eth_getLogs", {"fromBlock": hex(first_block), "toBlock": "latest", "address": escrow}):
        _note(seen, bindings.decode_event(log["topics"], log["data"]))
    return seen


def _note(seen: Seen, event: bindings.Event) -> None:
    match event:
        case bindings.MarketCreated():
            seen.created.add(event.market)
        case bindings.Deposited():
            seen.depositors.add(event.user)
        case bindings.Proposed():
            seen.settlements[event.market] = event.settlement
        case bindings.CancelProposed():
            seen.cancel_proposed.add(event.market)
        case bindings.Filled():
            seen.filled[event.offer_hash] = event.filled
            seen.deals[event.deal.id] = event.deal
        case bindings.Transferred():
            seen.deals[event.id] = event.deal
        case bindings.Attested():
            seen.attested.add(event.id)
        case bindings.Disputed():
            seen.disputed.add(event.id)
        case bindings.Settled() if event.closed:
            seen.closed.add(event.id)
        case _:
            pass


class People:
    """The roles of one seed. Amounts are base units of `token` (6 decimals); `delivered` is the settlement token (18)."""

    def __init__(self, chance: random.Random, *, chain_id: int, escrow: str, token: str, delivered: str) -> None:
        self.chance = chance
        self.chain_id, self.escrow, self.token, self.delivered = chain_id, escrow, token, delivered
        self.places: dict[str, Place] = {}
        self.offers: list[SignedOffer] = []

    # ------------------------------------------------------------ before the first block of a seed

    def open(self, now: int, rules_hash: Callable[[str], str]) -> None:
        """Draws the markets, and offers in each, signed; `rules_hash` gives the hash of a market's rules text."""
        for name in (TOKENS, ATTESTED, VOID):
            proof = name == ATTESTED
            terms = bindings.MarketTerms(
                resolver=ADDRESS["resolver"],
                guardian=ADDRESS["guardian"],
                attestor=ADDRESS["attestor"] if proof else ZERO_ADDRESS,
                arbitrator=ADDRESS["arbitrator"] if proof else ZERO_ADDRESS,
                pay_token=self.token,
                kind=0,
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
            tranches = self.chance.choice([1, 1, 2, 3]) if name == TOKENS else 1
            self.places[name] = Place(name, terms, hashing.market_id(terms), tranches)
        self.offers = [self._offer(now, salt) for salt in range(1, OFFERS + 1)]

    def _offer(self, now: int, salt: int) -> SignedOffer:
        place = self.chance.choice([self.places[name] for name in (TOKENS, TOKENS, ATTESTED, VOID)])
        units = self.chance.randint(3, 60)
        payment = units * self.chance.randint(1, 9) * USD + self.chance.randint(0, 999)
        offer = bindings.Offer(
            maker=ADDRESS[self.chance.choice(TRADERS)],
            taker=ZERO_ADDRESS,
            side=self.chance.randrange(2),
            market=place.market_id,
            pay_token=self.token,
            units=units,
            payment=payment,
            collateral=self.chance.choice([0, payment // 2, payment, 2 * payment + 1]),
            min_fill=self.chance.choice([units, 1, max(1, units // 3)]),
            max_fee_bps=200,
            expiry=now + 30 * DAY,
            epoch=0,
            salt=salt,
            ref=ZERO_HASH,
        )
        digest = hashing.offer_hash(offer, chain_id=self.chain_id, contract=self.escrow)
        return SignedOffer(offer, digest, sign_digest(bytes.fromhex(digest[2:]), anvil.key(ROLE[offer.maker])))

    def openings(self) -> Iterator[Call]:
        """The first transactions: deposits of all, and the markets."""
        for role in TRADERS:
            yield role, self._first_deposit(role)
        for place in self.places.values():
            yield "resolver", bindings.encode_create_market(place.terms)

    # ------------------------------------------------------------ acting

    def again(self, seen: Seen) -> Iterator[Call]:
        """What a reorganisation took away and the story needs: markets that are no longer there, the first deposits."""
        for place in self.places.values():
            if place.market_id not in seen.created:
                yield "resolver", bindings.encode_create_market(place.terms)
        for role in TRADERS:
            if ADDRESS[role] not in seen.depositors:
                yield role, self._first_deposit(role)

    def _first_deposit(self, role: str) -> str:
        return bindings.encode_deposit(self.token, self.chance.randint(900, 2_000) * USD, ADDRESS[role])

    def trade(self, seen: Seen) -> Iterator[Call]:
        """Two random acts while markets are open."""
        acts = {
            self.fill: 15,
            self._deposit: 3,
            self._withdraw: 2,
            self._cancel: 1,
            self._approve_standing: 2,
            self._hand_on: 1,
        }
        for act in self.chance.choices(list(acts), list(acts.values()), k=2):
            yield from act(seen)

    def _deposit(self, _seen: Seen) -> Iterator[Call]:
        role = self.chance.choice(TRADERS)
        yield role, bindings.encode_deposit(self.token, self.chance.randint(1, 400) * USD, ADDRESS[role])

    def _withdraw(self, _seen: Seen) -> Iterator[Call]:
        role = self.chance.choice(TRADERS)
        yield role, bindings.encode_withdraw(self.token, self.chance.randint(1, 300) * USD, ADDRESS[role])

    def _cancel(self, _seen: Seen) -> Iterator[Call]:
        signed = self.chance.choice(self.offers)
        yield ROLE[signed.offer.maker], bindings.encode_cancel(signed.offer)

    def fill(self, seen: Seen) -> Iterator[Call]:
        """Somebody takes some of an offer."""
        signed = self.chance.choice(self.offers)
        offer, left = signed.offer, signed.offer.units - seen.filled.get(signed.offer_hash, 0)
        if left <= 0:
            return
        taker = self.chance.choice([role for role in TRADERS if ADDRESS[role] != offer.maker])
        units = min(left, max(offer.min_fill, self.chance.randint(1, left)))
        yield taker, bindings.encode_fill(offer, signed.signature, units, ZERO_HASH)

    def _approve_standing(self, _seen: Seen) -> Iterator[Call]:
        amount = self.chance.choice([0, 5, 200]) * 10**18
        market = self.places[TOKENS].market_id
        yield self.chance.choice(TRADERS), bindings.encode_set_auto_deliver(market, self.delivered, amount)

    def _hand_on(self, seen: Seen) -> Iterator[Call]:
        deals = [deal for place in self.places.values() for deal in seen.open_deals(place.market_id)]
        if not deals:
            return
        deal = self.chance.choice(deals)
        to = self.chance.choice(TRADERS)
        yield ROLE[deal.buyer], bindings.encode_transfer_position(deal, 0, ADDRESS[to], ZERO_HASH)

    def propose(self, seen: Seen) -> Iterator[Call]:
        """The resolver's terms for the markets that settle, where they are not on chain. With too few deals, more of these first."""
        if len(seen.deals) < ENOUGH_DEALS:
            for _ in range(ENOUGH_DEALS):
                yield from self.fill(seen)
            return
        for name in (TOKENS, ATTESTED):
            place = self.places[name]
            if place.market_id in seen.created and place.market_id not in seen.settlements:
                yield "resolver", bindings.encode_propose(place.terms, self._settlement(place, seen.now))

    def _settlement(self, place: Place, now: int) -> bindings.SettlementTerms:
        several = place.tranches > 1
        return bindings.SettlementTerms(
            token=ZERO_ADDRESS if place.name == ATTESTED else self.delivered,
            ratio_num=10**17,
            ratio_den=1,
            start=now + OBJECTION + 900,
            window=DAY,
            tge_bps=4_000 if several else 10_000,
            tranches=place.tranches,
            period=DAY // 2 if several else 0,
        )

    def settle(self, seen: Seen) -> Iterator[Call]:
        """One random act while terms are final: a delivery, an attestation, a dispute, a step of a cancellation. What is missing of
        the terms is proposed again.
        """
        yield from self.propose(seen)
        acts = {self._deliver: 10, self._prove: 7, self._call_off: 2, self._approve_standing: 1}
        for act in self.chance.choices(list(acts), list(acts.values())):
            yield from act(seen)

    def _call_off(self, seen: Seen) -> Iterator[Call]:
        place = self.places[VOID]
        if place.market_id in seen.cancel_proposed:
            yield "guardian", bindings.encode_confirm_cancel(place.terms)
        else:
            yield "resolver", bindings.encode_propose_cancel(place.terms)

    def _deliver(self, seen: Seen) -> Iterator[Call]:
        place = self.places[TOKENS]
        deals = seen.open_deals(place.market_id)
        if not deals or place.market_id not in seen.settlements:
            return
        deal = self.chance.choice(deals)
        whole = deal.units * 10**17
        amount = self.chance.choice([whole, whole, whole // 3, 1])
        tranche = self.chance.randrange(place.tranches)
        to_escrow = self.chance.choice([True, False, False])
        delivery = bindings.Delivery(deal=deal, tranche=tranche, amount=amount, to_escrow=to_escrow)
        yield ROLE[deal.seller], bindings.encode_deliver(delivery)

    def _prove(self, seen: Seen) -> Iterator[Call]:
        place = self.places[ATTESTED]
        deals = seen.open_deals(place.market_id)
        if not deals:
            return
        deal = self.chance.choice(deals)
        if deal.id in seen.attested or self.chance.choice([True, False, False, False]):
            role = ROLE[self.chance.choice([deal.buyer, deal.seller])]
            yield role, bindings.encode_dispute(deal, place.terms, EVIDENCE)
            return
        attestation = bindings.Attestation(
            deal=hashing.deal_hash(deal),
            units=self.chance.randint(1, deal.units),
            evidence=EVIDENCE,
            valid_until=seen.now + DAY,
        )
        digest = hashing.attestation_hash(attestation, chain_id=self.chain_id, contract=self.escrow)
        signature = sign_digest(bytes.fromhex(digest[2:]), anvil.key("attestor"))
        yield self.chance.choice(TRADERS), bindings.encode_attest(deal, place.terms, attestation, signature)

    # ------------------------------------------------------------ when

    def start(self, seen: Seen) -> int:
        """From when on deliveries are possible in every market that has terms."""
        return max((terms.start for terms in seen.settlements.values()), default=seen.now)

    def deadline(self, seen: Seen) -> int:
        """The last second of the last window."""
        return max(
            (terms.start + (terms.tranches - 1) * terms.period + terms.window for terms in seen.settlements.values()),
            default=seen.now,
        )
