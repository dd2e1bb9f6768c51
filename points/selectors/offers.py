"""Reading offers and the book."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import ZERO_ADDRESS
from points.models import Market, MarketStatus, Offer, OfferState, Side

BOOK_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Book:
    """Offers that could be filled now: best price first, then most collateral, then oldest. `as_of_block`: the chain's head."""

    bids: list[Offer]
    asks: list[Offer]
    as_of_block: int | None


def book(*, market: Market, viewer: str | None = None, limit: int = BOOK_LIMIT) -> Book:
    """At most `limit` open, covered offers a side, in two queries; those for one taker only when it is `viewer`.

    Empty while the market is not open or past its long-stop. Needs `market.chain`. The offers' `market` is the one given.
    """
    chain = market.chain
    if market.status != MarketStatus.OPEN or (chain.head_time or 0) > market.long_stop:
        return Book([], [], chain.head_number)
    seen = Q(taker__in=[ZERO_ADDRESS] if viewer is None else [ZERO_ADDRESS, viewer])
    rows = Offer.objects.filter(
        seen,
        market=market,
        state=OfferState.OPEN,
        expiry__gte=chain.head_time or 0,  # the reader ends those that ran out when it comes to them
        fillable_units__gt=0,
        max_fee_bps__gte=chain.fee_bps,
    ).defer("signature")
    bids = list(rows.filter(side=Side.BUY).order_by("-price_e18", "-collateral_bps", "id")[:limit])
    asks = list(rows.filter(side=Side.SELL).order_by("price_e18", "-collateral_bps", "id")[:limit])
    for offer in (*bids, *asks):
        offer.market = market
    return Book(bids, asks, chain.head_number)


def offers(
    *,
    maker: str | None = None,
    market: Market | None = None,
    state: str | None = None,
    chain_number: int | None = None,
    escrow: str | None = None,
) -> QuerySet[Offer]:
    """Offers by maker, market, state, the chain's own number and the kind of escrow (each optional), with market, pay token and
    program; without signatures.
    """
    rows = Offer.objects.select_related("market__pay_token", "market__program", "market__chain").defer(
        "signature", "market__rules_text"
    )
    if maker is not None:
        rows = rows.filter(maker=maker)
    if market is not None:
        rows = rows.filter(market=market)
    if state is not None:
        rows = rows.filter(_in_state(state))
    if chain_number is not None:
        rows = rows.filter(market__chain__chain_id=chain_number)
    if escrow is not None:
        rows = rows.filter(market__chain__kind=escrow)
    return rows


def _in_state(state: str) -> Q:
    """As `Offer.state_now`."""
    now = Coalesce("market__chain__head_time", 0)
    match state:
        case OfferState.OPEN:
            return Q(state=OfferState.OPEN, expiry__gte=now)
        case OfferState.EXPIRED:
            return Q(state=OfferState.EXPIRED) | Q(state=OfferState.OPEN, expiry__lt=now)
        case _:
            return Q(state=state)


def offer_get(*, offer_hash: str) -> Offer:
    """An offer with its signature, market, pay token, program and chain. Errors: NOT_FOUND."""
    rows = Offer.objects.select_related("market__pay_token", "market__program__project", "market__chain")
    found = rows.filter(offer_hash=offer_hash).first()
    if found is None:
        raise DomainError(ErrorCode.NOT_FOUND, "No such offer is posted here.", field="offer_hash")
    return found
