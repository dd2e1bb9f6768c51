"""Taking offers, and killing one's own."""

from dataclasses import dataclass
from typing import Protocol

from escrow.contracts import bindings, structs
from escrow.services.tx import params
from escrow.services.tx.call import Call, Need, NeedKind, summed
from escrow.services.tx.lookup import now_of, one_chain, require_entry_open
from escrow.services.tx.wording import duration, moment, pay_token_words, percent, units_words
from otc.core import flags
from otc.core.chains import chain_of
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import ZERO_ADDRESS, to_checksum
from otc.core.models import FlagName
from points.domain.offers import OfferTerms, Outcomes, outcomes
from points.models import MarketStatus, Offer, OfferState, Side
from points.selectors.offers import offer_get

WORD_BITS = 256


class Refuse(Protocol):
    """A DomainError at a field of the fill in hand."""

    def __call__(self, code: ErrorCode, detail: str, field: str = "offer_hash") -> DomainError: ...


@dataclass(frozen=True, slots=True)
class Taking:
    """One fill that passed the checks: `filled` units were gone before it."""

    offer: Offer
    given: params.Fill
    filled: int
    outcomes: Outcomes

    @property
    def locks(self) -> int:
        """What the taker locks, base units of the payment token."""
        side = self.outcomes.seller if self.offer.side == Side.BUY else self.outcomes.buyer
        return side.locks


def fill(account: str, given: params.Fill) -> Call:
    """Errors: PAUSED, NOT_FOUND, and those of `_take`, naming the parameter."""
    flags.require_off(FlagName.PAUSE_TAKING)
    taking = _take(account, given, filled=None, prefix="")
    chain = taking.offer.market.chain
    data = bindings.encode_fill(
        structs.signed_offer(taking.offer), bytes(taking.offer.signature), given.units, given.ref
    )
    return Call(chain, chain.escrow_address, data, _explained(taking), summed([_need(taking)]))


def fill_batch(account: str, given: params.FillBatch) -> Call:
    """All fills or none. An offer may be taken several times. Errors: as `fill`, with `fills[i].` before the field."""
    flags.require_off(FlagName.PAUSE_TAKING)
    filled: dict[str, int] = {}
    takings: list[Taking] = []
    for index, one in enumerate(given.fills):
        taking = _take(account, one, filled=filled.get(one.offer_hash), prefix=f"fills[{index}].")
        filled[one.offer_hash] = taking.filled + one.units
        takings.append(taking)
    chain = one_chain([taking.offer.market.chain for taking in takings], field="fills")
    items = [
        bindings.Fill(
            structs.signed_offer(taking.offer), bytes(taking.offer.signature), taking.given.units, taking.given.ref
        )
        for taking in takings
    ]
    said = [f"{len(takings)} offers in one transaction: all of them, or none."]
    said += [_explained(taking)[0] for taking in takings]
    said.append(_explained(takings[0])[-1])
    return Call(
        chain,
        chain.escrow_address,
        bindings.encode_fill_batch(items),
        tuple(said),
        summed(_need(taking) for taking in takings),
    )


def cancel(account: str, given: params.OfOffer) -> Call:
    """Errors: NOT_FOUND, FORBIDDEN, OFFER_CONSUMED."""
    offer = offer_get(offer_hash=given.offer_hash)
    if account != offer.maker:
        raise DomainError(
            ErrorCode.FORBIDDEN, f"Only its maker, {to_checksum(offer.maker)}, can cancel an offer.", field="account"
        )
    if offer.cancelled_on_chain or offer.state == OfferState.FILLED:
        raise DomainError(
            ErrorCode.OFFER_CONSUMED, "The offer is already filled or cancelled on chain.", field="offer_hash"
        )
    chain = offer.market.chain
    left = units_words(offer.units - offer.filled_units, offer.market.program)
    return Call(
        chain,
        chain.escrow_address,
        bindings.encode_cancel(structs.signed_offer(offer)),
        (
            f"Kills your signature: nobody can take the {left} that are left of this offer.",
            "Deals that it opened before stay as they are.",
        ),
    )


def invalidate_nonces(account: str, given: params.InvalidateNonces) -> Call:  # noqa: ARG001 - all builders are called alike
    """Errors: INVALID, NOT_FOUND."""
    chain = chain_of(given.chain_id, given.escrow)
    if given.mask == 0:
        raise DomainError(ErrorCode.INVALID, "An empty mask kills nothing: set the bits of the salts.", field="mask")
    count = given.mask.bit_count()
    first = given.word * WORD_BITS
    return Call(
        chain,
        chain.escrow_address,
        bindings.encode_invalidate_nonces(given.word, given.mask),
        (
            f"Kills your all-or-none offers with {count} salt{'' if count == 1 else 's'} from {first} to {first + WORD_BITS - 1}.",
        ),
    )


def bump_epoch(account: str, given: params.OfChain) -> Call:  # noqa: ARG001 - all builders are called alike
    """Errors: INVALID, NOT_FOUND."""
    chain = chain_of(given.chain_id, given.escrow)
    return Call(
        chain,
        chain.escrow_address,
        bindings.encode_bump_epoch(),
        (
            f"Kills every offer that you have signed on {chain.name} so far, in this book or anywhere else.",
            "Open deals stay as they are.",
        ),
    )


