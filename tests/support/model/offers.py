"""Offers: signed intentions, consumed in one place, opened as deals (docs/protocol.md, Offers)."""

from tests.support.model.deals import Deals
from tests.support.model.markets import Markets, require
from tests.support.model.state import DealState, Refused
from tests.support.model.structs import AMOUNT_LIMIT, BUY, MAX_WORD, SELL, ZERO, Deal, Fill, Key, Offer, Signature


def leg(total: int, before: int, units: int, whole: int) -> int:
    """A fill's share of `total`: a difference of cumulative floors, so that all fills sum to what was signed."""
    return total * (before + units) // whole - total * before // whole


def midpoint(asked: int, most: int, what: str) -> int:
    """Half-way, rounded down, between what one side asks and the most that the other gives."""
    require(asked <= most, "NoMatch", what)
    return (asked + most) // 2


class Offers(Markets, Deals):
    def fill(self, offer: Offer, signature: Signature | None, units: int, taker_ref: str) -> None:
        """The caller takes `units` of the offer."""
        self.require_entry_open()
        self._fill(Fill(offer, signature, units, taker_ref))

    def fill_batch(self, fills: list[Fill]) -> None:
        """All or none."""
        self.require_entry_open()
        for item in fills:
            self._fill(item)

    def _fill(self, item: Fill) -> None:
        offer, units = item.offer, item.units
        if offer.taker != ZERO:
            self.require_caller(offer.taker)
        require(offer.side in {BUY, SELL}, "BadOffer", "side")
        before = self._consume(offer, item.signature, units)
        maker_buys = offer.side == BUY
        key = self.names.key(offer)
        deal = Deal(
            id=self.names.deal_id(key, before),
            market=offer.market,
            buyer=offer.maker if maker_buys else self.caller,
            seller=self.caller if maker_buys else offer.maker,
            pay_token=offer.pay_token,
            units=units,
            payment=leg(offer.payment, before, units, offer.units),
            collateral=leg(offer.collateral, before, units, offer.units),
            fee_bps=self.config["fee_bps"],
            buyer_ref=offer.ref if maker_buys else item.taker_ref,
            seller_ref=item.taker_ref if maker_buys else offer.ref,
            opened_at=self.now,
        )
        self._open(deal, key, offer.side, before + units)

    def match_offers(
        self,
        buy: Offer,
        buy_signature: Signature | None,
        sell: Offer,
        sell_signature: Signature | None,
        units: int,
    ) -> None:
        """By anyone: a deal between two makers, half-way between their limits."""
        self.require_entry_open()
        require(buy.side == BUY and sell.side == SELL, "BadOffer", "side")
        require(buy.market == sell.market, "NoMatch", "market")
        for named, partner in ((buy.taker, sell.maker), (sell.taker, buy.maker)):
            if named not in {ZERO, partner}:
                raise Refused("NotAllowed", partner, named)
        buy_before = self._consume(buy, buy_signature, units)
        sell_before = self._consume(sell, sell_signature, units)
        paying, asking = (leg(o.payment, b, units, o.units) for o, b in ((buy, buy_before), (sell, sell_before)))
        wanted, backing = (leg(o.collateral, b, units, o.units) for o, b in ((buy, buy_before), (sell, sell_before)))
        buy_key, sell_key = self.names.key(buy), self.names.key(sell)
        deal = Deal(
            id=self.names.deal_id(sell_key, sell_before),
            market=buy.market,
            buyer=buy.maker,
            seller=sell.maker,
            pay_token=buy.pay_token,
            units=units,
            payment=midpoint(asking, paying, "payment"),
            collateral=midpoint(wanted, backing, "collateral"),
            fee_bps=self.config["fee_bps"],
            buyer_ref=buy.ref,
            seller_ref=sell.ref,
            opened_at=self.now,
        )
        self._open(deal, sell_key, SELL, sell_before + units)
        self.emit("Matched", buy_hash=buy_key, sell_hash=sell_key, id=deal.id, buy_filled=buy_before + units)

    def cancel(self, offer: Offer) -> None:
        """Uses the offer up; nothing if it was used up before."""
        self.require_caller(offer.maker)
        key = self.names.key(offer)
        if offer.min_fill == offer.units:
            if not self.use_nonce(self.caller, offer.salt):
                return
        else:
            if self.filled.get(key, 0) >= offer.units:
                return
            self.filled[key] = MAX_WORD
        self.emit("OfferCancelled", offer_hash=key, maker=self.caller)

    def invalidate_nonces(self, word: int, mask: int) -> None:
        self.nonces[self.caller, word] = self.nonces.get((self.caller, word), 0) | mask
        self.emit("NoncesInvalidated", maker=self.caller, word=word, mask=mask)

    def bump_epoch(self) -> None:
        epoch = self.epochs[self.caller] = self.epochs.get(self.caller, 0) + 1
        self.emit("EpochBumped", maker=self.caller, epoch=epoch)

    # ------------------------------------------------------------ the one path

    def _consume(self, offer: Offer, signature: Signature | None, units: int) -> int:
        """Every entry point uses an offer up here and nowhere else. Returns the units that were filled before."""
        self.not_after(offer.expiry)
        fee = self.config["fee_bps"]
        if fee > offer.max_fee_bps:
            raise Refused("FeeTooHigh", fee, offer.max_fee_bps)
        total = offer.units
        require(max(total, offer.payment, offer.collateral) < AMOUNT_LIMIT, "BadOffer", "amount")
        require(0 < offer.min_fill <= total, "BadOffer", "minFill")
        self.require_tradable(offer.market, offer.pay_token)
        self.require_epoch(offer.maker, offer.epoch)
        key = self.names.key(offer)
        self.require_signature(offer.maker, key, signature)

        if offer.min_fill == total:  # all or none
            if units != total:
                raise Refused("BadFill", units, total, total)
            if not self.use_nonce(offer.maker, offer.salt):
                raise Refused("OfferConsumed", key)
            return 0
        before = self.filled.get(key, 0)
        if before >= total:
            raise Refused("OfferConsumed", key)
        left = total - before
        minimum = min(offer.min_fill, left)  # the last fill may be smaller
        if not minimum <= units <= left:
            raise Refused("BadFill", units, minimum, left)
        self.filled[key] = before + units
        return before

    def _open(self, deal: Deal, offer: Key, maker_side: int, filled: int) -> None:
        """Locks both sides."""
        if deal.buyer == deal.seller:
            raise Refused("SelfTrade", deal.buyer)
        require(deal.payment > 0, "BadOffer", "payment")
        self.debit(deal.pay_token, deal.buyer, deal.payment)
        self.debit(deal.pay_token, deal.seller, deal.collateral)
        self.deals[deal.id] = DealState(deal)
        self.emit(
            "Filled",
            offer_hash=offer,
            buyer=deal.buyer,
            seller=deal.seller,
            deal=deal,
            maker_side=maker_side,
            filled=filled,
        )
