"""What the fake escrow does beyond fills and tokens: matches, changes of hands, attested deliveries, standing approvals."""

from collections.abc import Callable
from dataclasses import replace

from escrow.contracts import bindings
from escrow.domain import payouts
from tests.sim.facts import DealFacts

SALT_WORDS = range(5, 8)
BOND_BPS = 500


def word(value: int) -> str:
    return f"0x{value:064x}"


class WholeProtocol:
    """Steps of `FakeEscrow`: each draws an action that the contract would accept, applies it, and returns its events."""

    def chosen(self, accepts: Callable[[DealFacts], bool]) -> DealFacts | None:
        """An open deal of which `accepts` is true."""
        values = self.facts.values
        found = [deal for each in self.facts.open if accepts(deal := values["deal", each])]
        return self.rng.choice(found) if found else None

    def pay(self, deal: DealFacts, outcome: int, to_buyer: int, to_seller: int, fee: int = 0) -> list[bindings.Event]:
        """Ends the deal."""
        struct = deal.struct
        self.credit(struct.pay_token, struct.buyer, to_buyer)
        self.credit(struct.pay_token, struct.seller, to_seller)
        self.facts.add(("fees", struct.pay_token), fee)
        assert deal.locked == to_buyer + to_seller + fee
        self.put(deal._replace(outcome=outcome, locked=0))
        return [
            bindings.Settled(
                id=struct.id, tranche=0, outcome=outcome, closed=True, to_buyer=to_buyer, to_seller=to_seller, fee=fee
            )
        ]

    # ------------------------------------------------------------ offers

    def match(self):
        if not self.buys or not self.sells:
            return []
        buy, sell = self.rng.choice(self.buys), self.rng.choice(self.sells)
        if buy.market != sell.market or buy.maker == sell.maker or self.market(buy.market).status != 1:
            return []
        units = self._units(buy, sell)
        if not units:
            return []
        payment, collateral = self.rng.randint(1, 10**4), self.rng.randint(0, 10**3)
        if self.free(buy.token, buy.maker) < payment or self.free(buy.token, sell.maker) < collateral:
            return []
        before = self.facts.get("filled", sell.hash)
        filled = self.opened(sell, before, units, payment, collateral, buyer=buy.maker, seller=sell.maker)
        self.facts.add(("filled", buy.hash), units)
        self.put(self.facts.get("deal", filled.deal.id)._replace(matched=buy.hash))
        buy_filled = self.facts.get("filled", buy.hash)
        return [
            filled,
            bindings.Matched(buy_hash=buy.hash, sell_hash=sell.hash, id=filled.deal.id, buy_filled=buy_filled),
        ]

    def _units(self, *offers):
        """The most that both can fill; 0 when one is used up or wants all or none."""
        units = min(offer.units - self.facts.get("filled", offer.hash) for offer in offers)
        fits = all(offer.min_fill < offer.units or units == offer.units for offer in offers)
        return units if fits and not any(self.facts.get("cancelled", offer.hash) for offer in offers) else 0

    # ------------------------------------------------------------ places

    def _moved(self, deal: DealFacts, side: int, to: str, price: int | None) -> bindings.Deal:
        """Puts `to` into the place; returns the new pre-image."""
        struct, ref = deal.struct, word(self.rng.randrange(1, 1_000))
        holder = struct.buyer if side == 0 else struct.seller
        changes = {"buyer": to, "buyer_ref": ref} if side == 0 else {"seller": to, "seller_ref": ref}
        struct = replace(struct, **changes, opened_at=struct.opened_at + self.rng.randint(1, 9))
        self.put(deal._replace(struct=struct, hands=(*deal.hands, (side, holder, to, price))))
        return struct

    def _newcomer(self, deal: DealFacts) -> str:
        return self.rng.choice([user for user in self.users if user not in {deal.struct.buyer, deal.struct.seller}])

    def _of_open_market(self) -> DealFacts | None:
        return self.chosen(lambda deal: self.market(deal.struct.market).status == 1)

    def give_away(self):
        deal = self._of_open_market()
        if deal is None:
            return []
        to = self._newcomer(deal)
        struct = self._moved(deal, 0, to, None)
        return [bindings.Transferred(id=struct.id, from_=deal.struct.buyer, to=to, deal=struct, side=0)]

    def resell(self):
        deal = self._of_open_market()
        if deal is None:
            return []
        side, token = self.rng.randrange(2), deal.struct.pay_token
        to, price, lister_pays = self._newcomer(deal), self.rng.randint(0, 5_000), self.rng.random() < 0.4
        holder = deal.struct.buyer if side == 0 else deal.struct.seller
        collateral = deal.struct.collateral if side == 1 else 0
        needs = payouts.resale_needs(side=side, collateral=deal.struct.collateral, price=price, lister_pays=lister_pays)
        if self.free(token, holder) < needs[0] or self.free(token, to) < needs[1]:
            return []
        self.credit(token, to, -collateral)
        self.credit(token, holder, collateral)
        payer, payee = (holder, to) if lister_pays else (to, holder)
        self.credit(token, payer, -price)
        self.credit(token, payee, price)
        number, bit = self.rng.choice(SALT_WORDS), self.rng.randrange(256)
        self.facts.put(("nonces", holder, number), self.facts.get("nonces", holder, number) | 1 << bit)
        struct = self._moved(deal, side, to, price)
        return [
            bindings.Resold(
                id=struct.id,
                from_=holder,
                to=to,
                deal=struct,
                side=side,
                price=price,
                lister_pays=lister_pays,
                salt=number * 256 + bit,
            )
        ]

    def approve(self):
        if not self.market_ids:
            return []
        seller, market = self.rng.choice(self.users[:3]), self.rng.choice(self.market_ids)
        amount = self.rng.choice([0, self.rng.randint(1, 10**9)])
        self.facts.put(("approved", seller, market, self.settlement_token), amount)
        return [bindings.AutoDeliverSet(seller=seller, market=market, token=self.settlement_token, amount=amount)]

    # ------------------------------------------------------------ attested deals

    def _of_final_attested(self, accepts: Callable[[DealFacts], bool]) -> DealFacts | None:
        return self.chosen(
            lambda deal: deal.struct.market in self.attested and accepts(deal) and self.is_final(deal.struct.market)
        )

    def attest(self):
        deal = self._of_final_attested(lambda deal: deal.phase == 0)
        if deal is None:
            return []
        all_units = deal.struct.units
        units, until = self.rng.choice([all_units, self.rng.randint(1, all_units)]), self.rng.randint(10**6, 10**7)
        self.put(deal._replace(phase=1, until=until, attested=units, evidence=word(7)))
        return [bindings.Attested(id=deal.struct.id, units=units, evidence=word(7), until=until)]

    def dispute(self):
        deal = self._of_final_attested(lambda deal: deal.phase < 2)
        if deal is None:
            return []
        by_seller = deal.phase == 0 or (deal.attested < deal.struct.units and self.rng.random() < 0.5)
        by, until = deal.struct.seller if by_seller else deal.struct.buyer, self.rng.randint(10**7, 10**8)
        bond = payouts.bond_for(deal.struct.payment, BOND_BPS)
        if self.free(deal.struct.pay_token, by) < bond:
            return []
        self.credit(deal.struct.pay_token, by, -bond)
        phase = 3 if by_seller else 2
        self.put(deal._replace(phase=phase, until=until, by=by, bond=bond, locked=deal.locked + bond))
        return [bindings.Disputed(id=deal.struct.id, by=by, bond=bond, evidence=word(8), until=until)]

    def appeal(self):
        deal = self.chosen(lambda deal: deal.phase > 1 and deal.appeals < 3)
        if deal is None:
            return []
        self.put(deal._replace(appeals=deal.appeals + 1, until=deal.until + 1_000))
        return [bindings.Appealed(id=deal.struct.id, until=deal.until + 1_000)]

    def end_attested(self):
        deal = self.chosen(lambda deal: deal.phase > 0)
        if deal is None:
            return []
        struct = deal.struct
        if deal.phase == 1:
            paid = payouts.finalize_payout(
                payment=struct.payment,
                collateral=struct.collateral,
                fee_bps=struct.fee_bps,
                attested=deal.attested,
                units=struct.units,
            )
            outcome = 1 if deal.attested == struct.units else 2
            return self.pay(
                deal._replace(tranches=((0, 0, outcome),)), outcome, paid.to_buyer, paid.to_seller, paid.fee
            )
        if self.rng.random() < 0.5:
            to_seller = self.rng.randint(0, deal.locked)
            return self.pay(deal, 5, deal.locked - to_seller, to_seller)
        paid = payouts.timeout_payout(
            payment=struct.payment, collateral=struct.collateral, bond=deal.bond, disputed_by=deal.phase - 2
        )
        return self.pay(deal, 6, paid.to_buyer, paid.to_seller)

    def close_by_both(self):
        if self.rng.random() < 0.9:
            return []
        deal = self.chosen(lambda _deal: True)
        if deal is None:
            return []
        to_buyer = self.rng.randint(0, deal.locked)
        return self.pay(deal, 4, to_buyer, deal.locked - to_buyer)
