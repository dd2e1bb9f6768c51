"""Markets: creation, settlement terms, cancellation. Each by the one key that the hashed terms name."""

from collections.abc import Callable

from escrow.contracts import bindings, rights_bindings, structs
from escrow.models import SettlementTerms
from escrow.services.tx import params
from escrow.services.tx.call import Call
from escrow.services.tx.lookup import market_of, now_of, terms_of
from escrow.services.tx.wording import duration, moment
from otc.core.amounts import format_amount
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import ZERO_ADDRESS, ZERO_HASH, to_checksum
from otc.core.models import EscrowKind
from points.domain import merkle
from points.models import Market, MarketStatus

BPS = 10_000
MAX_TRANCHES = 64
MAX_LIFE = 3650 * 86_400
MAX_EXTENSION = 48 * 3_600
CANCEL_DELAY = 72 * 3_600
UINT128_MAX = 2**128 - 1


def create_market(account: str, given: params.OfMarket) -> Call:  # noqa: ARG001 - by anyone; all builders are called alike
    """Errors: NOT_FOUND, CONFLICT, INVALID."""
    market = market_of(given)
    if market.status != MarketStatus.NONE:
        raise DomainError(ErrorCode.CONFLICT, "This market is already on chain.", field="market_id")
    if not market.pay_token.allowed:
        raise DomainError(
            ErrorCode.INVALID, "The escrow no longer takes this market's payment token.", field="market_id"
        )
    if market.long_stop <= now_of(market.chain):
        raise DomainError(
            ErrorCode.DEADLINE_PASSED, "The long-stop of these terms has passed: make a new market.", field="market_id"
        )
    return _call(
        market,
        bindings.encode_create_market,
        f"Opens {market} for trading under these terms for good: nobody can change them afterwards.",
        f"Settlement terms may be proposed by {to_checksum(market.resolver)}, and vetoed by {to_checksum(market.guardian)} "
        f"for {duration(market.objection)}.",
        f"If none are final by {moment(market.long_stop)}, every deal is refunded.",
    )


def propose(account: str, given: params.Propose) -> Call:
    """Errors: NOT_FOUND, FORBIDDEN, CONFLICT, INVALID naming the field."""
    market = market_of(given)
    _require(market, account, market.resolver, "resolver", MarketStatus.OPEN)
    _check_settlement(market, given)
    attested = market.settlement == structs.ATTESTED
    rights = _rights(market, given)
    settlement = bindings.SettlementTerms(
        token=given.token,
        ratio_num=given.ratio_num,
        ratio_den=given.ratio_den,
        start=given.start,
        window=given.window,
        tge_bps=given.tge_bps,
        tranches=given.tranches,
        period=given.period,
    )
    parts = (
        "in one delivery"
        if given.tranches == 1
        else (
            f"{format_amount(given.tge_bps, decimals=2)}% at the start and the rest in {given.tranches - 1} equal parts, one every "
            f"{duration(given.period)}"
        )
    )
    per_unit = f"{given.ratio_num}/{given.ratio_den}" if given.ratio_den != 1 else str(given.ratio_num)
    how = (
        f"outside the escrow, attested by {to_checksum(market.attestor)}"
        if attested
        else f"{per_unit} {_what(market, rights)} of {to_checksum(given.token)} for each base unit sold, {parts}"
    )
    return Call(
        market.chain,
        market.chain.escrow_address,
        _encode_propose(market, settlement, rights),
        (
            f"Proposes to settle {market}: {how}.",
            f"Sellers must deliver from {moment(given.start)} to {moment(given.start + given.window)}; who does not loses the collateral.",
            f"Trading stops now. The guardian may veto for {duration(market.objection)}; after that nobody can change or withdraw this.",
        ),
    )


def _encode_propose(market: Market, settlement: bindings.SettlementTerms, rights: rights_bindings.Rights) -> str:
    terms = structs.market_terms(market)
    if market.chain.kind == EscrowKind.RIGHTS:
        return rights_bindings.encode_propose(terms, settlement, rights)
    return bindings.encode_propose(terms, settlement)


