"""Deliveries: what all have in common, and those of an ERC-20 (docs/protocol.md, Settlement)."""

from typing import NamedTuple

from tests.support.model.deals import Deals, due, legs
from tests.support.model.state import Refused
from tests.support.model.structs import BPS, DELIVERED, PENDING, Deal, Delivery, Key, SettlementTerms


class Opening(NamedTuple):
    """A tranche that is open for delivery: `before` of its `whole` have come."""

    terms: SettlementTerms
    before: int
    whole: int


class Delivering(Deals):
    def begin(self, deal: Deal, tranche: int) -> Opening | None:
        """A tranche that is open for delivery, or None when it is done."""
        state = self.check(deal)
        if state.outcome != PENDING:
            return None
        terms = self.tranche_terms(deal, tranche)
        if self.is_resolved(state, tranche):
            return None
        opens_at = terms.start + tranche * terms.period
        self.not_before(opens_at)
        self.not_after(opens_at + terms.window)
        return Opening(terms, state.delivered.get(tranche, 0), due(deal, terms, tranche))

    def book(self, deal: Deal, tranche: int, opening: Opening, total: int) -> None:
        """The tranche has `total` now: the seller is paid for what is new of it. The last one ends the tranche."""
        terms, before, whole = opening
        complete = total == whole
        closed = complete and self.resolve(deal.id, terms, tranche, DELIVERED)
        if not closed:
            now = self.deals[deal.id]
            self.deals[deal.id] = now._replace(delivered={**now.delivered, tranche: total})
        payment, collateral = legs(deal, terms, tranche)

        def so_far(done: int) -> tuple[int, int]:
            """What the seller and the fees have got when `done` of `whole` came."""
            paid, back = (
                (payment, collateral) if done == whole else (payment * done // whole, collateral * done // whole)
            )
            fee = paid * deal.fee_bps // BPS
            return paid - fee + back, fee

        seller_now, fee_now = so_far(total)
        seller_before, fee_before = so_far(before) if before else (0, 0)
        to_seller, fee = seller_now - seller_before, fee_now - fee_before
        self.credit(deal.pay_token, deal.seller, to_seller)
        self.add_fee(deal.pay_token, fee)
        self.emit(
            "Settled",
            id=deal.id,
            tranche=tranche,
            outcome=DELIVERED if complete else PENDING,
            closed=closed,
            to_buyer=0,
            to_seller=to_seller,
            fee=fee,
        )


class TokenDelivery(Delivering):
    """By the seller, or on his standing approval."""

    def deliver(self, delivery: Delivery) -> None:
        if not self._deliver(delivery):
            self.refuse_done(delivery.deal.id, delivery.tranche)

    def deliver_batch(self, deliveries: list[Delivery]) -> None:
        """Skips what is done."""
        for delivery in deliveries:
            self._deliver(delivery)

    def set_auto_deliver(self, market: Key, token: str, amount: int) -> None:
        """Up to `amount` of `token` may be delivered by anyone from the caller's wallet into his own deals of the market."""
        self._set_auto_deliver(self.caller, market, token, amount)

    def deliver_for(self, delivery: Delivery) -> None:
        """By anyone, on the seller's approval; never more than is due."""
        deal = delivery.deal
        opening = self.begin(deal, delivery.tranche)
        if opening is None:
            self.refuse_done(deal.id, delivery.tranche)
        token = opening.terms.token
        allowed = self.auto_deliver.get((deal.seller, deal.market, token), 0)
        most = min(opening.whole - opening.before, allowed)
        if delivery.amount > most:
            raise Refused("TooMuch", delivery.amount, most)
        self._set_auto_deliver(deal.seller, deal.market, token, allowed - delivery.amount)
        self._take(delivery, opening)

    def _deliver(self, delivery: Delivery) -> bool:
        """False when the deal or the tranche is done already."""
        opening = self.begin(delivery.deal, delivery.tranche)
        if opening is None:
            return False
        self.require_caller(delivery.deal.seller)
        self._take(delivery, opening)
        return True

    def _take(self, delivery: Delivery, opening: Opening) -> None:
        """Pulls the tokens, measures them where they arrive, and pays for them. What is above what is due counts for nothing."""
        deal, tranche, token = delivery.deal, delivery.tranche, opening.terms.token
        received = 0
        if delivery.amount:
            to = self.address if delivery.to_escrow else deal.buyer
            received = self.pull(token, deal.seller, to, delivery.amount)
            if delivery.to_escrow:
                self.owe(token, received)
                self.credit(token, deal.buyer, received)
        if received == 0 and opening.whole != 0:
            raise Refused("NothingDelivered", token)
        total = min(opening.whole, opening.before + received)
        self.emit(
            "Delivered",
            id=deal.id,
            tranche=tranche,
            token=token,
            received=received,
            delivered=total,
            to_escrow=delivery.to_escrow,
        )
        self.book(deal, tranche, opening, total)

    def _set_auto_deliver(self, seller: str, market: Key, token: str, amount: int) -> None:
        self.auto_deliver[seller, market, token] = amount
        self.emit("AutoDeliverSet", seller=seller, market=market, token=token, amount=amount)
