"""Offers: prepared for signing, checked, posted, withdrawn from the book.

Posting is two steps, because checking a contract wallet's signature asks a node and that must not happen inside a transaction:
`offer_check` (reads, and perhaps the network), then `offer_store` (one transaction that checks again what may have moved).
"""

import secrets
from dataclasses import dataclass, replace

from django.db import transaction

from otc.accounts.models import User
from otc.core import flags, locks, signatures
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import ZERO_ADDRESS, ZERO_HASH
from otc.core.models import Chain, FlagName
from otc.core.outbox import outbox_add_locked
from points.domain.offers import (
    BUY,
    OfferTerms,
    Outcomes,
    collateral_bps,
    default_min_fill,
    fill_amounts,
    fillable_units,
    offer_hash,
    outcomes,
    price_e18,
    shape_errors,
)
from points.models import STANDING, MakerEpoch, Market, MarketStatus, Offer, OfferState, UnknownOffer
from points.services.fact_locks import maker_lock
from points.services.offer_states import maker_facts, offer_event, offers_recompute

DEFAULT_LIFE = 7 * 86_400  # seconds
SALT_BITS = 256
# Of a maker, on a chain. Posting is free, and one event (a new epoch, a withdrawal) may touch all open offers of its maker within one step
# of the chain's reader: so they must be few enough for a step with many such events. Enough for ten prices on both sides of fifty markets.
OPEN_OFFERS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class PreparedOffer:
    """Terms to sign, their digest, and how a fill of all units at the fee of now would end."""

    chain: Chain
    terms: OfferTerms
    offer_hash: str
    outcomes: Outcomes


@dataclass(frozen=True, slots=True)
class CheckedOffer:
    """Terms that passed all checks a moment ago, with a signature that is the maker's. `known`: it is posted already."""

    market: Market
    terms: OfferTerms
    offer_hash: str
    signature: bytes
    known: Offer | None = None


# ---------------------------------------------------------------- preparing


def offer_prepare(
    *,
    market: Market,
    maker: str,
    side: int,
    units: int,
    payment: int,
    collateral: int,
    taker: str = ZERO_ADDRESS,
    min_fill: int | None = None,
    max_fee_bps: int | None = None,
    expiry: int | None = None,
    ref: str = ZERO_HASH,
) -> PreparedOffer:
    """An unsigned offer with all fields filled in: the maker's epoch, a fresh salt, and defaults.

    Defaults: `min_fill` cuts the offer into at most a hundred deals, `max_fee_bps` is the fee of now, `expiry` in a week of chain time or
    at the long-stop. A salt is 256 random bits, so none that was used comes again. Stores nothing.
    Errors: INVALID, MARKET_NOT_OPEN, OFFER_EXPIRED, OFFER_TOO_SMALL, as posting it would.
    """
    chain = market.chain
    head_time = _head_time(chain)
    epoch = MakerEpoch.objects.filter(chain=chain, maker=maker).values_list("epoch", flat=True).first()
    if min_fill is None:
        min_fill = default_min_fill(units=units, payment=payment) if units > 0 and payment > 0 else 1
    terms = OfferTerms(
        maker=maker,
        taker=taker,
        side=side,
        market=market.market_id,
        pay_token=market.pay_token.address,
        units=units,
        payment=payment,
        collateral=collateral,
        min_fill=min_fill,
        max_fee_bps=chain.fee_bps if max_fee_bps is None else max_fee_bps,
        expiry=min(head_time + DEFAULT_LIFE, market.long_stop) if expiry is None else expiry,
        epoch=epoch or 0,
        salt=secrets.randbits(SALT_BITS),
        ref=ref,
    )
    _check_shape(terms)
    _check_market(market)
    _check_expiry(terms, market)
    _check_minimum(terms, market)
    return PreparedOffer(
        chain=chain,
        terms=terms,
        offer_hash=offer_hash(terms, chain_id=chain.chain_id, escrow_address=chain.escrow_address),
        outcomes=outcomes(terms, units=units, fee_bps=chain.fee_bps),
    )


# ---------------------------------------------------------------- posting


def offer_post(*, market: Market, terms: OfferTerms, signature: bytes) -> Offer:
    """Checks and stores a signed offer; one that is posted already is returned as it is. Not inside a transaction.

    Errors: those of `offer_check`.
    """
    offer, _ = offer_store(offer_check(market=market, terms=terms, signature=signature))
    return offer


