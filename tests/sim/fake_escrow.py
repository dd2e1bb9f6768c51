"""The escrow's rules in a page of Python: what each block's logs are, and the balances that must follow from them.

It keeps its own books (no ledger, no projector), so that what is read can be compared with what is true. Of times it knows only that terms
are final some blocks after they were proposed.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple

from escrow.contracts import bindings
from escrow.domain import payouts
from tests.sim.facts import DealFacts, Facts, MarketFacts
from tests.sim.fake_steps import BOND_BPS, WholeProtocol, word

__all__ = ["SETTLEMENT_TOKEN", "TOKENS", "USERS", "FakeEscrow", "OfferSeed", "draw_offers", "word"]
TOKENS = ["0x" + f"{n:02x}" * 20 for n in (0x70, 0x71)]
SETTLEMENT_TOKEN = "0x" + "77" * 20
USERS = ["0x" + f"{n:02x}" * 20 for n in range(0xA0, 0xA8)]
ZERO = "0x" + "00" * 20
DEALS_WANTED, PATIENCE = 5, 0.85  # how long markets stay open
OBJECTION = 8  # seconds
NO_MARKET = MarketFacts(0)


class OfferSeed(NamedTuple):
    """A signed offer that anyone may fill; `min_fill == units`: all or none."""

    hash: str
    maker: str
    side: int
    market: str
    token: str
    units: int
    payment: int
    collateral: int
    min_fill: int
    salt: int


def draw_offers(rng: random.Random, markets: Mapping[str, str], count: int) -> list[OfferSeed]:
    """`count` offers on `markets`, which are (id, payment token)."""
    offers = []
    for n in range(count):
        units = rng.randint(1, 500)
        market = rng.choice(sorted(markets))
        offers.append(
            OfferSeed(
                hash=word(0xF000 + n),
                maker=rng.choice(USERS),
                side=rng.randrange(2),
                market=market,
                token=markets[market],
                units=units,
                payment=rng.randint(1, 10**5),
                collateral=rng.choice([0, rng.randint(0, 10**5)]),
                min_fill=rng.choice([units, rng.randint(1, units)]),
                salt=1280 + n,
            )
        )
    return offers


class FakeEscrow(WholeProtocol):
    """Draws actions that the contract would accept, applies them to `facts`, and returns their events. `now`: unix seconds."""

    users = USERS
    settlement_token = SETTLEMENT_TOKEN

    def __init__(
        self,
        rng: random.Random,
        markets: Mapping[str, str],
        offers: Sequence[OfferSeed],
        *,
        attested: frozenset[str] = frozenset(),
    ) -> None:
        self.rng = rng
        self.now = 0
        self.offers = offers
        self.token_of = dict(markets)
        self.market_ids = sorted(markets)
        self.attested = attested
        self.facts = Facts()
        self.buys = [offer for offer in offers if offer.side == 0]
        self.sells = [offer for offer in offers if offer.side == 1]
        actions = [
            (self.deposit, 10),
            (self.fill, 16),
            (self.deliver, 8),
            (self.slash, 3),
            (self.market_step, 8),
            (self.refund, 2),
            (self.withdraw, 2),
            (self.maker_step, 2),
            (self.admin_step, 1),
            (self.match, 10),
            (self.give_away, 2),
            (self.resell, 3),
            (self.approve, 1),
            (self.attest, 4),
            (self.dispute, 3),
            (self.appeal, 3),
            (self.end_attested, 3),
            (self.close_by_both, 1),
        ]
        self._actions = [action for action, _ in actions]
        self._weights = list(accumulate(weight for _, weight in actions))

    def block(self, size: int) -> list[bindings.Event]:
        """The events of a block of at most `size` actions."""
        count = self.rng.randint(0, size)
        if not count:
            return []
        chosen = self.rng.choices(self._actions, cum_weights=self._weights, k=count)
        return [event for action in chosen for event in action()]

    # ------------------------------------------------------------ money

    def free(self, token: str, user: str) -> int:
        return self.facts.get("free", token, user)

    def credit(self, token: str, user: str, amount: int) -> None:
        self.facts.add(("free", token, user), amount)
        assert self.free(token, user) >= 0

    def deposit(self) -> list[bindings.Event]:
        token, user = self.rng.choice(TOKENS), self.rng.choice(USERS)
        if not self.facts.get("allowed", token):
            self.facts.put(("allowed", token), True)
            return [bindings.PayTokenSet(token=token, allowed=True)]
        amount = self.rng.randint(1, 10**6)
        self.credit(token, user, amount)
        self.facts.add(("external", token), amount)
        return [bindings.Deposited(token=token, user=user, from_=user, amount=amount)]

    def withdraw(self) -> list[bindings.Event]:
        token, user = self.rng.choice([*TOKENS, SETTLEMENT_TOKEN]), self.rng.choice(USERS)
        free = self.free(token, user)
        if not free:
            return []
        amount = self.rng.randint(1, free)
        self.credit(token, user, -amount)
        self.facts.add(("external", token), -amount)
        return [bindings.Withdrawn(token=token, user=user, to=user, amount=amount)]

    # ------------------------------------------------------------ markets

    def market(self, market_id: str) -> MarketFacts:
        return self.facts.values.get(("market", market_id), NO_MARKET)

    def is_final(self, market_id: str) -> bool:
        market = self.market(market_id)
        return market.settlement is not None and self.now >= market.final_at

    def market_step(self) -> list[bindings.Event]:
        market_id = self.rng.choice(self.market_ids)
        market = self.market(market_id)
        if market.status == 0:
            return self._create(market_id)
        if market.status == 1:
            return self._open_step(market_id, market)
        if market.status == 2:
            return self._proposed_step(market_id, market)
        if market.status == 3:
            status = self.rng.choice([1, 4])
            self.facts.put(("market", market_id), MarketFacts(status))
            kind = bindings.CancelWithdrawn if status == 1 else bindings.Cancelled
            return [kind(market=market_id)]
        return []

    def _open_step(self, market_id: str, market: MarketFacts) -> list[bindings.Event]:
        deals = sum(self.facts.values["deal", deal].struct.market == market_id for deal in self.facts.open)
        if deals < DEALS_WANTED and self.rng.random() < PATIENCE:
            return []
        if self.rng.random() < 0.8:
            return self._propose(market_id)
        self.facts.put(("market", market_id), MarketFacts(3, confirmable_at=9))
        return [bindings.CancelProposed(market=market_id, confirmable_at=9)]

    def _create(self, market_id: str) -> list[bindings.Event]:
        token, attested = self.token_of[market_id], market_id in self.attested
        if not self.facts.get("allowed", token):
            return []
        self.facts.put(("market", market_id), MarketFacts(1))
        terms = bindings.MarketTerms(
            resolver=USERS[0],
            guardian=USERS[1],
            attestor=USERS[2] if attested else ZERO,
            arbitrator=USERS[3] if attested else ZERO,
            pay_token=token,
            kind=0,
            settlement=int(attested),
            objection=86_400,
            min_window=86_400,
            max_window=864_000,
            challenge=86_400 if attested else 0,
            arbitration_window=86_400 if attested else 0,
            bond_bps=BOND_BPS if attested else 0,
            long_stop=2_000_000_000,
            max_ratio_num=0,
            max_ratio_den=0,
            rules_hash=word(1),
        )
        return [bindings.MarketCreated(market=market_id, terms=terms)]

    def _propose(self, market_id: str) -> list[bindings.Event]:
        attested = market_id in self.attested
        many = not attested and self.rng.random() < 0.5
        settlement = bindings.SettlementTerms(
            token=ZERO if attested else SETTLEMENT_TOKEN,
            ratio_num=self.rng.randint(1, 50),
            ratio_den=self.rng.randint(1, 7),
            start=1_000_000,
            window=86_400,
            tge_bps=self.rng.randint(1, 9_999) if many else 10_000,
            tranches=self.rng.randint(2, 4) if many else 1,
            period=100 if many else 0,
        )
        final_at = self.now + OBJECTION
        self.facts.put(("market", market_id), MarketFacts(2, settlement, final_at))
        return [bindings.Proposed(market=market_id, settlement=settlement, final_at=final_at)]

    def _proposed_step(self, market_id: str, market: MarketFacts) -> list[bindings.Event]:
        if self.now < market.final_at:
            if self.rng.random() < 0.6:
                return []
            self.facts.put(("market", market_id), MarketFacts(1))
            return [bindings.Vetoed(market=market_id)]
        if market.extended or self.rng.random() < 0.6:
            return []
        settlement = replace(market.settlement, window=90_000)
        self.facts.put(("market", market_id), market._replace(settlement=settlement, extended=True))
        return [bindings.Extended(market=market_id, window=90_000)]

    def terms(self, market_id: str) -> payouts.Terms:
        """Of a market whose settlement is proposed or final."""
        given = self.market(market_id).settlement
        assert given is not None
        return payouts.Terms(
            given.ratio_num,
            given.ratio_den,
            given.start,
            given.window,
            given.tge_bps,
            given.tranches,
            given.period,
        )

    # ------------------------------------------------------------ offers

    def fill(self) -> list[bindings.Event]:
        if not self.offers:
            return []
        taker, offer = self.rng.choice(USERS), self.rng.choice(self.offers)
        before = self.facts.get("filled", offer.hash)
        left = offer.units - before
        closed = self.market(offer.market).status != 1 or self.facts.get("cancelled", offer.hash)
        if closed or not left or taker == offer.maker:
            return []
        units = left if offer.min_fill == offer.units else self.rng.randint(min(offer.min_fill, left), left)
        payment = offer.payment * (before + units) // offer.units - offer.payment * before // offer.units
        collateral = offer.collateral * (before + units) // offer.units - offer.collateral * before // offer.units
        buyer, seller = (offer.maker, taker) if offer.side == 0 else (taker, offer.maker)
        if payment == 0 or self.free(offer.token, buyer) < payment or self.free(offer.token, seller) < collateral:
            return []
        return [self.opened(offer, before, units, payment, collateral, buyer=buyer, seller=seller)]

    def opened(
        self, offer: OfferSeed, before: int, units: int, payment: int, collateral: int, *, buyer: str, seller: str
    ) -> bindings.Filled:
        self.credit(offer.token, buyer, -payment)
        self.credit(offer.token, seller, -collateral)
        self.facts.put(("filled", offer.hash), before + units)
        struct = bindings.Deal(
            id=word(int(offer.hash, 16) * 1_000 + before + 1),
            market=offer.market,
            buyer=buyer,
            seller=seller,
            pay_token=offer.token,
            units=units,
            payment=payment,
            collateral=collateral,
            fee_bps=self.facts.get("fee_bps"),
            buyer_ref=word(0),
            seller_ref=word(0),
            opened_at=1_000,
        )
        self.put(DealFacts(struct, payment + collateral))
        return bindings.Filled(
            offer_hash=offer.hash,
            buyer=buyer,
            seller=seller,
            deal=struct,
            maker_side=offer.side,
            filled=before + units,
        )

    def maker_step(self) -> list[bindings.Event]:
        if not self.offers:
            return []
        offer, what = self.rng.choice(self.offers), self.rng.randrange(3)
        maker, cancelled = offer.maker, self.facts.get("cancelled", offer.hash)
        if what == 0 and self.facts.get("filled", offer.hash) < offer.units and not cancelled:
            self.facts.put(("cancelled", offer.hash), True)
            return [bindings.OfferCancelled(offer_hash=offer.hash, maker=maker)]
        if what == 1:
            mask = 1 << self.rng.randrange(256)
            self.facts.put(("nonces", maker, 5), self.facts.get("nonces", maker, 5) | mask)
            return [bindings.NoncesInvalidated(maker=maker, word=5, mask=mask)]
        if what == 2 and self.rng.random() < 0.2:
            self.facts.add(("epoch", maker), 1)
            return [bindings.EpochBumped(maker=maker, epoch=self.facts.get("epoch", maker))]
        return []

    # ------------------------------------------------------------ settlement

    def put(self, deal: DealFacts) -> None:
        """The deal as it is now, and what it holds."""
        self.facts.put(("deal", deal.struct.id), deal)
        self.facts.put(("locked", deal.struct.id), deal.locked)

    def _late_deal(self, *, attested: bool) -> DealFacts | None:
        """An open deal under final terms, untouched when its market is attested."""
        return self.chosen(
            lambda deal: (
                not deal.phase
                and (attested or deal.struct.market not in self.attested)
                and self.is_final(deal.struct.market)
            )
        )

    def _tranche(self, deal: DealFacts) -> tuple[int, int, int, int, int]:
        """(tranche, delivered, due, payment share, collateral share) of an unresolved one."""
        terms, struct = self.terms(deal.struct.market), deal.struct
        known = {number: (delivered, outcome) for number, delivered, outcome in deal.tranches}
        number = self.rng.choice([i for i in range(terms.tranches) if i not in known or not known[i][1]])
        return (
            number,
            known.get(number, (0, 0))[0],
            payouts.due_in_tranche(struct.units, terms, number),
            payouts.share_of_tranche(struct.payment, terms, number),
            payouts.share_of_tranche(struct.collateral, terms, number),
        )

    def _with_tranche(self, deal: DealFacts, number: int, delivered: int, outcome: int) -> DealFacts:
        """The deal with its tranche as it is now, and closed when it was the last."""
        tranches = (*(each for each in deal.tranches if each[0] != number), (number, delivered, outcome))
        outcomes = [each[2] for each in tranches]
        closed = all(outcomes) and len(tranches) == self.terms(deal.struct.market).tranches
        return deal._replace(tranches=tuple(sorted(tranches)), outcome=max(outcomes) if closed else 0)

    def deliver(self) -> list[bindings.Event]:
        deal = self._late_deal(attested=False)
        if deal is None:
            return []
        number, before, whole, payment, collateral = self._tranche(deal)
        struct = deal.struct
        received = self.rng.choice([whole - before, self.rng.randint(0, whole - before)])
        if whole and not received:
            return []
        after, to_escrow = before + received, self.rng.random() < 0.3
        if to_escrow:
            self.credit(SETTLEMENT_TOKEN, struct.buyer, received)
            self.facts.add(("external", SETTLEMENT_TOKEN), received)
        paid = payouts.delivery_payout(
            payment=payment, collateral=collateral, fee_bps=struct.fee_bps, before=before, after=after, whole=whole
        )
        outcome = 1 if after == whole else 0
        deal = self._with_tranche(deal, number, after, outcome)
        self.put(deal._replace(locked=deal.locked - paid.to_seller - paid.fee))
        self.credit(struct.pay_token, struct.seller, paid.to_seller)
        self.facts.add(("fees", struct.pay_token), paid.fee)
        return [
            bindings.Delivered(
                id=struct.id,
                tranche=number,
                token=SETTLEMENT_TOKEN,
                received=received,
                delivered=after,
                to_escrow=to_escrow,
            ),
            bindings.Settled(
                id=struct.id,
                tranche=number,
                outcome=outcome,
                closed=bool(deal.outcome),
                to_buyer=0,
                to_seller=paid.to_seller,
                fee=paid.fee,
            ),
        ]

    def slash(self) -> list[bindings.Event]:
        deal = self._late_deal(attested=True)
        if deal is None:
            return []
        number, delivered, whole, payment, collateral = self._tranche(deal)
        paid = payouts.slash_payout(payment=payment, collateral=collateral, delivered=delivered, whole=whole)
        deal = self._with_tranche(deal, number, delivered, 2)
        self.put(deal._replace(locked=deal.locked - paid.to_buyer))
        self.credit(deal.struct.pay_token, deal.struct.buyer, paid.to_buyer)
        return [
            bindings.Settled(
                id=deal.struct.id,
                tranche=number,
                outcome=2,
                closed=bool(deal.outcome),
                to_buyer=paid.to_buyer,
                to_seller=0,
                fee=0,
            )
        ]

    def refund(self) -> list[bindings.Event]:
        deal = self.chosen(lambda deal: self.market(deal.struct.market).status == 4)
        return [] if deal is None else self.pay(deal, 3, deal.struct.payment, deal.struct.collateral)

    # ------------------------------------------------------------ owner

    def admin_step(self) -> list[bindings.Event]:
        what, token = self.rng.randrange(5), self.rng.choice(TOKENS)
        if what == 0:
            self.facts.put(("fee_bps",), self.rng.randint(0, 200))
            return [bindings.FeeSet(fee_bps=self.facts.get("fee_bps"))]
        if what == 1:
            self.facts.put(("paused_until",), self.rng.randint(0, 5_000))
            return [bindings.EntryPaused(until=self.facts.get("paused_until"))]
        if what == 2:
            self.facts.put(("allowed", token), self.rng.random() < 0.8)
            return [bindings.PayTokenSet(token=token, allowed=bool(self.facts.get("allowed", token)))]
        amount = self.facts.get("fees", token)
        if not amount:
            return [bindings.GuardianSet(guardian=USERS[1])]
        self.facts.put(("fees", token), 0)
        self.facts.add(("external", token), -amount)
        return [bindings.FeesCollected(token=token, recipient=USERS[2], amount=amount)]
