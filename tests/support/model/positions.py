"""A place in a deal changes hands: given away, or sold. Only while the market is OPEN."""

from tests.support.model.markets import require
from tests.support.model.settlement import Settlement
from tests.support.model.state import Refused
from tests.support.model.structs import BUY, SELL, ZERO, Deal, Resale, Signature


def holder(deal: Deal, side: int) -> str:
    require(side in {BUY, SELL}, "BadResale", "side")
    return deal.buyer if side == BUY else deal.seller


class Positions(Settlement):
    def transfer_position(self, deal: Deal, side: int, to: str, ref: str) -> None:
        """The buyer gives his place, with all that is locked for it, to `to`. A seller's is not given: `to` would owe what it
        never agreed to.
        """
        require(side == BUY, "BadResale", "side")
        giver = holder(deal, side)
        self.require_caller(giver)
        moved = self._move(deal, side, to, ref)
        self.emit("Transferred", id=deal.id, from_=giver, to=to, deal=moved, side=side)

    def fill_resale(self, deal: Deal, resale: Resale, signature: Signature | None, taker_ref: str) -> None:
        """The caller takes the lister's place at the listed price. A new seller brings the collateral anew."""
        self.require_entry_open()
        lister, taker = holder(deal, resale.side), self.caller
        require(resale.deal == self.names.key(deal), "BadResale", "deal")
        if resale.taker != ZERO:
            self.require_caller(resale.taker)
        self.not_after(resale.expiry)
        self.require_epoch(lister, resale.epoch)
        key = self.names.key(resale)
        self.require_signature(lister, key, signature)
        if not self.use_nonce(lister, resale.salt):
            raise Refused("OfferConsumed", key)
        moved = self._move(deal, resale.side, taker, taker_ref)

        if resale.side == SELL:
            self.debit(deal.pay_token, taker, deal.collateral)
            self.credit(deal.pay_token, lister, deal.collateral)
        payer, payee = (lister, taker) if resale.lister_pays else (taker, lister)
        self.debit(deal.pay_token, payer, resale.price)
        self.credit(deal.pay_token, payee, resale.price)
        self.emit(
            "Resold",
            id=deal.id,
            from_=lister,
            to=taker,
            deal=moved,
            side=resale.side,
            price=resale.price,
            lister_pays=resale.lister_pays,
            salt=resale.salt,
        )

    def _move(self, deal: Deal, side: int, to: str, ref: str) -> Deal:
        """The deal with another party. Its time grows with each change, so no pre-image ever returns."""
        state = self.check_open(deal)
        self.require_tradable(deal.market, deal.pay_token)
        if to in {ZERO, self.address, deal.buyer, deal.seller}:
            raise Refused("BadReceiver", to)
        opened_at = max(self.now, deal.opened_at + 1)
        if side == BUY:
            moved = deal._replace(buyer=to, buyer_ref=ref, opened_at=opened_at)
        else:
            moved = deal._replace(seller=to, seller_ref=ref, opened_at=opened_at)
        self.deals[deal.id] = state._replace(deal=moved)
        return moved