# ---------------------------------------------------------------- taking


def _take(account: str, given: params.Fill, *, filled: int | None, prefix: str) -> Taking:
    """Checks one fill against the facts. `filled` None: as the chain says.

    Errors: NOT_FOUND, OFFER_NOT_OPEN, OFFER_NOT_FOR_YOU, MARKET_NOT_OPEN, OFFER_EXPIRED, PAUSED, FILL_INVALID,
    FUNDS_INSUFFICIENT.
    """

    def refuse(code: ErrorCode, detail: str, field: str = "offer_hash") -> DomainError:
        return DomainError(code, detail, field=prefix + field)

    try:
        offer = offer_get(offer_hash=given.offer_hash)
    except DomainError as error:
        raise refuse(error.code, error.detail) from error
    check_takable(offer, account, refuse)
    market = offer.market
    require_entry_open(market.chain)
    before = offer.filled_units if filled is None else filled
    check_units(offer, given.units, before, refuse)
    found = outcomes(terms_of(offer), units=given.units, fee_bps=market.chain.fee_bps, filled_before=before)
    if found.payment == 0:
        raise refuse(ErrorCode.FILL_INVALID, "So few units cost less than one base unit: take more.", "units")
    return Taking(offer, given, before, found)


def check_takable(offer: Offer, taker: str, refuse: Refuse) -> None:
    """Whether `taker` may take some of it now. Errors: OFFER_NOT_OPEN, OFFER_NOT_FOR_YOU, MARKET_NOT_OPEN, OFFER_EXPIRED."""
    market, now = offer.market, now_of(offer.market.chain)
    if offer.state != OfferState.OPEN:
        raise refuse(ErrorCode.OFFER_NOT_OPEN, f"The offer is {offer.state}: take another one.")
    if taker == offer.maker:
        raise refuse(ErrorCode.OFFER_NOT_FOR_YOU, "Nobody trades with himself: this offer is yours.")
    if offer.taker not in {ZERO_ADDRESS, taker}:
        raise refuse(ErrorCode.OFFER_NOT_FOR_YOU, f"Only {to_checksum(offer.taker)} can take this offer.")
    if market.status != MarketStatus.OPEN or now > market.long_stop:
        raise refuse(ErrorCode.MARKET_NOT_OPEN, "The market is not open for trading any more.")
    if now > offer.expiry:
        raise refuse(ErrorCode.OFFER_EXPIRED, f"The offer ended at {moment(offer.expiry)}.")
    if market.chain.fee_bps > offer.max_fee_bps:
        raise refuse(
            ErrorCode.OFFER_NOT_OPEN, f"The fee is {percent(market.chain.fee_bps)} now, more than the maker accepts."
        )


def check_units(offer: Offer, units: int, before: int, refuse: Refuse) -> None:
    """Errors: OFFER_CONSUMED, FILL_INVALID, FUNDS_INSUFFICIENT."""
    left = offer.units - before
    least = min(offer.min_fill, left)
    if left <= 0:
        raise refuse(ErrorCode.OFFER_CONSUMED, "Nothing is left of this offer.", "units")
    if not least <= units <= left:
        rule = f"exactly {left}" if least == left else f"from {least} to {left}"
        raise refuse(ErrorCode.FILL_INVALID, f"This offer can be taken in {rule} units.", "units")
    covered = offer.fillable_units - (before - offer.filled_units)
    if units > covered:
        raise refuse(
            ErrorCode.FUNDS_INSUFFICIENT,
            f"The maker's free balance covers {max(0, covered)} units of this offer now.",
            "units",
        )


def terms_of(offer: Offer) -> OfferTerms:
    """The signed fields, as the rules of `points` want them."""
    struct = structs.signed_offer(offer)
    return OfferTerms(**{name: getattr(struct, name) for name in OfferTerms.__dataclass_fields__})


def _need(taking: Taking) -> Need:
    return Need(NeedKind.ESCROW_BALANCE, taking.offer.market.pay_token.address, taking.locks)


def _explained(taking: Taking) -> tuple[str, ...]:
    """What the taker gets, pays and risks, and by when."""
    market, ends = taking.offer.market, taking.outcomes
    money = pay_token_words(market.pay_token).amount
    units = units_words(taking.given.units, market.program)
    what = f"{units} of {market.program.name}"
    until = f"If the market has not settled by {moment(market.long_stop)}, both sides get their own money back, without a fee."
    window = f"{duration(market.min_window)} or more"
    if taking.offer.side == Side.SELL:
        return (
            f"You buy {what} for {money(ends.payment)}, locked from your free escrow balance at once; the seller locks {money(ends.collateral)}.",
            "When the seller delivers, you get the tokens and the seller gets your payment.",
            f"When the seller lets the delivery window ({window}) pass, you get {money(ends.payment + ends.collateral)} without asking.",
            until,
        )
    return (
        f"You sell {what} for {money(ends.payment)} and lock {money(ends.collateral)} of your free escrow balance as collateral at once.",
        f"When you deliver, you get {money(ends.seller.on_delivery)} (after a fee of {money(ends.fee)}) and your collateral back.",
        f"When you let the delivery window ({window}) pass, you lose the collateral, and the buyer gets the payment back.",
        until,
    )