def _what(market: Market, rights: rights_bindings.Rights) -> str:
    """What is delivered, and which of it counts."""
    if market.chain.kind == EscrowKind.TOKENS:
        return "base units"
    standard = "ERC-1155" if rights.semi_fungible else "ERC-721"
    return f"pieces ({standard}, {'any id' if rights.ids_root == ZERO_HASH else 'ids of the list with root ' + rights.ids_root})"


def _rights(market: Market, given: params.Propose) -> rights_bindings.Rights:
    """Which pieces count: of a list, its root. Errors: INVALID where none are delivered, or two lists are named."""
    named = {"semi_fungible": given.semi_fungible, "ids_root": given.ids_root, "allowed_ids": given.allowed_ids}
    if market.chain.kind == EscrowKind.TOKENS or market.settlement == structs.ATTESTED:
        for field, value in named.items():
            if value:
                raise DomainError(
                    ErrorCode.INVALID, "No rights are delivered in this market: leave it out.", field=field
                )
    if given.ids_root is not None and given.allowed_ids:
        raise DomainError(ErrorCode.INVALID, "The root of the list, or the list: not both.", field="allowed_ids")
    root = given.ids_root or ZERO_HASH
    if given.allowed_ids:
        if len(set(given.allowed_ids)) != len(given.allowed_ids):
            raise DomainError(ErrorCode.INVALID, "Each id once.", field="allowed_ids")
        root = "0x" + merkle.build([merkle.id_leaf(right) for right in given.allowed_ids])[0].hex()
    return rights_bindings.Rights(root, given.semi_fungible)


def veto(account: str, given: params.OfMarket) -> Call:
    """Errors: NOT_FOUND, FORBIDDEN, CONFLICT, DEADLINE_PASSED."""
    market = market_of(given)
    _require(market, account, market.guardian, "guardian", MarketStatus.PROPOSED)
    if now_of(market.chain) >= _terms(market).final_at:
        raise DomainError(
            ErrorCode.DEADLINE_PASSED, "The objection period has passed: the terms are final.", field="market_id"
        )
    return _call(
        market, bindings.encode_veto, f"Rejects the proposed settlement of {market} and opens it for trading again."
    )


def extend(account: str, given: params.Extend) -> Call:
    """Errors: NOT_FOUND, FORBIDDEN, CONFLICT, DEADLINE_PASSED, INVALID."""
    market = market_of(given)
    _require(market, account, market.resolver, "resolver", MarketStatus.PROPOSED)
    row = _terms(market)
    if not 1 <= given.extra <= MAX_EXTENSION:
        raise DomainError(ErrorCode.INVALID, f"From 1 to {MAX_EXTENSION} seconds.", field="extra")
    if row.extended:
        raise DomainError(ErrorCode.CONFLICT, "The window was extended before: that works once.", field="market_id")
    last = structs.schedule(row).deadline(0)
    if now_of(market.chain) > last:
        raise DomainError(ErrorCode.DEADLINE_PASSED, "The first delivery window has closed.", field="market_id")
    return Call(
        market.chain,
        market.chain.escrow_address,
        bindings.encode_extend(structs.market_terms(market), given.extra),
        (
            f"Sellers of {market} get {duration(given.extra)} more, until {moment(last + given.extra)}. This works once.",
        ),
    )


def propose_cancel(account: str, given: params.OfMarket) -> Call:
    """Errors: NOT_FOUND, FORBIDDEN, CONFLICT."""
    market = market_of(given)
    _require(market, account, market.resolver, "resolver", MarketStatus.OPEN)
    return _call(
        market,
        bindings.encode_propose_cancel,
        f"Proposes to cancel {market}. Trading stops; the guardian may confirm after {duration(CANCEL_DELAY)}, then every deal is refunded.",
    )


