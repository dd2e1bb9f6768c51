"""How deals end without a delivery: slashed, refunded, closed by both (docs/protocol.md, Settlement). Without a fee."""

from tests.support.model.deals import due, legs
from tests.support.model.markets import Markets
from tests.support.model.offers import Offers
from tests.support.model.state import Refused
from tests.support.model.structs import MUTUAL, PENDING, REFUNDED, SLASHED, Close, Deal, Key, Signature, TrancheOf


class Settlement(Offers, Markets):
    def slash(self, deal: Deal, tranche: int) -> None:
        if not self._slash(deal, tranche):
            self.refuse_done(deal.id, tranche)

    def slash_batch(self, items: list[TrancheOf]) -> None:
        """Skips what is done."""
        for item in items:
            self._slash(item.deal, item.tranche)

    def refund(self, deal: Deal) -> None:
        if not self._refund(deal):
            self.refuse_done(deal.id, 0)

    def refund_batch(self, deals: list[Deal]) -> None:
        """Skips what is done."""
        for deal in deals:
            self._refund(deal)

    def mutual_close(
        self, deal: Deal, close: Close, buyer_signature: Signature | None, seller_signature: Signature | None
    ) -> None:
        """Both parties split what is locked as they like; one that calls need not sign."""
        state = self.check_open(deal)
        if close.deal != self.names.key(deal):
            raise Refused("DealMismatch", deal.id)
        self.not_after(close.deadline)
        for party, signature in ((deal.buyer, buyer_signature), (deal.seller, seller_signature)):
            if self.caller != party:
                self.require_signature(party, self.names.key(close), signature)
        rest = self.locked(state)
        if close.to_buyer + close.to_seller != rest:
            raise Refused("BadSplit", close.to_buyer, rest)
        self.end(deal, MUTUAL, close.to_buyer, close.to_seller)

    def _slash(self, deal: Deal, tranche: int) -> bool:
        """After the window: the buyer gets what was not delivered for. False when the deal or the tranche is done already."""
        state = self.check(deal)
        if state.outcome != PENDING:
            return False
        terms = self.tranche_terms(deal, tranche)
        if self.is_resolved(state, tranche):
            return False
        self.not_before(terms.start + tranche * terms.period + terms.window + 1)
        payment, collateral = legs(deal, terms, tranche)
        to_buyer = payment + collateral
        done = state.delivered.get(tranche, 0)
        if done:
            whole = due(deal, terms, tranche)
            to_buyer -= payment * done // whole + collateral * done // whole
        closed = self.resolve(deal.id, terms, tranche, SLASHED)
        self.credit(deal.pay_token, deal.buyer, to_buyer)
        self._settled(deal.id, tranche, SLASHED, closed, (to_buyer, 0, 0))
        return True

    def _refund(self, deal: Deal) -> bool:
        """Each side gets its own back. False when the deal is done already."""
        if self.check(deal).outcome != PENDING:
            return False
        self.require_refundable(deal.market)
        self.end(deal, REFUNDED, deal.payment, deal.collateral)
        return True

    def end(self, deal: Deal, outcome: int, to_buyer: int, to_seller: int, fee: int = 0) -> None:
        """Closes the whole deal."""
        self.deals[deal.id] = self.deals[deal.id]._replace(outcome=outcome)
        self.credit(deal.pay_token, deal.buyer, to_buyer)
        self.credit(deal.pay_token, deal.seller, to_seller)
        self.add_fee(deal.pay_token, fee)
        self._settled(deal.id, 0, outcome, True, (to_buyer, to_seller, fee))

    def _settled(self, deal_id: Key, tranche: int, outcome: int, closed: bool, paid: tuple[int, int, int]) -> None:
        to_buyer, to_seller, fee = paid
        self.emit(
            "Settled",
            id=deal_id,
            tranche=tranche,
            outcome=outcome,
            closed=closed,
            to_buyer=to_buyer,
            to_seller=to_seller,
            fee=fee,
        )
