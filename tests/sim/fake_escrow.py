"""The escrow's rules in a page of Python: what each block's logs are, and the balances that must follow from them.

It keeps its own books (no ledger, no projector), so that what the database says can be compared with what is true. Times are left out: whether
a market is final is an action of its own.
"""

import random
from copy import deepcopy

from escrow.contracts import bindings
from escrow.domain import payouts
from tests.sim.fake_state import FakeDeal, FakeMarket, OfferSeed, State
from tests.sim.fake_steps import BOND_BPS, WholeProtocol, word

__all__ = ["SETTLEMENT_TOKEN", "TOKENS", "USERS", "FakeDeal", "FakeEscrow", "OfferSeed", "State", "word"]
TOKENS = ["0x" + f"{n:02x}" * 20 for n in (0x70, 0x71)]
SETTLEMENT_TOKEN = "0x" + "77" * 20
USERS = ["0x" + f"{n:02x}" * 20 for n in range(0xA0, 0xA8)]
ZERO = "0x" + "00" * 20
DEALS_WANTED, PATIENCE = 5, 0.85  # how long markets stay open


class FakeEscrow(WholeProtocol):
    """Draws actions that the contract would accept in `state`, applies them, and returns their events."""

    users = USERS
    settlement_token = SETTLEMENT_TOKEN

    def __init__(
        self,
        rng: random.Random,
        markets: dict[str, str],
        offers: list[OfferSeed],
        *,
        attested: frozenset[str] = frozenset(),
    ) -> None:
        self.rng = rng
        self.offers = offers
        self.state = State(markets={market: FakeMarket(token, market in attested) for market, token in markets.items()})

    def snapshot(self) -> State:
        return deepcopy(self.state)

    def block(self, size: int) -> list[bindings.Event]:
        """The events of a block of at most `size` actions."""
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
            (self.match, 4),
            (self.give_away, 2),
            (self.resell, 3),
            (self.approve, 1),
            (self.attest, 4),
            (self.dispute, 3),
            (self.appeal, 3),
            (self.end_attested, 3),
            (self.close_by_both, 1),
        ]
        chosen = self.rng.choices([a for a, _ in actions], [w for _, w in actions], k=self.rng.randint(0, size))
        return [event for action in chosen for event in action()]

    # ------------------------------------------------------------ funds

    def deposit(self) -> list[bindings.Event]:
        token, user = self.rng.choice(TOKENS), self.rng.choice(USERS)
        if not self.state.allowed.get(token):
            self.state.allowed[token] = True
            return [bindings.PayTokenSet(token=token, allowed=True)]
        amount = self.rng.randint(1, 10**6)
        self.state.credit(token, user, amount)
        self._liable(token, amount)
        return [bindings.Deposited(token=token, user=user, from_=user, amount=amount)]

    def withdraw(self) -> list[bindings.Event]:
        held = [key for key, value in sorted(self.state.balances.items()) if value]
        if not held:
            return []
        token, user = self.rng.choice(held)
        amount = self.rng.randint(1, self.state.free(token, user))
        self.state.credit(token, user, -amount)
        self._liable(token, -amount)
        return [bindings.Withdrawn(token=token, user=user, to=user, amount=amount)]

    def _liable(self, token: str, amount: int) -> None:
        self.state.liabilities[token] = self.state.liabilities.get(token, 0) + amount

    # ------------------------------------------------------------ markets

    def market_step(self) -> list[bindings.Event]:
        market_id = self.rng.choice(sorted(self.state.markets))
        market = self.state.markets[market_id]
        if market.status == 0:
            return self._create(market_id, market)
        if market.status == 1:
            return self._open_step(market_id, market)
        if market.status == 2:
            return self._proposed_step(market_id, market)
        if market.status == 3:
            market.status = self.rng.choice([1, 4])
            kind = bindings.CancelWithdrawn if market.status == 1 else bindings.Cancelled
            return [kind(market=market_id)]
        return []

    def _open_step(self, market_id: str, market: FakeMarket) -> list[bindings.Event]:
        deals = sum(deal.struct.market == market_id for deal in self.state.deals.values())
        if deals < DEALS_WANTED and self.rng.random() < PATIENCE:
            return []
        if self.rng.random() < 0.8:
            return self._propose(market_id, market)
        market.status = 3
        return [bindings.CancelProposed(market=market_id, confirmable_at=9)]

    def _create(self, market_id: str, market: FakeMarket) -> list[bindings.Event]:
        if not self.state.allowed.get(market.token):
            return []
        market.status = 1
        terms = bindings.MarketTerms(
            resolver=USERS[0],
            guardian=USERS[1],
            attestor=USERS[2] if market.attested else ZERO,
            arbitrator=USERS[3] if market.attested else ZERO,
            pay_token=market.token,
            kind=0,
            settlement=int(market.attested),
            objection=86_400,
            min_window=86_400,
            max_window=864_000,
            challenge=86_400 if market.attested else 0,
            arbitration_window=86_400 if market.attested else 0,
            bond_bps=BOND_BPS if market.attested else 0,
            long_stop=2_000_000_000,
            max_ratio_num=0,
            max_ratio_den=0,
            rules_hash=word(1),
        )
        return [bindings.MarketCreated(market=market_id, terms=terms)]

    def _propose(self, market_id: str, market: FakeMarket) -> list[bindings.Event]:
        many = not market.attested and self.rng.random() < 0.5
        settlement = bindings.SettlementTerms(
            token=ZERO if market.attested else SETTLEMENT_TOKEN,
            ratio_num=self.rng.randint(1, 50),
            ratio_den=self.rng.randint(1, 7),
            start=1_000_000,
            window=86_400,
            tge_bps=self.rng.randint(1, 9_999) if many else 10_000,
            tranches=self.rng.randint(2, 4) if many else 1,
            period=100 if many else 0,
        )
        market.status = 2
        market.terms = payouts.Terms(
            settlement.ratio_num,
            settlement.ratio_den,
            settlement.start,
            settlement.window,
            settlement.tge_bps,
            settlement.tranches,
            settlement.period,
        )
        return [bindings.Proposed(market=market_id, settlement=settlement, final_at=999_000)]

    def _proposed_step(self, market_id: str, market: FakeMarket) -> list[bindings.Event]:
        if market.final:
            return []
        choice = self.rng.random()
        if choice < 0.2:
            market.status, market.terms = 1, None
            return [bindings.Vetoed(market=market_id)]
        market.final = True
        return [bindings.Extended(market=market_id, window=90_000)] if choice < 0.6 else []

    # ------------------------------------------------------------ offers

    def fill(self) -> list[bindings.Event]:
        state, taker = self.state, self.rng.choice(USERS)
        tradable = [offer for offer in self.offers if state.markets[offer.market].status == 1]
        if not tradable:
            return []
        offer = self.rng.choice(tradable)
        before = state.filled.get(offer.hash, 0)
        left = offer.units - before
        if offer.hash in state.cancelled or not left or taker == offer.maker:
            return []
        units = left if offer.min_fill == offer.units else self.rng.randint(min(offer.min_fill, left), left)
        payment = offer.payment * (before + units) // offer.units - offer.payment * before // offer.units
        collateral = offer.collateral * (before + units) // offer.units - offer.collateral * before // offer.units
        buyer, seller = (offer.maker, taker) if offer.side == 0 else (taker, offer.maker)
        if payment == 0 or state.free(offer.token, buyer) < payment or state.free(offer.token, seller) < collateral:
            return []
        return [self._opened(offer, before, units, payment, collateral, buyer=buyer, seller=seller)]

    def _opened(
        self, offer: OfferSeed, before: int, units: int, payment: int, collateral: int, *, buyer: str, seller: str
    ) -> bindings.Filled:
        state = self.state
        state.credit(offer.token, buyer, -payment)
        state.credit(offer.token, seller, -collateral)
        state.filled[offer.hash] = before + units
        deal = bindings.Deal(
            id=word(int(offer.hash, 16) * 1_000 + before + 1),
            market=offer.market,
            buyer=buyer,
            seller=seller,
            pay_token=offer.token,
            units=units,
            payment=payment,
            collateral=collateral,
            fee_bps=state.fee_bps,
            buyer_ref=word(0),
            seller_ref=word(0),
            opened_at=1_000,
        )
        state.deals[deal.id] = FakeDeal(deal, payment + collateral)
        return bindings.Filled(
            offer_hash=offer.hash, buyer=buyer, seller=seller, deal=deal, maker_side=offer.side, filled=before + units
        )

    def maker_step(self) -> list[bindings.Event]:
        state, offer = self.state, self.rng.choice(self.offers)
        what = self.rng.randrange(3)
        if what == 0 and state.filled.get(offer.hash, 0) < offer.units and offer.hash not in state.cancelled:
            state.cancelled.add(offer.hash)
            return [bindings.OfferCancelled(offer_hash=offer.hash, maker=offer.maker)]
        if what == 1:
            mask = 1 << self.rng.randrange(256)
            state.nonces[offer.maker, 5] = state.nonces.get((offer.maker, 5), 0) | mask
            return [bindings.NoncesInvalidated(maker=offer.maker, word=5, mask=mask)]
        if what == 2 and self.rng.random() < 0.2:
            state.epochs[offer.maker] = state.epochs.get(offer.maker, 0) + 1
            return [bindings.EpochBumped(maker=offer.maker, epoch=state.epochs[offer.maker])]
        return []

    # ------------------------------------------------------------ settlement

    def _late_deal(self, *, attested: bool) -> FakeDeal | None:
        """An open deal under final terms, untouched when its market is attested."""
        return self._chosen(lambda deal, market: market.final and not deal.phase and market.attested <= attested)

    def _tranche(self, deal: FakeDeal) -> tuple[int, int, int, int]:
        """(tranche, due, payment share, collateral share) of an unresolved one."""
        terms = self.state.markets[deal.struct.market].terms
        assert terms is not None
        number = self.rng.choice([i for i in range(terms.tranches) if i not in deal.resolved])
        return (
            number,
            payouts.due_in_tranche(deal.struct.units, terms, number),
            payouts.share_of_tranche(deal.struct.payment, terms, number),
            payouts.share_of_tranche(deal.struct.collateral, terms, number),
        )

    def _resolve(self, deal: FakeDeal, number: int, outcome: int) -> bool:
        terms = self.state.markets[deal.struct.market].terms
        assert terms is not None
        deal.resolved[number] = outcome
        if len(deal.resolved) < terms.tranches:
            return False
        deal.outcome = 2 if 2 in deal.resolved.values() else 1
        return True

    def deliver(self) -> list[bindings.Event]:
        deal = self._late_deal(attested=False)
        if deal is None:
            return []
        number, whole, payment, collateral = self._tranche(deal)
        before, struct = deal.delivered.get(number, 0), deal.struct
        received = self.rng.choice([whole - before, self.rng.randint(0, whole - before)])
        if whole and not received:
            return []
        after, to_escrow = before + received, self.rng.random() < 0.3
        if to_escrow:
            self.state.credit(SETTLEMENT_TOKEN, struct.buyer, received)
            self._liable(SETTLEMENT_TOKEN, received)
        paid = payouts.delivery_payout(
            payment=payment, collateral=collateral, fee_bps=struct.fee_bps, before=before, after=after, whole=whole
        )
        closed = self._resolve(deal, number, 1) if after == whole else False
        deal.delivered[number] = after
        deal.locked -= paid.to_seller + paid.fee
        self.state.credit(struct.pay_token, struct.seller, paid.to_seller)
        self.state.fees[struct.pay_token] = self.state.fees.get(struct.pay_token, 0) + paid.fee
        outcome = 1 if after == whole else 0
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
                closed=closed,
                to_buyer=0,
                to_seller=paid.to_seller,
                fee=paid.fee,
            ),
        ]

    def slash(self) -> list[bindings.Event]:
        deal = self._late_deal(attested=True)
        if deal is None:
            return []
        number, whole, payment, collateral = self._tranche(deal)
        paid = payouts.slash_payout(
            payment=payment, collateral=collateral, delivered=deal.delivered.get(number, 0), whole=whole
        )
        closed = self._resolve(deal, number, 2)
        deal.locked -= paid.to_buyer
        self.state.credit(deal.struct.pay_token, deal.struct.buyer, paid.to_buyer)
        return [
            bindings.Settled(
                id=deal.struct.id,
                tranche=number,
                outcome=2,
                closed=closed,
                to_buyer=paid.to_buyer,
                to_seller=0,
                fee=0,
            )
        ]

    def refund(self) -> list[bindings.Event]:
        deal = self._chosen(lambda _deal, market: market.status == 4)
        return [] if deal is None else self._pay(deal, 3, deal.struct.payment, deal.struct.collateral)

    # ------------------------------------------------------------ owner

    def admin_step(self) -> list[bindings.Event]:
        state, what = self.state, self.rng.randrange(5)
        if what == 0:
            state.fee_bps = self.rng.randint(0, 200)
            return [bindings.FeeSet(fee_bps=state.fee_bps)]
        if what == 1:
            state.paused_until = self.rng.randint(0, 5_000)
            return [bindings.EntryPaused(until=state.paused_until)]
        if what == 2:
            token = self.rng.choice(TOKENS)
            state.allowed[token] = self.rng.random() < 0.8
            return [bindings.PayTokenSet(token=token, allowed=state.allowed[token])]
        token = self.rng.choice(TOKENS)
        amount = state.fees.get(token, 0)
        if not amount:
            return [bindings.GuardianSet(guardian=USERS[1])]
        state.fees[token] = 0
        self._liable(token, -amount)
        return [bindings.FeesCollected(token=token, recipient=USERS[2], amount=amount)]
