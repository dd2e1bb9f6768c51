"""Random calls, one method a function: each answers (caller, arguments), or None when there is nothing to do it to."""

from typing import Any

from tests.support.differential.key_calls import Call, KeyCalls
from tests.support.differential.subjects import Tranche
from tests.support.model.deals import bond
from tests.support.model.state import DealState
from tests.support.model.structs import (
    ATTESTED,
    BPS,
    BUY,
    CANCEL_PROPOSED,
    CLAIMED,
    MAX_WORD,
    ONCHAIN,
    PENDING,
    PROPOSED,
    SELL,
    ZERO,
    Attestation,
    Close,
    Delivery,
    Fill,
    Permit,
    Resale,
    TrancheOf,
)


class Calls(KeyCalls):
    BUNDLED = ("withdraw", "cancel", "bump_epoch", "deposit", "deliver", "slash", "set_auto_deliver", "refund", "fill")

    # ------------------------------------------------------------ funds

    def _amount(self, token: str, user: str) -> int:
        scale = self.scale(token)
        free = self.free(token, user)
        return self.one(1, scale, 50 * scale, free, free // 2, free + 1, self.rng.randrange(1, 100 * scale), 0)

    def deposit(self) -> Call:
        token, to = self.pay_token(), self.one(*[self.person()] * 9, ZERO)
        return self.person(), (token, self._amount(token, to), to)

    def deposit_with_permit(self) -> Call:
        token, caller = self.pay_token(), self.person()
        amount = self._amount(token, caller)
        nonce = self.model.tokens[token].permits.get(caller, 0) if token in self.model.tokens else 0
        signer = self.someone(caller)
        permit = Permit(
            signer if signer != self.world.wallet else self.world.people[0],
            token,
            self.world.address,
            amount,
            nonce + (1 if self.luck(0.1) else 0),
            self.now + self.one(0, 0, 100, 100, -1),
        )
        return caller, (token, amount, self.person(), permit)

    def withdraw(self) -> Call:
        held = [key for key, amount in self.model.balances.items() if amount]
        token, caller = self.any_of(held) if held and self.luck(0.9) else (self.token(), self.person())
        amount = min(self._amount(token, caller), 10**3 * self.scale(token)) if self.luck(0.8) else MAX_WORD
        party = self.any_of(self.disputers()) if self.luck(0.3) else None
        if party:  # whose bond then has to come from the wallet, in whole or in part
            caller, token = party[0], party[1].deal.pay_token
            free = self.free(token, caller)
            amount = self.one(free, free, max(0, free - self.one(1, self.scale(token))))
        return caller, (token, amount, self.one(*[self.person()] * 12, ZERO, self.world.address))

    def multicall(self) -> Call:
        caller, calls = self.person(), []
        if self.luck(0.25):
            found = self.transfer_position()
            if found:  # twice in one second: the pre-image must still be a new one
                caller, (deal, side, to, ref) = found
                party = {"buyer": to, "buyer_ref": ref} if side == BUY else {"seller": to, "seller_ref": ref}
                moved = deal._replace(**party, opened_at=max(self.now, deal.opened_at + 1))
                other = SELL if side == BUY else BUY
                calls = [("transfer_position", deal, side, to, ref)]
                calls.append(("transfer_position", moved, self.one(side, other), self.person(), ref))
        for _ in range(self.one(0, 1, 1, 2) if not calls else 0):
            name = self.one(*self.BUNDLED)
            found = getattr(self, name)()
            if found:
                caller = found[0] if not calls or self.luck(0.2) else caller
                calls.append((name, *found[1]))
        return caller, (calls,)

    # ------------------------------------------------------------ offers

    def fill(self) -> Call:
        found = self.offer()
        if found is None:
            return None
        offer, signature = found
        return self.taker(offer), (offer, signature, self.units(offer), self.word())

    def fill_batch(self) -> Call:
        found = [self.fill() for _ in range(self.one(1, 2, 2, 3))]
        if None in found:
            return None
        if self.luck(0.3):
            found.append(found[0])  # an offer filled twice in one call
        return found[0][0], ([Fill(*arguments) for _caller, arguments in found],)

    def match_offers(self) -> Call:
        found = self.offer(SELL)
        if found is None:
            return None
        sell, sell_signature = found
        buy = self.new_offer(BUY, like=sell)
        if (buy.maker == sell.maker or sell.taker != ZERO) and not self.luck(0.05):
            maker = self.any_of(person for person in self.world.people if person != sell.maker)
            maker = sell.taker if sell.taker != ZERO else maker
            buy = buy._replace(maker=maker, epoch=self.epoch(maker))
        if buy.min_fill == buy.units and sell.min_fill != sell.units:
            buy = buy._replace(min_fill=1)
        buy = buy._replace(taker=self.one(*[ZERO] * 6, sell.maker, self.person()))
        if self.luck(0.03):
            buy = buy._replace(market=self.word(), side=self.one(BUY, SELL))
        if self.luck(0.5):
            self.offers.append((buy, self.signed(buy.maker, buy)))
        return self.person(), (buy, self.signed(buy.maker, buy), sell, sell_signature, self.units(sell))

    def cancel(self) -> Call:
        found = self.offer()
        return found and (self.someone(found[0].maker), (found[0],))

    def invalidate_nonces(self) -> Call:
        return self.person(), (self.one(0, 1, 2**200), self.one(1, 2, 1 << 255, 12))

    def bump_epoch(self) -> Call:
        return self.person(), ()

    # ------------------------------------------------------------ deliveries

    def _delivery(self) -> Delivery | None:
        found = self.tranche_subject(self.deliverable())
        if found is None:
            return None
        state, tranche = found
        missing, token = self.missing(state, tranche)
        rule = self.model.tokens[token].behaviour if token in self.model.tokens else None
        grossed = missing * BPS // (BPS - rule.fee_bps) + 1 if rule and rule.fee_bps < BPS else missing
        amount = self.one(missing, missing, missing, grossed, missing // 2, missing // 3 + 1, 1, 2 * missing, 0)
        return Delivery(self.shown(state.deal), self.luck(0.5), tranche, amount)

    def deliver(self) -> Call:
        delivery = self._delivery()
        return delivery and (self.someone(delivery.deal.seller), (delivery,))

    def deliver_batch(self) -> Call:
        found = [delivery for delivery in (self._delivery() for _ in range(3)) if delivery]
        if not found:
            return None
        seller = found[0].deal.seller
        return seller, ([item for item in found if item.deal.seller == seller or self.luck(0.1)],)

    def set_auto_deliver(self) -> Call:
        ready = [state for state, _tranche in self.deliverable()]
        state = self.subject(ready or self.open_deals(settlement=ONCHAIN))
        if state is None:
            return None
        missing, token = self.missing(state, 0)
        amount = self.one(missing, 2 * missing, MAX_WORD, MAX_WORD, missing // 2, 0)
        token = self.token() if self.luck(0.05) else token
        return self.someone(state.deal.seller), (state.deal.market, token, amount)

    def deliver_for(self) -> Call:
        approved = self.approved()
        if approved and self.luck(0.9):
            (state, tranche), allowed = self.rng.choice(approved)
            most = min(self.missing(state, tranche)[0], allowed)
            amount = self.one(most, most, most // 2 + 1, 1, most + 1)
            return self.person(), (Delivery(self.shown(state.deal), self.luck(0.5), tranche, amount),)
        delivery = self._delivery()
        return delivery and (self.person(), (delivery,))

    def approved(self) -> list[tuple[Tranche, int]]:
        """Tranches that anyone may deliver now, with what is left of the seller's approval."""
        found = []
        for state, tranche in self.deliverable():
            key = (state.deal.seller, state.deal.market, self.missing(state, tranche)[1])
            if self.model.auto_deliver.get(key):
                found.append(((state, tranche), self.model.auto_deliver[key]))
        return found

    # ------------------------------------------------------------ ends without a delivery

    def slash(self) -> Call:
        found = self.tranche_subject(self.slashable() or self.deliverable())
        return found and (self.person(), (self.shown(found[0].deal), found[1]))

    def slash_batch(self) -> Call:
        found = [pair for pair in (self.tranche_subject(self.slashable()) for _ in range(3)) if pair]
        items = [TrancheOf(self.shown(state.deal), tranche) for state, tranche in found]
        return (self.person(), (items,)) if items else None

    def _refundable(self) -> list:
        return self.deals(
            lambda state, market: (
                state.outcome == PENDING
                and market.status != PROPOSED
                and (market.status > CANCEL_PROPOSED or self.now > market.terms.long_stop)
            )
        )

    def refund(self) -> Call:
        state = self.subject(self._refundable())
        return state and (self.person(), (self.shown(state.deal),))

    def refund_batch(self) -> Call:
        found = [state for state in (self.subject(self._refundable()) for _ in range(3)) if state]
        return (self.person(), ([self.shown(state.deal) for state in found],)) if found else None

    def mutual_close(self) -> Call:
        progressed = [state for state in self.open_deals() if state.touched]
        state = self.subject(progressed if progressed and self.luck(0.6) else self.open_deals())
        if state is None:
            return None
        deal, rest = state.deal, self.model.locked(state)
        to_buyer = self.one(0, rest, rest // 2, rest // 3, rest // 5, rest + 1)
        close = Close(
            self.model.names.key(deal if not self.luck(0.03) else self.shown(deal)),
            to_buyer,
            max(0, rest - to_buyer) + (1 if self.luck(0.05) else 0),
            self.now + self.one(0, 100, 100, 100, 100, -1),
        )
        buyer, seller = self.signed(deal.buyer, close), self.signed(deal.seller, close)
        caller = self.one(deal.buyer, deal.seller, self.person())
        if caller == deal.buyer and self.luck(0.5):
            buyer = None
        return caller, (self.shown(deal), close, buyer, seller)

    # ------------------------------------------------------------ positions

    def transfer_position(self) -> Call:
        state = self.subject(self.movable())
        if state is None:
            return None
        deal, side = state.deal, self.one(*[BUY] * 12, SELL, 2)
        self.stale.append(deal)
        to = self.one(*[self.person()] * 12, ZERO, self.world.address)
        return self.someone(deal.buyer if side == BUY else deal.seller), (self.shown(deal), side, to, self.word())

    def fill_resale(self) -> Call:
        if self.resales and self.luck(0.2):
            deal, resale, signature = self.rng.choice(self.resales)
            return self.person(), (deal, resale, signature, self.word())
        state = self.subject(self.movable())
        if state is None:
            return None
        deal = state.deal
        side = self.one(*[BUY, SELL] * 12, 2)
        lister = deal.buyer if side == BUY else deal.seller
        caller = self.any_of(person for person in self.world.people if person not in deal or self.luck(0.02))
        resale = Resale(
            deal=self.model.names.key(deal),
            side=side,
            price=self.one(0, 1, deal.payment // 2, deal.payment, 10**12 * self.scale(deal.pay_token)),
            lister_pays=self.luck(0.3),
            taker=self.one(*[ZERO] * 6, caller, self.person()),
            expiry=self.now + self.one(0, 50, 50, 10**6, 10**6, 10**6, 10**6, -1),
            epoch=self.epoch(lister),
            salt=self.salt(),
        )
        self.resales.append((deal, resale, self.signed(lister, resale)))
        self.stale.append(deal)
        return caller, (self.shown(deal), resale, self.resales[-1][2], self.word())

    # ------------------------------------------------------------ ATTESTED markets

    def _attested(self, *phases: int):
        """Deals by the phase of their claim (0: none)."""
        wanted = [s for s in self.open_deals(settlement=ATTESTED) if (s.claim.phase if s.claim else 0) in phases]
        state = self.subject(wanted)
        return state and (state, self.model.markets[state.deal.market])

    def attestable(self) -> list:
        """Deals without a claim whose window is open, give or take two seconds."""
        running = [state for state, _tranche in self.tranches(lambda opens, last: opens - 2 <= self.now <= last + 2)]
        return [state for state in running if self.model.is_attested(state.deal.market)]

    def attest(self) -> Call:
        state = self.subject(self.attestable())
        if state is None:
            return None
        deal, market = state.deal, self.model.markets[state.deal.market]
        half = max(1, deal.units // 2)
        units = self.one(*[deal.units] * 5, *[1, half] * 3, 0, deal.units + 1)
        valid_until = self.now + self.one(0, *[100] * 9, -1)
        attestation = Attestation(self.model.names.key(self.shown(deal)), units, self.word(), valid_until)
        caller = self.one(market.terms.attestor, self.person())
        signature = self.signed(market.terms.attestor, attestation) if market.terms.attestor != ZERO else None
        return self.someone(caller), (self.shown(deal), self.terms(market), attestation, signature)

    def disputers(self) -> list[tuple[str, DealState]]:
        """Who may dispute which deal now."""
        claimed = [s for s in self.open_deals(settlement=ATTESTED) if s.claim and s.claim.phase == CLAIMED]
        found = [(party, s) for s in claimed if self.now <= s.claim.until for party in (s.deal.buyer, s.deal.seller)]
        return found + [(s.deal.seller, s) for s in self.attestable() if s.claim is None]

    def poor_disputers(self) -> list[tuple[str, DealState]]:
        """Those whose bond has to come from the wallet, in whole or in part."""

        def wanted(state: DealState) -> int:
            return state.deal.payment * self.model.markets[state.deal.market].terms.bond_bps // BPS

        return [(who, s) for who, s in self.disputers() if self.free(s.deal.pay_token, who) < wanted(s)]

    def dispute(self) -> Call:
        poor = self.any_of(self.poor_disputers()) if self.luck(0.6) else None
        if poor:
            party, state = poor
        else:
            silent = [state for state in self.attestable() if state.claim is None] if self.luck(0.4) else []
            found = (self.any_of(silent), None) if silent else self._attested(CLAIMED)
            if found is None:
                return None
            state = found[0]
            party = state.deal.seller if state.claim is None else self.one(state.deal.buyer, state.deal.seller)
        market = self.model.markets[state.deal.market]
        return self.someone(party), (self.shown(state.deal), self.terms(market), self.word())

    def finalize(self) -> Call:
        found = self._attested(CLAIMED)
        return found and (self.person(), (self.shown(found[0].deal),))

    def _by_arbitrator(self, *more: Any) -> Call:
        found = self._attested(2, 3)
        if found is None:
            return None
        state, market = found
        return self.someone(market.terms.arbitrator), (self.shown(state.deal), self.terms(market), *more)

    def rule(self) -> Call:
        call = self._by_arbitrator()
        if call is None:
            return None
        caller, (deal, terms) = call
        state = self.model.deals.get(deal.id)
        pot = deal.payment + deal.collateral + (bond(state) if state else 0)
        return caller, (deal, terms, self.one(0, pot, pot // 2, pot // 3, pot + 1))

    def appeal(self) -> Call:
        return self._by_arbitrator()

    def rule_timeout(self) -> Call:
        found = self._attested(2, 3)
        return found and (self.person(), (self.shown(found[0].deal),))