def offer_check(*, market: Market, terms: OfferTerms, signature: bytes) -> CheckedOffer:
    """All checks of an offer, the cheap ones first. May ask a node (contract wallets): never inside a transaction.

    In this order: PAUSED; INVALID (shape); MARKET_NOT_OPEN; OFFERS_TOO_MANY; OFFER_EXPIRED; OFFER_STALE_EPOCH; OFFER_CONSUMED;
    OFFER_TOO_SMALL; FUNDS_INSUFFICIENT; SIGNATURE_INVALID or CHAIN_UNAVAILABLE.
    """
    flags.require_off(FlagName.PAUSE_POSTING)
    _check_shape(terms)
    if terms.pay_token != market.pay_token.address:
        raise DomainError(ErrorCode.INVALID, f"This market is paid in {market.pay_token.address}.", field="pay_token")
    chain = market.chain
    digest = offer_hash(terms, chain_id=chain.chain_id, escrow_address=chain.escrow_address)
    checked = CheckedOffer(market=market, terms=terms, offer_hash=digest, signature=signature)
    known = _known(checked)
    if known is not None:
        return replace(checked, known=known)
    _check_market(market)
    _check_count(checked)
    _check_facts(checked)
    signatures.verify(chain=chain, signer=terms.maker, digest=bytes.fromhex(digest[2:]), signature=signature)
    return checked


@transaction.atomic
def offer_store(checked: CheckedOffer) -> tuple[Offer, bool]:
    """Stores a checked offer, and whether it is new. Locks the maker's funds rows of the chain; facts that moved since are checked
    again.

    Errors: OFFERS_TOO_MANY, OFFER_EXPIRED, OFFER_STALE_EPOCH, OFFER_CONSUMED, FUNDS_INSUFFICIENT.
    """
    if checked.known is not None:
        return checked.known, False
    terms, market = checked.terms, checked.market
    maker_lock(market=market, maker=terms.maker)
    known = _known(checked)
    if known is not None:
        return known, False
    _check_count(checked)
    filled, fillable = _check_facts(checked)
    offer = Offer.objects.create(
        market=market,
        offer_hash=checked.offer_hash,
        maker=terms.maker,
        taker=terms.taker,
        side=terms.side,
        units=terms.units,
        payment=terms.payment,
        collateral=terms.collateral,
        min_fill=terms.min_fill,
        max_fee_bps=terms.max_fee_bps,
        expiry=terms.expiry,
        epoch=terms.epoch,
        salt=terms.salt,
        ref=terms.ref,
        signature=checked.signature,
        price_e18=price_e18(payment=terms.payment, units=terms.units),
        collateral_bps=collateral_bps(collateral=terms.collateral, payment=terms.payment),
        filled_units=filled,
        fillable_units=fillable,
    )
    outbox_add_locked([offer_event(offer, checked.market.chain, kind="offer.posted", state=OfferState.OPEN)])
    return offer, True


def _known(checked: CheckedOffer) -> Offer | None:
    known = Offer.objects.filter(offer_hash=checked.offer_hash).first()
    if known is not None:
        known.market = checked.market  # the digest covers it
    return known


# ---------------------------------------------------------------- withdrawing


@transaction.atomic
def offer_withdraw(*, user: User, offer_hash: str) -> Offer:
    """Takes an offer out of this book for good, by its maker. The signature stays valid on chain until `cancel`.

    Doing it again changes nothing. Errors: NOT_FOUND, FORBIDDEN, OFFER_NOT_OPEN. Locks the offer.
    """
    offer = locks.lock_row(
        Offer.objects.filter(offer_hash=offer_hash).select_related("market__chain", "market__pay_token")
    )
    if offer is None:
        raise DomainError(ErrorCode.NOT_FOUND, "No such offer is posted here.", field="offer_hash")
    if user.address is None or offer.maker != user.address:
        raise DomainError(ErrorCode.FORBIDDEN, "Only the offer's maker may withdraw it: sign in with that wallet.")
    chain_id = offer.market.chain.chain_id
    if not user.speaks_on(chain_id):
        raise DomainError(
            ErrorCode.FORBIDDEN,
            f"You signed in as the wallet contract on chain {user.contract_chain_id}, the offer is on chain {chain_id}: there, "
            "cancel it with a transaction.",
        )
    if offer.withdrawn:
        return offer
    if offer.state != OfferState.OPEN:
        raise DomainError(
            ErrorCode.OFFER_NOT_OPEN, f"The offer is {offer.state}: there is nothing to withdraw.", field="offer_hash"
        )
    offer.withdrawn = True
    offer.save(update_fields=["withdrawn"])
    offers_recompute(chain=offer.market.chain, offer_ids=[offer.pk])
    offer.refresh_from_db(fields=["state", "fillable_units"])
    return offer


# ---------------------------------------------------------------- rules


