"""Markets: terms that stand, settlement terms with an objection window, cancellation by two keys (docs/protocol.md, Markets)."""

from tests.support.model.state import Market, Refused, State
from tests.support.model.structs import (
    ATTESTED,
    BPS,
    CANCEL_PROPOSED,
    CANCELLED,
    DAY,
    HOUR,
    NO_MARKET,
    ONCHAIN,
    OPEN,
    PROPOSED,
    ZERO,
    Key,
    MarketTerms,
    SettlementTerms,
)

MIN_PERIOD = DAY
MAX_OBJECTION = 30 * DAY
MAX_WINDOW = 365 * DAY
MAX_LIFE = 3650 * DAY
MAX_EXTENSION = 48 * HOUR
CANCEL_DELAY = 72 * HOUR
MAX_TRANCHES = 64
MAX_CHALLENGE = 30 * DAY
MAX_ARBITRATION = 90 * DAY


def require(condition: bool, error: str, what: str) -> None:
    if not condition:
        raise Refused(error, what)


class Markets(State):
    def create_market(self, terms: MarketTerms) -> None:
        if not self.pay_tokens.get(terms.pay_token):
            raise Refused("TokenNotAllowed", terms.pay_token)
        check_terms(terms, self.now)
        market = self.names.key(terms)
        if market in self.markets:
            raise Refused("MarketExists", market)
        self.markets[market] = Market(terms)
        self.emit("MarketCreated", market=market, terms=terms)

    def propose(self, terms: MarketTerms, settlement: SettlementTerms) -> None:
        """OPEN to PROPOSED. FINAL is reached by time alone: after the objection period."""
        market, found = self._market_in(terms, OPEN)
        self.require_caller(terms.resolver)
        final_at = self.now + terms.objection
        if terms.settlement == ONCHAIN and settlement.token not in self.code:
            raise Refused("TokenHasNoCode", settlement.token)
        check_settlement(terms, settlement, final_at)
        self.markets[market] = found._replace(status=PROPOSED, proposed_at=self.now, settlement=settlement)
        self.emit("Proposed", market=market, settlement=settlement, final_at=final_at)

    def veto(self, terms: MarketTerms) -> None:
        """PROPOSED to OPEN; the proposal leaves no trace."""
        market, found = self._market_in(terms, PROPOSED)
        self.require_caller(terms.guardian)
        self.not_after(found.proposed_at + terms.objection - 1)
        self.markets[market] = Market(terms)
        self.emit("Vetoed", market=market)

    def extend(self, terms: MarketTerms, extra: int) -> None:
        """Lengthens the window of every tranche, once, before the first has passed."""
        market, found = self._market_in(terms, PROPOSED)
        self.require_caller(terms.resolver)
        if found.extended:
            raise Refused("AlreadyExtended", market)
        require(0 < extra <= MAX_EXTENSION, "BadSettlement", "extra")
        settlement = found.settlement
        self.not_after(settlement.start + settlement.window)
        window = settlement.window + extra
        self.markets[market] = found._replace(extended=True, settlement=settlement._replace(window=window))
        self.emit("Extended", market=market, window=window)

    def propose_cancel(self, terms: MarketTerms) -> None:
        market, found = self._market_in(terms, OPEN)
        self.require_caller(terms.resolver)
        self.markets[market] = found._replace(status=CANCEL_PROPOSED, cancel_proposed_at=self.now)
        self.emit("CancelProposed", market=market, confirmable_at=self.now + CANCEL_DELAY)

    def withdraw_cancel(self, terms: MarketTerms) -> None:
        market, found = self._market_in(terms, CANCEL_PROPOSED)
        self.require_caller(terms.resolver)
        self.markets[market] = found._replace(status=OPEN, cancel_proposed_at=0)
        self.emit("CancelWithdrawn", market=market)

    def confirm_cancel(self, terms: MarketTerms) -> None:
        market, found = self._market_in(terms, CANCEL_PROPOSED)
        self.require_caller(terms.guardian)
        self.not_before(found.cancel_proposed_at + CANCEL_DELAY)
        self.markets[market] = found._replace(status=CANCELLED)
        self.emit("Cancelled", market=market)

    def _market_in(self, terms: MarketTerms, wanted: int) -> tuple[Key, Market]:
        market = self.names.key(terms)
        if market not in self.markets:
            raise Refused("UnknownMarket", market)
        found = self.markets[market]
        if found.status != wanted:
            raise Refused("WrongMarketStatus", market, found.status)
        return market, found

    def require_tradable(self, market: Key, pay_token: str) -> None:
        """Fills and changes of hands: only while the market is OPEN and can still settle."""
        if market not in self.markets:
            raise Refused("UnknownMarket", market)
        terms, status = self.markets[market].terms, self.markets[market].status
        if status != OPEN:
            raise Refused("WrongMarketStatus", market, status)
        self.not_after(terms.long_stop)
        require(pay_token == terms.pay_token, "BadOffer", "payToken")

    def require_refundable(self, market: Key) -> None:
        """CANCELLED; or void: the long-stop passed and nothing is proposed or final."""
        found = self.markets[market]
        void = found.status not in {NO_MARKET, PROPOSED} and self.now > found.terms.long_stop
        if found.status != CANCELLED and not void:
            raise Refused("NotRefundable", market, found.status, found.terms.long_stop)


