"""Reading markets and pay tokens."""

from django.db.models import Case, Count, F, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce

from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import ZERO_ADDRESS
from points.models import Market, MarketStatus, Offer, OfferState, PayToken, Side


def pay_tokens() -> QuerySet[PayToken]:
    """All pay tokens of active chains."""
    return PayToken.objects.filter(chain__active=True).select_related("chain")


def markets() -> QuerySet[Market]:
    """Listed markets of active chains, with program, project, pay token and chain."""
    return Market.objects.filter(listed=True, chain__active=True).select_related(
        "program__project", "pay_token", "chain"
    )


def markets_with_quotes() -> QuerySet[Market]:
    """`markets()` annotated with `best_bid_e18`, `best_ask_e18` (None without offers) and `open_offers`.

    Last price and deal count are columns. Offers that need a higher fee limit, or are for one taker, don't count; nor do any
    while the book is empty: see `points.selectors.offers.book`.
    """

    def public(**of: int) -> QuerySet[Offer]:
        return Offer.objects.filter(
            market=OuterRef("pk"),
            state=OfferState.OPEN,
            expiry__gte=Coalesce(OuterRef("chain__head_time"), 0),
            fillable_units__gt=0,
            taker=ZERO_ADDRESS,
            max_fee_bps__gte=OuterRef("chain__fee_bps"),
            **of,
        )

    bids = public(side=Side.BUY).order_by("-price_e18", "-collateral_bps", "id")
    asks = public(side=Side.SELL).order_by("price_e18", "-collateral_bps", "id")
    counts = public().order_by().values("market").annotate(count=Count("pk")).values("count")
    takes_deals = Q(status=MarketStatus.OPEN, long_stop__gte=Coalesce(F("chain__head_time"), 0))
    return markets().annotate(
        best_bid_e18=Case(When(takes_deals, then=Subquery(bids.values("price_e18")[:1]))),
        best_ask_e18=Case(When(takes_deals, then=Subquery(asks.values("price_e18")[:1]))),
        open_offers=Coalesce(Case(When(takes_deals, then=Subquery(counts))), 0),
    )


def market_get(*, market_id: str, chain_id: int | None = None, escrow: str | None = None) -> Market:
    """A market by its id, with program, project, pay token and chain; unlisted ones too: their offers still settle.

    Errors: NOT_FOUND; INVALID when the same terms stand in several escrows, and the chain's number and the kind of `escrow`
    don't say which.
    """
    rows = Market.objects.filter(market_id=market_id, chain__active=True)
    if chain_id is not None:
        rows = rows.filter(chain__chain_id=chain_id)
    if escrow is not None:
        rows = rows.filter(chain__kind=escrow)
    found = list(rows.select_related("program__project", "pay_token", "chain").order_by("chain")[:2])
    if not found:
        raise DomainError(ErrorCode.NOT_FOUND, "No such market is registered here.", field="market")
    if len(found) > 1:
        field = "chain_id" if found[0].chain.kind == found[1].chain.kind else "escrow"
        raise DomainError(
            ErrorCode.INVALID, f"These terms stand in several escrows: say which by {field}.", field=field
        )
    return found[0]
