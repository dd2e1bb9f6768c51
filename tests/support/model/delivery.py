"""Deliveries of an ERC-20, by the seller or on his standing approval (docs/protocol.md, Settlement)."""

from tests.support.model.deals import Deals, due, legs
from tests.support.model.state import DealState, Refused
from tests.support.model.structs import BPS, DELIVERED, PENDING, Delivery, Key, SettlementTerms


class TokenDelivery(Deals):
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
        opening = self._begin(delivery)
        if opening is None:
            self.refuse_done(deal.id, delivery.tranche)
        state, terms = opening
        allowed = self.auto_deliver.get((deal.seller, deal.market, terms.token), 0)
        missing = due(deal, terms, delivery.tranche) - state.delivered.get(delivery.tranche, 0)
        most = min(missing, allowed)
        if delivery.amount > most:
            raise Refused("TooMuch", delivery.amount, most)
        self._set_auto_deliver(deal.seller, deal.market, terms.token, allowed - delivery.amount)
        self._take(delivery, state, terms)

    def _deliver(self, delivery: Delivery) -> bool:
        """False when the deal or the tranche is done already."""
        opening = self._begin(delivery)
        if opening is None:
            return False
        self.require_caller(delivery.deal.seller)
        self._take(delivery, *opening)
        return True

    def _begin(self, delivery: Delivery) -> tuple[DealState, SettlementTerms] | None:
        """A tranche that is open for delivery, or None when it is done."""
        state = self.check(delivery.deal)
        if state.outcome != PENDING:
            return None
        terms = self.tranche_terms(delivery.deal, delivery.tranche)
        if self.is_resolved(state, delivery.tranche):
            return None
        opens_at = terms.start + delivery.tranche * terms.period
        self.not_before(opens_at)
        self.not_after(opens_at + terms.window)
        return state, terms

    def _take(self, delivery: Delivery, state: DealState, terms: SettlementTerms) -> None:
        """Pulls the tokens, measures them where they arrive, and pays for them. What is above what is due counts for nothing."""
        deal, tranche, token = delivery.deal, delivery.tranche, terms.token
        received = 0
        if delivery.amount:
            to = self.address if delivery.to_escrow else deal.buyer
            received = self.pull(token, deal.seller, to, delivery.amount)
            if delivery.to_escrow:
                self.owe(token, received)
                self.credit(token, deal.buyer, received)
        whole = due(deal, terms, tranche)
        if received == 0 and whole != 0:
            raise Refused("NothingDelivered", token)
        before = state.delivered.get(tranche, 0)
        total = min(whole, before + received)
        self.emit(
            "Delivered",
            id=deal.id,
            tranche=tranche,
            token=token,
            received=received,
            delivered=total,
            to_escrow=delivery.to_escrow,
        )
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

    def _set_auto_deliver(self, seller: str, market: Key, token: str, amount: int) -> None:
        self.auto_deliver[seller, market, token] = amount
        self.emit("AutoDeliverSet", seller=seller, market=market, token=token, amount=amount)
