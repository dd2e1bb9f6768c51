"""What the fake escrow does beyond fills and tokens: matches, changes of hands, attested deliveries, standing approvals."""

from dataclasses import replace

from escrow.contracts import bindings
from escrow.domain import payouts

SALT_WORDS = range(5, 8)
BOND_BPS = 500


def word(value: int) -> str:
    return f"0x{value:064x}"


class WholeProtocol:
    """Steps of `FakeEscrow`: each draws an action that the contract would accept, applies it, and returns its events."""

    def _chosen(self, accepts):
        """An open deal whose market is registered as the fake knows it, and of which `accepts` is true."""
        state = self.state
        found = [
            deal
            for deal in state.deals.values()
            if not deal.outcome and accepts(deal, state.markets[deal.struct.market])
        ]
        return self.rng.choice(found) if found else None

    def _pay(self, deal, outcome, to_buyer, to_seller, fee=0):
        """Ends the deal."""
        struct, deal.outcome = deal.struct, outcome
        self.state.credit(struct.pay_token, struct.buyer, to_buyer)
        self.state.credit(struct.pay_token, struct.seller, to_seller)
        self.state.fees[struct.pay_token] = self.state.fees.get(struct.pay_token, 0) + fee
        deal.locked -= to_buyer + to_seller + fee
        assert deal.locked == 0
        return [
            bindings.Settled(
                id=struct.id, tranche=0, outcome=outcome, closed=True, to_buyer=to_buyer, to_seller=to_seller, fee=fee
            )
        ]

    # ------------------------------------------------------------ offers

    def match(self):
        state = self.state
        pairs = [
            (buy, sell)
            for buy in self.offers
            for sell in self.offers
            if (buy.side, sell.side, buy.market) == (0, 1, sell.market) and buy.maker != sell.maker
            if state.markets[buy.market].status == 1 and self._units(buy, sell)
        ]
        if not pairs:
            return []
        buy, sell = self.rng.choice(pairs)
        units = self._units(buy, sell)
        payment, collateral = self.rng.randint(1, 10**4), self.rng.randint(0, 10**3)
        if state.free(buy.token, buy.maker) < payment or state.free(buy.token, sell.maker) < collateral:
            return []
        before = state.filled.get(sell.hash, 0)
        filled = self._opened(sell, before, units, payment, collateral, buyer=buy.maker, seller=sell.maker)
        state.filled[buy.hash] = state.filled.get(buy.hash, 0) + units
        state.deals[filled.deal.id].matched = buy.hash
        return [
            filled,
            bindings.Matched(
                buy_hash=buy.hash, sell_hash=sell.hash, id=filled.deal.id, buy_filled=state.filled[buy.hash]
            ),
        ]

    def _units(self, *offers):
        """The most that both can fill; 0 when one is used up or wants all or none."""
        units = min(offer.units - self.state.filled.get(offer.hash, 0) for offer in offers)
        fits = all(offer.min_fill < offer.units or units == offer.units for offer in offers)
        return units if fits and not {offer.hash for offer in offers} & self.state.cancelled else 0

    # ------------------------------------------------------------ places

    def _moved(self, deal, side, to, price):
        """Puts `to` into the place; returns who had it."""
        struct, ref = deal.struct, word(self.rng.randrange(1, 1_000))
        holder = struct.buyer if side == 0 else struct.seller
        changes = {"buyer": to, "buyer_ref": ref} if side == 0 else {"seller": to, "seller_ref": ref}
        deal.struct = replace(struct, **changes, opened_at=struct.opened_at + self.rng.randint(1, 9))
        deal.hands.append((side, holder, to, price))
        return holder

    def _newcomer(self, deal):
        return self.rng.choice([user for user in self.users if user not in {deal.struct.buyer, deal.struct.seller}])

    def give_away(self):
        deal = self._chosen(lambda _deal, market: market.status == 1)
        if deal is None:
            return []
        to = self._newcomer(deal)
        holder = self._moved(deal, 0, to, None)
        return [bindings.Transferred(id=deal.struct.id, from_=holder, to=to, deal=deal.struct, side=0)]

    def resell(self):
        deal = self._chosen(lambda _deal, market: market.status == 1)
        if deal is None:
            return []
        state, side, token = self.state, self.rng.randrange(2), deal.struct.pay_token
        to, price, lister_pays = self._newcomer(deal), self.rng.randint(0, 5_000), self.rng.random() < 0.4
        holder = deal.struct.buyer if side == 0 else deal.struct.seller
        collateral = deal.struct.collateral if side == 1 else 0
        needs = payouts.resale_needs(side=side, collateral=deal.struct.collateral, price=price, lister_pays=lister_pays)
        if state.free(token, holder) < needs[0] or state.free(token, to) < needs[1]:
            return []
        state.credit(token, to, -collateral)
        state.credit(token, holder, collateral)
        payer, payee = (holder, to) if lister_pays else (to, holder)
        state.credit(token, payer, -price)
        state.credit(token, payee, price)
        number, bit = self.rng.choice(SALT_WORDS), self.rng.randrange(256)
        state.nonces[holder, number] = state.nonces.get((holder, number), 0) | 1 << bit
        self._moved(deal, side, to, price)
        return [
            bindings.Resold(
                id=deal.struct.id,
                from_=holder,
                to=to,
                deal=deal.struct,
                side=side,
                price=price,
                lister_pays=lister_pays,
                salt=number * 256 + bit,
            )
        ]

    def approve(self):
        key = self.rng.choice(self.users[:3]), self.rng.choice(sorted(self.state.markets)), self.settlement_token
        self.state.approvals[key] = amount = self.rng.choice([0, self.rng.randint(1, 10**9)])
        return [bindings.AutoDeliverSet(seller=key[0], market=key[1], token=key[2], amount=amount)]

    # ------------------------------------------------------------ attested deals

    def attest(self):
        deal = self._chosen(lambda deal, market: market.attested and market.final and deal.phase == 0)
        if deal is None:
            return []
        all_units = deal.struct.units
        units = self.rng.choice([all_units, self.rng.randint(1, all_units)])
        deal.phase, deal.until, deal.attested, deal.evidence = 1, self.rng.randint(10**6, 10**7), units, word(7)
        return [bindings.Attested(id=deal.struct.id, units=units, evidence=word(7), until=deal.until)]

    def dispute(self):
        deal = self._chosen(lambda deal, market: market.attested and market.final and deal.phase < 2)
        if deal is None:
            return []
        by_seller = deal.phase == 0 or (deal.attested < deal.struct.units and self.rng.random() < 0.5)
        by = deal.struct.seller if by_seller else deal.struct.buyer
        bond = payouts.bond_for(deal.struct.payment, BOND_BPS)
        if self.state.free(deal.struct.pay_token, by) < bond:
            return []
        self.state.credit(deal.struct.pay_token, by, -bond)
        deal.locked += bond
        deal.phase, deal.until, deal.by, deal.bond = 3 if by_seller else 2, self.rng.randint(10**7, 10**8), by, bond
        return [bindings.Disputed(id=deal.struct.id, by=by, bond=bond, evidence=word(8), until=deal.until)]

    def appeal(self):
        deal = self._chosen(lambda deal, _market: deal.phase > 1 and deal.appeals < 3)
        if deal is None:
            return []
        deal.appeals, deal.until = deal.appeals + 1, deal.until + 1_000
        return [bindings.Appealed(id=deal.struct.id, until=deal.until)]

    def end_attested(self):
        deal = self._chosen(lambda deal, _market: deal.phase > 0)
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
            deal.resolved[0] = 1 if deal.attested == struct.units else 2
            return self._pay(deal, deal.resolved[0], paid.to_buyer, paid.to_seller, paid.fee)
        if self.rng.random() < 0.5:
            to_seller = self.rng.randint(0, deal.locked)
            return self._pay(deal, 5, deal.locked - to_seller, to_seller)
        paid = payouts.timeout_payout(
            payment=struct.payment, collateral=struct.collateral, bond=deal.bond, disputed_by=deal.phase - 2
        )
        return self._pay(deal, 6, paid.to_buyer, paid.to_seller)

    def close_by_both(self):
        deal = self._chosen(lambda _deal, _market: self.rng.random() < 0.1)
        if deal is None:
            return []
        to_buyer = self.rng.randint(0, deal.locked)
        return self._pay(deal, 4, to_buyer, deal.locked - to_buyer)