def check_terms(terms: MarketTerms, now: int) -> None:
    """The bounds of what a market may be. Errors: BadTerms with the field."""

    def term(condition: bool, what: str) -> None:
        require(condition, "BadTerms", what)

    term(terms.resolver != ZERO, "resolver")
    term(terms.guardian not in {ZERO, terms.resolver}, "guardian")
    term(terms.kind <= 3, "kind")
    if terms.settlement == ONCHAIN:
        term(terms.attestor == ZERO, "attestor")
        term(terms.arbitrator == ZERO, "arbitrator")
        term(terms.challenge == 0, "challenge")
        term(terms.arbitration_window == 0, "arbitrationWindow")
        term(terms.bond_bps == 0, "bondBps")
    else:
        term(terms.settlement == ATTESTED, "settlement")
        term(terms.attestor != ZERO, "attestor")
        term(terms.arbitrator not in {ZERO, terms.attestor}, "arbitrator")
        term(MIN_PERIOD <= terms.challenge <= MAX_CHALLENGE, "challenge")
        term(MIN_PERIOD <= terms.arbitration_window <= MAX_ARBITRATION, "arbitrationWindow")
        term(terms.bond_bps <= BPS, "bondBps")
    term(MIN_PERIOD <= terms.objection <= MAX_OBJECTION, "objection")
    term(terms.min_window >= MIN_PERIOD, "minWindow")
    term(terms.min_window <= terms.max_window <= MAX_WINDOW, "maxWindow")
    term(now < terms.long_stop <= now + MAX_LIFE, "longStop")
    term((terms.max_ratio_num == 0) == (terms.max_ratio_den == 0), "maxRatio")


def check_settlement(terms: MarketTerms, settlement: SettlementTerms, final_at: int) -> None:
    """The bounds of a proposal. Errors: BadSettlement with the field."""

    def term(condition: bool, what: str) -> None:
        require(condition, "BadSettlement", what)

    s = settlement
    if terms.settlement == ATTESTED:
        term(s.token == ZERO, "token")
        term(s.tranches == 1, "tranches")
    term(s.ratio_num > 0 and s.ratio_den > 0, "ratio")
    if terms.max_ratio_den != 0:
        term(s.ratio_num * terms.max_ratio_den <= terms.max_ratio_num * s.ratio_den, "ratio")
    term(final_at <= s.start <= terms.long_stop, "start")
    term(terms.min_window <= s.window <= terms.max_window, "window")
    term(1 <= s.tranches <= MAX_TRANCHES, "tranches")
    if s.tranches == 1:
        term(s.tge_bps == BPS, "tgeBps")
        term(s.period == 0, "period")
    else:
        term(0 < s.tge_bps < BPS, "tgeBps")
        term(s.period > 0 and s.period * (s.tranches - 1) <= MAX_LIFE, "period")
