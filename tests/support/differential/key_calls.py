"""Random calls of the keys of markets and of the owner. Each answers (caller, arguments), or None when there is nothing to do."""

from typing import Any

from tests.support.differential.subjects import Subjects
from tests.support.model.structs import (
    ATTESTED,
    BPS,
    CANCEL_PROPOSED,
    DAY,
    ONCHAIN,
    OPEN,
    PROPOSED,
    ZERO,
    MarketTerms,
    SettlementTerms,
)

Call = tuple[str, tuple[Any, ...]] | None


class KeyCalls(Subjects):
    # ------------------------------------------------------------ markets

    def create_market(self) -> Call:
        if len(self.trading()) > 2 and self.luck(0.85):
            return None
        resolver, guardian = self.rng.sample(self.world.people, 2)
        attestor, arbitrator = self.rng.sample(self.world.people, 2)
        attested = self.luck(0.5)
        cap = self.one((0, 0), (0, 0), (10**8, 1), (2**128 - 1, 1), (3, 2))
        terms = MarketTerms(
            resolver=resolver,
            guardian=guardian,
            attestor=attestor if attested else ZERO,
            arbitrator=arbitrator if attested else ZERO,
            pay_token=self.pay_token(),
            kind=self.one(0, 1, 2, 3),
            settlement=ATTESTED if attested else ONCHAIN,
            objection=DAY + self.one(0, 60),
            min_window=DAY,
            max_window=self.one(DAY, 2 * DAY, 5 * DAY),
            challenge=DAY if attested else 0,
            arbitration_window=self.one(DAY, 2 * DAY) if attested else 0,
            bond_bps=self.one(0, 333, 1000, BPS) if attested else 0,
            long_stop=self.now + self.one(4, 8, 12, 20, 30) * DAY,
            max_ratio_num=cap[0],
            max_ratio_den=cap[1],
            rules_hash=self.word(),
        )
        if self.luck(0.15):
            terms = self._spoilt_terms(terms)
        elif self.luck(0.05) and self.markets():
            terms = self.any_of(self.markets()).terms
        return self.person(), (terms,)

    def _spoilt_terms(self, terms: MarketTerms) -> MarketTerms:
        field, value = self.one(
            ("resolver", ZERO),
            ("guardian", terms.resolver),
            ("kind", 4),
            ("settlement", 2),
            ("attestor", terms.arbitrator),
            ("arbitrator", self.one(ZERO, terms.resolver)),
            ("challenge", self.one(1, DAY - 1, 30 * DAY + 1)),
            ("arbitration_window", self.one(1, DAY - 1, 90 * DAY + 1)),
            ("bond_bps", BPS + 1),
            ("objection", self.one(DAY - 1, 30 * DAY + 1)),
            ("min_window", self.one(DAY - 1, terms.max_window + 1)),
            ("max_window", self.one(DAY - 1, 365 * DAY + 1)),
            ("long_stop", self.one(self.now, self.now + 3650 * DAY, self.now + 3650 * DAY + 1)),
            ("max_ratio_num", 0 if terms.max_ratio_num else 1),
        )
        return terms._replace(**{field: value})

    def propose(self) -> Call:
        market = self.market(OPEN)
        busy = {state.deal.market for state in self.open_deals(status=OPEN)}
        if market is None or (self.model.names.key(market.terms) not in busy and self.luck(0.7)):
            return None
        terms = market.terms
        tranches = 1 if terms.settlement == ATTESTED else self.one(1, 1, 2, 2, 3, 5, self.one(4, 64))
        vested = tranches > 1
        token = ZERO if terms.settlement == ATTESTED else self.one(*self.world.tokens[2:] * 3, *self.world.tokens)
        settlement = SettlementTerms(
            token=self.world.address if token != ZERO and self.luck(0.03) else token,
            ratio_num=self.one(1, 3, 10**8, self.scale(token)),
            ratio_den=self.one(1, 1, 2, 10**6),
            start=min(self.now + terms.objection + self.one(0, 1, 100), terms.long_stop + self.one(0, 0, 1)),
            window=self.one(terms.min_window, terms.max_window),
            tge_bps=self.one(1, 1000, 3333, 9999) if vested else BPS,
            tranches=tranches,
            period=self.one(1, 3600, DAY, 3 * DAY) if vested else 0,
        )
        if self.luck(0.1):
            field, value = self.one(
                ("token", self.one(ZERO, self.world.people[0], self.world.tokens[0])),
                ("ratio_num", self.one(0, 2**128 - 1)),
                ("ratio_den", 0),
                ("start", self.one(self.now + terms.objection - 1, terms.long_stop + 1)),
                ("window", self.one(terms.min_window - 1, terms.max_window + 1)),
                ("tge_bps", self.one(0, BPS)),
                ("tranches", self.one(0, 2, 65)),
                ("period", self.one(0, 1, 2**32 - 1)),
            )
            settlement = settlement._replace(**{field: value})
        return self.someone(terms.resolver), (self.terms(market), settlement)

    def _by(self, party: str, status: int, *more: Any) -> Call:
        market = self.market(status)
        return market and (self.someone(getattr(market.terms, party)), (self.terms(market), *more))

    def veto(self) -> Call:
        return self._by("guardian", PROPOSED)

    def extend(self) -> Call:
        return self._by("resolver", PROPOSED, self.one(1, 3600, 172_800, 172_800, 0, 172_801))

    def propose_cancel(self) -> Call:
        return self._by("resolver", OPEN)

    def withdraw_cancel(self) -> Call:
        return self._by("resolver", CANCEL_PROPOSED)

    def confirm_cancel(self) -> Call:
        return self._by("guardian", CANCEL_PROPOSED)

    # ------------------------------------------------------------ owner

    def _owner(self, *arguments: Any) -> Call:
        return self.someone(self.model.config["owner"]), arguments

    def set_fee(self) -> Call:
        return self._owner(self.one(0, 1, 30, 100, 200, 200, 201))

    def set_pay_token(self) -> Call:
        token = self.one(*self.world.tokens[:2] * 4, *self.world.tokens, self.world.address, self.world.people[1])
        return self._owner(token, self.luck(0.8))

    def set_guardian(self) -> Call:
        return self._owner(self.person())

    def set_fee_recipient(self) -> Call:
        return self._owner(self.one(*[self.person()] * 5, ZERO))

    def pause_entry(self) -> Call:
        caller = self.someone(self.one(self.model.config["owner"], self.model.config["guardian"]))
        return caller, (self.now + self.one(0, 0, -5, 3, 10, 10, 60, 7 * DAY, 7 * DAY + 1),)

    def collect_fees(self) -> Call:
        tokens = list(self.world.tokens)
        earned = [token for token in tokens if self.model.fees.get(token)]
        return self.person(), (self.any_of(earned) if earned and self.luck(0.9) else self.any_of(tokens),)

    def transfer_ownership(self) -> Call:
        return self._owner(self.person())

    def accept_ownership(self) -> Call:
        return self.someone(self.model.config["pending_owner"]), ()

    def renounce_ownership(self) -> Call:
        return self._owner() if self.luck(0.35) else (self.person(), ())
