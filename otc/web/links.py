"""Where a market's pages are."""

from django.urls import reverse

from points.models import Market


def market_path(market: Market, page: str = "market") -> str:
    """The path of `page` of a market: by its escrow and its id, for the same terms can stand in several escrows."""
    return reverse(f"web:{page}", args=[market.chain_id, market.market_id])
