"""Two makers' offers brought together, by anyone, half-way between their limits."""

from escrow.contracts import bindings, structs
from escrow.services.tx import params
from escrow.services.tx.call import Call
from escrow.services.tx.lookup import require_entry_open
from escrow.services.tx.offers import Refuse, check_takable, check_units, terms_of
from escrow.services.tx.wording import TokenWords, duration, moment, pay_token_words, units_words
from otc.core import flags
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import to_checksum
from otc.core.models import FlagName
from points.domain.offers import fill_amounts
from points.models import Offer, Side
from points.selectors.offers import offer_get


def match_offers(account: str, given: params.MatchOffers) -> Call:  # noqa: ARG001 - by anyone; all builders are called alike
    """Errors: PAUSED, NOT_FOUND, INVALID, OFFER_NOT_OPEN, OFFER_NOT_FOR_YOU, MARKET_NOT_OPEN, OFFER_EXPIRED, FILL_INVALID,
    FUNDS_INSUFFICIENT; at `buy`, `sell` or `units`.
    """
    flags.require_off(FlagName.PAUSE_TAKING)
    buy, sell = _offer(given.buy, Side.BUY, "buy"), _offer(given.sell, Side.SELL, "sell")
    if buy.market.market_id != sell.market.market_id or buy.market.chain_id != sell.market.chain_id:
        raise DomainError(ErrorCode.INVALID, "The two offers are of different markets: match two of one.", field="sell")
    if buy.maker == sell.maker:
        raise DomainError(
            ErrorCode.OFFER_NOT_FOR_YOU, "One wallet signed both: match two makers' offers.", field="sell"
        )
    check_takable(buy, sell.maker, _refusing("buy"))
    check_takable(sell, buy.maker, _refusing("sell"))
    chain = buy.market.chain
    require_entry_open(chain)
    units = min(buy.fillable_units, sell.fillable_units) if given.units is None else given.units
    check_units(buy, units, buy.filled_units, _refusing("buy"))
    check_units(sell, units, sell.filled_units, _refusing("sell"))
    return Call(
        chain,
        chain.escrow_address,
        bindings.encode_match_offers(
            structs.signed_offer(buy),
            bytes(buy.signature),
            structs.signed_offer(sell),
            bytes(sell.signature),
            units,
        ),
        _explained(buy, sell, units),
    )


def _offer(offer_hash: str, side: Side, field: str) -> Offer:
    try:
        offer = offer_get(offer_hash=offer_hash)
    except DomainError as error:
        raise DomainError(error.code, error.detail, field=field) from error
    if offer.side != side:
        raise DomainError(ErrorCode.INVALID, f"This is no offer to {field}: name one.", field=field)
    return offer


def _refusing(name: str) -> Refuse:
    def refuse(code: ErrorCode, detail: str, field: str = "offer_hash") -> DomainError:
        said = f"Of the offer to {name}: {detail}"
        return DomainError(code, said, field=name if field == "offer_hash" else field)

    return refuse


def _midpoint(asked: int, most: int, *, what: str, money: TokenWords) -> int:
    """As the contract: half-way, rounded down. Errors: FILL_INVALID when the limits do not meet."""
    if asked > most:
        raise DomainError(
            ErrorCode.FILL_INVALID,
            f"The {what} asked, {money.amount(asked)}, is more than the other side gives, {money.amount(most)}: match offers whose limits overlap.",
            field="sell",
        )
    return (asked + most) // 2


def _explained(buy: Offer, sell: Offer, units: int) -> tuple[str, ...]:
    market = buy.market
    money = pay_token_words(market.pay_token)
    most, wanted = fill_amounts(terms_of(buy), filled_before=buy.filled_units, units=units)
    asked, given = fill_amounts(terms_of(sell), filled_before=sell.filled_units, units=units)
    payment = _midpoint(asked, most, what="payment", money=money)
    collateral = _midpoint(wanted, given, what="collateral", money=money)
    if payment == 0:
        raise DomainError(
            ErrorCode.FILL_INVALID, "So few units cost less than one base unit: match more.", field="units"
        )
    what = f"{units_words(units, market.program)} of {market.program.name}"
    return (
        (
            f"{to_checksum(buy.maker)} buys {what} from {to_checksum(sell.maker)} for {money.amount(payment)}, half-way between "
            f"{money.amount(asked)} asked and {money.amount(most)} offered."
        ),
        f"The seller locks {money.amount(collateral)}, half-way between {money.amount(wanted)} wanted and {money.amount(given)} offered.",
        (
            f"When the seller delivers, he gets {money.amount(payment)} less the fee; when he lets the delivery window "
            f"({duration(market.min_window)} or more) pass, the buyer gets {money.amount(payment + collateral)}."
        ),
        f"If the market has not settled by {moment(market.long_stop)}, both get their own money back.",
        "Whoever sends this pays gas, risks nothing else and gets nothing: all of the money is the two makers'.",
    )
