"""A wallet's own page: balances, offers, deals; and the page of one deal."""

from typing import Any

from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from escrow.models import Deal, DealOutcome
from escrow.selectors.allowed import deal_detail
from escrow.selectors.deals import DealView, deal_get, rights_kept
from otc.core.fields import normal_hex
from otc.core.models import Chain, EscrowKind
from otc.web import holdings
from otc.web.context import wallet_of
from otc.web.phases import DealState, deal_state
from otc.web.revalidation import revalidated
from otc.web.timeline import timeline_of
from points.domain.offers import collateral_bps, price_e18

OPEN_ROWS = 50  # of a page


def _page(request: HttpRequest, name: str, cards: list[holdings.DealCard]) -> Page[holdings.DealCard]:
    """The page of a list that `name` of the query string asks for; the nearest there is, for one that is not."""
    return Paginator(cards, OPEN_ROWS).get_page(request.GET.get(name))


def _context(request: HttpRequest, wallet: str) -> dict[str, Any]:
    cards = holdings.cards_of(wallet)
    still_open = [card for card in cards if card.open]
    lines = holdings.offers_of(wallet)
    return {
        "wallet": wallet,
        "section": "portfolio",
        "balances": holdings.funds_of(wallet, still_open),
        "in_rights": any(card.deal.chain.kind == EscrowKind.RIGHTS for card in cards),
        "lines": lines,
        "offer_chains": {line.offer.market.chain_id: line.offer.market.chain for line in lines}.values(),
        "selling": _page(request, "selling", [card for card in still_open if card.selling]),
        "buying": _page(request, "buying", [card for card in still_open if not card.selling]),
        "closed": [card for card in cards if not card.open],
        "batches": holdings.delivery_batches(still_open),
    }


@require_GET
def portfolio(request: HttpRequest) -> HttpResponse:
    """Balances, offers and deals of the signed-in wallet; how to sign in, for nobody."""
    wallet = wallet_of(request)
    if not wallet:
        return render(request, "web/portfolio_signed_out.html", {"section": "portfolio"})
    return render(request, "web/portfolio.html", _context(request, wallet))


@require_GET
def portfolio_live(request: HttpRequest) -> HttpResponse:
    """The same without the frame, polled."""
    wallet = wallet_of(request)
    if not wallet:
        return HttpResponse(status=204)
    return revalidated(request, render(request, "web/portfolio_live.html", _context(request, wallet)))


@require_GET
def rights(request: HttpRequest) -> HttpResponse:
    """What the escrow keeps of rights for the wallet, polled by pages of those who deal in them. One query."""
    wallet = wallet_of(request)
    if not wallet:
        return HttpResponse(status=204)
    kept = rights_kept(wallet, chains=Chain.objects.filter(active=True))
    return revalidated(request, render(request, "web/rights.html", {"rights": kept}))


def deal_or_404(deal_id: str) -> Deal:
    try:
        found = deal_get(normal_hex(deal_id, 32))
    except ValueError as error:
        raise Http404("no such deal") from error
    if found is None:
        raise Http404("no such deal")
    return found


def state_of(found: Deal, view: DealView, now: int) -> DealState | None:
    """Where an open deal of an attested market stands."""
    if not view.attested or found.outcome != DealOutcome.OPEN:
        return None
    return deal_state(phase=found.phase, until=found.phase_until, now=now)


@require_GET
def deal(request: HttpRequest, deal_id: str) -> HttpResponse:
    """One deal: its facts, its tranches or attestation, who held it, what the chain said about it."""
    found = deal_or_404(deal_id)
    card = holdings.card_of(found, wallet_of(request))
    detail = deal_detail(found)
    context = {
        "card": card,
        "deal": found,
        "market": found.market,
        "program": found.market.program,
        "token": found.pay_token,
        "chain": found.market.chain,
        "terms": card.view.terms,
        "price_e18": price_e18(payment=found.payment, units=found.units),
        "collateral_bps": collateral_bps(collateral=found.collateral, payment=found.payment),
        "events": timeline_of(found, detail.timeline, card.view.terms),
        "pieces": detail.pieces,
        "transfers": detail.transfers,
        "auto_delivery": detail.auto_delivery,
        "state": state_of(found, detail.view, card.now),
        "section": "portfolio",
    }
    return render(request, "web/deal.html", context)