def _head_time(chain: Chain) -> int:
    if chain.head_time is None:
        raise DomainError(ErrorCode.CHAIN_UNAVAILABLE, f"{chain.name} has not been read yet. Try again in a minute.")
    return chain.head_time


def _check_shape(terms: OfferTerms) -> None:
    for name, sentence in shape_errors(terms).items():
        raise DomainError(ErrorCode.INVALID, sentence, field=name)


def _check_market(market: Market) -> None:
    """Errors: MARKET_NOT_OPEN."""
    if market.status != MarketStatus.OPEN:
        raise DomainError(
            ErrorCode.MARKET_NOT_OPEN,
            f"The market takes offers while it is open; now: {market.get_status_display().lower()}.",
            field="market",
        )
    if _head_time(market.chain) > market.long_stop:
        raise DomainError(
            ErrorCode.MARKET_NOT_OPEN, "The market's long-stop has passed: it only refunds now.", field="market"
        )


def _check_count(checked: CheckedOffer) -> None:
    """Errors: OFFERS_TOO_MANY."""
    own = Offer.objects.filter(STANDING, maker=checked.terms.maker, market__chain=checked.market.chain)
    if own.filter(state=OfferState.OPEN).count() >= OPEN_OFFERS_MAX:
        raise DomainError(
            ErrorCode.OFFERS_TOO_MANY,
            f"A wallet has at most {OPEN_OFFERS_MAX:,} open offers in an escrow: withdraw one, or wait until one ends, then post this.",
            field="maker",
        )


def _check_expiry(terms: OfferTerms, market: Market) -> None:
    """Errors: OFFER_EXPIRED; INVALID beyond the long-stop, after which nothing fills."""
    head_time = _head_time(market.chain)
    if terms.expiry <= head_time:
        raise DomainError(
            ErrorCode.OFFER_EXPIRED,
            f"expiry must lie after the chain's time, which is {head_time}: sign with a later one.",
            field="expiry",
        )
    if terms.expiry > market.long_stop:
        raise DomainError(
            ErrorCode.INVALID,
            f"At most the market's long-stop, {market.long_stop}: nothing fills after it.",
            field="expiry",
        )


def _check_minimum(terms: OfferTerms, market: Market) -> None:
    """Errors: OFFER_TOO_SMALL when its smallest fill would cost nothing; INVALID when the fee of now is above its limit."""
    if terms.payment * terms.min_fill // terms.units == 0:
        raise DomainError(
            ErrorCode.OFFER_TOO_SMALL,
            "A fill of min_fill units would cost less than one base unit of the payment token: raise min_fill or payment.",
            field="min_fill",
        )
    if terms.max_fee_bps < market.chain.fee_bps:
        raise DomainError(
            ErrorCode.INVALID,
            f"The fee is {market.chain.fee_bps} hundredths of a percent now: accept at least that, or nobody can fill it.",
            field="max_fee_bps",
        )


def _check_facts(checked: CheckedOffer) -> tuple[int, int]:
    """(units filled before it came here, units its maker's funds cover). Errors: from OFFER_EXPIRED to FUNDS_INSUFFICIENT."""
    terms, market = checked.terms, checked.market
    _check_expiry(terms, market)
    facts = maker_facts(chain=market.chain, offers=[terms], pay_token_ids=[market.pay_token_id])
    epoch = facts.epochs.get(terms.maker, 0)
    if terms.epoch != epoch:
        raise DomainError(
            ErrorCode.OFFER_STALE_EPOCH,
            f"The maker's epoch is {epoch}: prepare and sign the offer anew.",
            field="epoch",
        )
    early = UnknownOffer.objects.filter(chain=market.chain, offer_hash=checked.offer_hash).first()
    filled = early.filled_units if early else 0
    state = facts.state(terms, filled=filled, cancelled=early.cancelled if early else False)
    if state != OfferState.OPEN:
        raise DomainError(
            ErrorCode.OFFER_CONSUMED,
            "This offer or its salt is used up on chain (filled, cancelled or invalidated): prepare and sign a new one.",
            field="salt",
        )
    _check_minimum(terms, market)
    free = facts.free.get((market.pay_token_id, terms.maker), 0)
    fillable = fillable_units(terms, filled=filled, free=free)
    if fillable == 0:
        least = min(terms.min_fill, terms.units - filled)
        needs = fill_amounts(terms, filled_before=filled, units=least)[0 if terms.side == BUY else 1]
        raise DomainError(
            ErrorCode.FUNDS_INSUFFICIENT,
            f"The maker's free escrow balance is {free} base units of {market.pay_token.symbol}; the smallest fill locks "
            f"{needs}. Deposit first, or raise what is free.",
            field="payment" if terms.side == BUY else "collateral",
        )
    return filled, fillable