def withdraw_cancel(account: str, given: params.OfMarket) -> Call:
    """Errors: NOT_FOUND, FORBIDDEN, CONFLICT."""
    market = market_of(given)
    _require(market, account, market.resolver, "resolver", MarketStatus.CANCEL_PROPOSED)
    return _call(market, bindings.encode_withdraw_cancel, f"Takes the cancellation back: {market} trades again.")


def confirm_cancel(account: str, given: params.OfMarket) -> Call:
    """Errors: NOT_FOUND, FORBIDDEN, CONFLICT. Whether 72 hours have passed is the simulation's to say."""
    market = market_of(given)
    _require(market, account, market.guardian, "guardian", MarketStatus.CANCEL_PROPOSED)
    return _call(
        market,
        bindings.encode_confirm_cancel,
        f"Cancels {market} for good: both sides of every open deal get their own money back.",
    )


# ---------------------------------------------------------------- rules


def _terms(market: Market) -> SettlementTerms:
    found = terms_of(market)
    if found is None:
        raise DomainError(ErrorCode.CONFLICT, "No settlement terms are proposed.", field="market_id")
    return found


def _call(market: Market, encode: Callable[[bindings.MarketTerms], str], *explanation: str) -> Call:
    return Call(market.chain, market.chain.escrow_address, encode(structs.market_terms(market)), explanation)


def _require(market: Market, account: str, key: str, role: str, status: MarketStatus) -> None:
    """The right key at the right status. Errors: FORBIDDEN, CONFLICT."""
    if account != key:
        raise DomainError(
            ErrorCode.FORBIDDEN, f"Only the market's {role}, {to_checksum(key)}, may do this.", field="account"
        )
    if market.status != status:
        now = MarketStatus(market.status).label.lower()
        raise DomainError(
            ErrorCode.CONFLICT, f"This needs a market that is {status.label.lower()}; now: {now}.", field="market_id"
        )


def _check_settlement(market: Market, given: params.Propose) -> None:
    """The contract's rules, by field. Errors: INVALID."""
    now = now_of(market.chain)
    attested = market.settlement == structs.ATTESTED
    most = 1 if attested else MAX_TRANCHES
    rules: list[tuple[str, bool, str]] = [
        (
            "token",
            (given.token == ZERO_ADDRESS) == attested,
            "Deals of this market are attested, no token is delivered: leave it out."
            if attested
            else "Name the token that sellers deliver.",
        ),
        ("ratio_num", 1 <= given.ratio_num <= UINT128_MAX, "From 1 to 2^128 - 1."),
        ("ratio_den", 1 <= given.ratio_den <= UINT128_MAX, "From 1 to 2^128 - 1."),
        (
            "ratio_num",
            not market.max_ratio_den
            or given.ratio_num * market.max_ratio_den <= market.max_ratio_num * given.ratio_den,
            f"The ratio is above the market's cap of {market.max_ratio_num}/{market.max_ratio_den}.",
        ),
        (
            "start",
            given.start >= now + market.objection,
            f"Not before the objection period ends: {now + market.objection} and some minutes, as the block comes later.",
        ),
        ("start", given.start <= market.long_stop, f"At most the market's long-stop, {market.long_stop}."),
        (
            "window",
            market.min_window <= given.window <= market.max_window,
            f"From {market.min_window} to {market.max_window} seconds in this market.",
        ),
        ("tranches", 1 <= given.tranches <= most, f"From 1 to {most}."),
        (
            "tge_bps",
            given.tge_bps == BPS if given.tranches == 1 else 1 <= given.tge_bps < BPS,
            "10000 with one tranche; from 1 to 9999 with several.",
        ),
        (
            "period",
            given.period == 0
            if given.tranches == 1
            else given.period >= 1 and given.period * (given.tranches - 1) <= MAX_LIFE,
            "0 with one tranche; with several, seconds between them, ten years in all at most.",
        ),
    ]
    for field, holds, rule in rules:
        if not holds:
            raise DomainError(ErrorCode.INVALID, rule, field=field)
