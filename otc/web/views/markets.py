"""Reading: the market list, a market with its book, an offer."""

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from escrow.models import Deal
from escrow.selectors.depth import depth_of
from otc.core import clock
from otc.core.fields import normal_hex
from otc.core.models import Chain
from otc.web import figures, selectors
from otc.web.context import LATE_SECONDS, chain_now, wallet_of
from otc.web.forms import DepositForm, OfferForm
from otc.web.revalidation import revalidated
from points.domain.offers import collateral_bps, price_e18
from points.models import AssetKind, Market
from points.selectors.offers import book

KINDS = {kind.label.lower(): kind for kind in AssetKind}
SEARCH_MAX = 60
BOOK_ROWS = 40


@dataclass(frozen=True)
class DealLine:
    """A deal of the public tape."""

    deal: Deal
    price_e18: int
    collateral_bps: int
    depth: str


def _list_context(request: HttpRequest) -> dict[str, Any]:
    kind = KINDS.get(request.GET.get("kind", "").lower())
    text = request.GET.get("q", "").strip()[:SEARCH_MAX].replace("\0", "")
    return {
        "cards": selectors.markets_listed(kind=kind, text=text),
        "kind": kind,
        "kinds": AssetKind.choices,
        "text": text,
        "filtered": bool(kind is not None or text),
        "section": "markets",
    }


@require_GET
def markets(request: HttpRequest) -> HttpResponse:
    """The front page."""
    return render(request, "web/markets.html", _list_context(request))


@require_GET
def markets_table(request: HttpRequest) -> HttpResponse:
    """The list alone, polled and searched. The address bar keeps the page's own path."""
    response = revalidated(request, render(request, "web/markets_table.html", _list_context(request)))
    if request.headers.get("HX-Trigger") == "filters":
        query = "&".join(f"{name}={value}" for name, value in request.GET.items() if value)
        response["HX-Push-Url"] = f"/?{query}" if query else "/"
    return response


def market_or_404(escrow: int, market_id: str) -> Market:
    """The market of a path. Errors: 404 for a malformed id too."""
    try:
        market = selectors.market_get(escrow, normal_hex(market_id, 32))
    except ValueError as error:
        raise Http404("no such market") from error
    if market is None:
        raise Http404("no such market")
    return market


def market_names(market: Market) -> dict[str, Any]:
    """The objects every template about a market names."""
    return {
        "market": market,
        "program": market.program,
        "token": market.pay_token,
        "chain": market.chain,
        "now": chain_now(market.chain),
        "phase": selectors.market_phase_now(market),
        "section": "markets",
    }


def live_context(market: Market, wallet: str) -> dict[str, Any]:
    """What moves on a market's page."""
    names = market_names(market)
    chain, phase, terms = market.chain, names["phase"], selectors.settlement_of(market)
    shown = book(market=market, viewer=wallet or None, limit=BOOK_ROWS)
    context = {
        **names,
        "wallet": wallet,
        "tradable": phase.tradable,
        "asks": selectors.book_rows(shown.asks),
        "bids": selectors.book_rows(shown.bids),
        "deals": [deal_line(deal, chain) for deal in selectors.deals_recent(market)],
        "terms": terms,
        "paused": chain.paused_until > names["now"],
        "late": chain.head_time is not None and chain.head_time < clock.unix_now() - LATE_SECONDS,
    }
    if terms is not None:
        in_rights = terms.semi_fungible is not None
        symbol = f"pieces of {terms.token_symbol}".removesuffix(" of ") if in_rights else terms.token_symbol
        decimals = 0 if in_rights else terms.token_decimals
        context["ratio"] = ratio_words(market, terms.ratio_num, terms.ratio_den, symbol, decimals)
        context["first_deadline"] = terms.start + terms.window
    return context


def deal_line(deal: Deal, chain: Chain) -> DealLine:
    return DealLine(
        deal=deal,
        price_e18=price_e18(payment=deal.payment, units=deal.units),
        collateral_bps=collateral_bps(collateral=deal.collateral, payment=deal.payment),
        depth=depth_of(deal.opened_event.block_number, chain),
    )


def ratio_words(market: Market, num: int, den: int, symbol: str, decimals: int | None) -> str:
    """What one unit brings: `1 point = 0.25 ENS`."""
    program = market.program
    per_unit = 10**program.unit_decimals
    if decimals is None:
        return f"{num:,} base units of the token for every {den:,} base units of {program.unit_name}"
    name = symbol or "tokens"
    return f"1 {program.unit_name} = {figures.amount(per_unit * num // den, decimals=decimals)} {name}"


@require_GET
def market(request: HttpRequest, escrow: int, market_id: str) -> HttpResponse:
    """A market: status, book, deals, the offer form, the terms."""
    found, wallet = market_or_404(escrow, market_id), wallet_of(request)
    context = live_context(found, wallet)
    context["offer_form"] = OfferForm(market=found)
    if wallet:
        context["free"] = selectors.free_of(wallet, found.pay_token)
        context["deposit_form"] = DepositForm(token=found.pay_token)
    if found.max_ratio_den:
        context["ratio_cap"] = (
            f"at most {found.max_ratio_num:,} base units of the token for every {found.max_ratio_den:,} base units of "
            f"{found.program.unit_name}"
        )
    return render(request, "web/market.html", context)


@require_GET
def market_live(request: HttpRequest, escrow: int, market_id: str) -> HttpResponse:
    """Status, book and deals alone, polled."""
    context = live_context(market_or_404(escrow, market_id), wallet_of(request))
    return revalidated(request, render(request, "web/market_live.html", context))


@require_GET
def market_funds(request: HttpRequest, escrow: int, market_id: str) -> HttpResponse:
    """The reader's balance in the market's payment token, polled."""
    found, wallet = market_or_404(escrow, market_id), wallet_of(request)
    if not wallet:
        return HttpResponse(status=204)
    context = {**market_names(found), "free": selectors.free_of(wallet, found.pay_token)}
    return revalidated(request, render(request, "web/funds_line.html", context))
