"""Between the page's script and the offer services: typed data out, a signed offer in."""

import json
from dataclasses import fields
from typing import Any

from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import UINT256_MAX, normal_hex
from otc.core.models import Chain
from otc.web import figures, selectors
from points.domain.offers import BUY, OFFER_FIELDS, OfferTerms, fill_amounts, fillable_units, typed_data
from points.models import Market, Offer
from points.services.offers import PreparedOffer, offer_post, offer_prepare

SIZES = {"address": 20, "bytes32": 32}


def prepare(wanted: OfferTerms, market: Market, *, free: int) -> PreparedOffer:
    """The offer as it will be signed: epoch and salt filled in.

    Errors: those of offer_prepare; FUNDS_INSUFFICIENT when `free` does not cover the smallest part.
    """
    prepared = offer_prepare(
        market=market,
        maker=wanted.maker,
        side=wanted.side,
        units=wanted.units,
        payment=wanted.payment,
        collateral=wanted.collateral,
        taker=wanted.taker,
        min_fill=wanted.min_fill,
        max_fee_bps=wanted.max_fee_bps,
        expiry=min(wanted.expiry, market.long_stop),
    )
    if fillable_units(prepared.terms, filled=0, free=free) == 0:
        raise uncovered(prepared.terms, market, free=free)
    return prepared


def uncovered(terms: OfferTerms, market: Market, *, free: int) -> DomainError:
    """Says in money what is missing."""
    token, index = market.pay_token, 0 if terms.side == BUY else 1
    needs = fill_amounts(terms, filled_before=0, units=terms.min_fill)[index]
    has_text, needs_text = (
        f"{figures.amount(value, decimals=token.decimals, exact=True)} {token.symbol}" for value in (free, needs)
    )
    return DomainError(
        ErrorCode.FUNDS_INSUFFICIENT,
        f"You have {has_text} free in escrow; even the smallest part of this offer locks {needs_text}. Deposit first.",
        field="payment" if terms.side == BUY else "collateral",
    )


def payload_of(prepared: PreparedOffer) -> str:
    """What the wallet signs (eth_signTypedData_v4), as JSON."""
    chain = prepared.chain
    return json.dumps(typed_data(prepared.terms, chain_id=chain.chain_id, escrow_address=chain.escrow_address))


def terms_of_message(message: Any) -> OfferTerms:
    """The signed fields out of typed data's `message`. Errors: INVALID with the field."""
    if not isinstance(message, dict):
        raise DomainError(ErrorCode.INVALID, "The signed offer is missing.", field="message")
    values: dict[str, Any] = {}
    for (name, kind), field in zip(OFFER_FIELDS, fields(OfferTerms), strict=True):
        values[field.name] = _member(name, kind, message.get(name))
    return OfferTerms(**values)


def market_of_domain(domain: Any, market_id: str) -> Market:
    """The market of the escrow that typed data's `domain` names: of equal terms, the signature is good for that one alone.

    Errors: INVALID with the field, NOT_FOUND.
    """
    if not isinstance(domain, dict):
        raise DomainError(ErrorCode.INVALID, "The domain of the signed offer is missing.", field="domain")
    number = _member("chainId", "uint256", domain.get("chainId"))
    contract = _member("verifyingContract", "address", domain.get("verifyingContract"))
    chain = Chain.objects.filter(chain_id=number, escrow_address=str(contract)).first()
    market = selectors.market_get(chain.pk, market_id) if chain else None
    if market is None:
        raise DomainError(ErrorCode.NOT_FOUND, "No such market is registered here.", field="market")
    return market


def _member(name: str, kind: str, value: Any) -> str | int:
    try:
        if kind in SIZES:
            return normal_hex(value, SIZES[kind])
        number = int(str(value))
    except ValueError as error:
        raise DomainError(ErrorCode.INVALID, f"{name} of the offer can't be read as {kind}.", field=name) from error
    if not 0 <= number <= (UINT256_MAX if kind == "uint256" else 255):
        raise DomainError(ErrorCode.INVALID, f"{name} of the offer does not fit {kind}.", field=name)
    return number


def post(*, market: Market, terms: OfferTerms, signature: bytes, wallet: str) -> Offer:
    """Stores the offer that the signed-in wallet has signed. Errors: FORBIDDEN, and those of offer_post."""
    if terms.maker != wallet:
        raise DomainError(
            ErrorCode.FORBIDDEN, "This offer was signed by another wallet than the one signed in here.", field="maker"
        )
    return offer_post(market=market, terms=terms, signature=signature)
