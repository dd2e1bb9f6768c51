"""Posting and taking: every outcome in money first, then what the wallet signs or sends."""

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from escrow.services.transactions import Action
from otc.core.errors import DomainError
from otc.core.fields import ZERO_ADDRESS, ZERO_HASH, normal_hex
from otc.web import figures, offers, selectors
from otc.web.context import chain_now, wallet_of
from otc.web.flows import Flow, flow_response, require_user, require_wallet, transaction_flow
from otc.web.forms import MarkedForm, OfferForm, TakeForm
from otc.web.links import market_path
from otc.web.views.markets import market_names, market_or_404
from otc.web.views.session import json_body, json_problems, signature_of
from points.domain.offers import (
    BUY,
    SELL,
    OfferTerms,
    Outcomes,
    PartyOutcome,
    default_min_fill,
    outcomes,
    price_e18,
)
from points.models import Market, Offer
from points.services.offers import offer_withdraw as offer_withdraw_service

SERVICE_NAMES = {"payment": "price", "min_fill": "min_fill", "collateral": "collateral", "expiry": "expiry"}


@dataclass(frozen=True)
class Preview:
    """A fill's outcomes from the reader's side. `free` is None for nobody; `shortfall` what he must deposit first."""

    selling: bool
    posting: bool
    units: int
    price_e18: int
    ends: Outcomes
    fee_bps: int
    free: int | None

    @property
    def mine(self) -> PartyOutcome:
        return self.ends.seller if self.selling else self.ends.buyer

    @property
    def fee(self) -> int:
        return self.ends.fee

    @property
    def break_even_e18(self) -> int:
        return self.ends.break_even_e18

    @property
    def loss_on_default(self) -> int:
        return -self.ends.seller.on_default

    @property
    def cost_on_delivery(self) -> int:
        return -self.ends.buyer.on_delivery

    @property
    def shortfall(self) -> int:
        return 0 if self.free is None else max(0, self.mine.locks - self.free)


def _free(wallet: str, market: Market) -> int | None:
    return selectors.free_of(wallet, market.pay_token) if wallet else None


def form_terms(form: OfferForm, *, maker: str, now: int) -> OfferTerms:
    """The offer that a valid form describes; epoch and salt are filled in where it is prepared for signing."""
    data, market = form.cleaned_data, form.market
    units, payment = data["units"], data["payment"]
    return OfferTerms(
        maker=maker,
        taker=data["taker"],
        side=BUY if data["side"] == "buy" else SELL,
        market=market.market_id,
        pay_token=market.pay_token.address,
        units=units,
        payment=payment,
        collateral=data["collateral_amount"],
        min_fill=data.get("min_fill") or default_min_fill(units=units, payment=payment),
        max_fee_bps=market.chain.fee_bps,
        expiry=now + data["period"],
        epoch=0,
        salt=0,
        ref=ZERO_HASH,
    )


def _preview_of_form(form: OfferForm, wallet: str, *, now: int) -> Preview | None:
    if not form.is_valid():
        return None
    terms, market = form_terms(form, maker=wallet or ZERO_ADDRESS, now=now), form.market
    return Preview(
        selling=terms.side == SELL,
        posting=True,
        units=terms.units,
        price_e18=price_e18(payment=terms.payment, units=terms.units),
        ends=outcomes(terms, units=terms.units, fee_bps=market.chain.fee_bps),
        fee_bps=market.chain.fee_bps,
        free=_free(wallet, market),
    )


@require_POST
def offer_outcome(request: HttpRequest, escrow: int, market_id: str) -> HttpResponse:
    """What the offer being typed would bring; an empty state while it is incomplete."""
    market = market_or_404(escrow, market_id)
    form = OfferForm(request.POST, market=market)
    outcome = _preview_of_form(form, wallet_of(request), now=chain_now(market.chain))
    return render(
        request, "web/outcome.html", {**market_names(market), "outcome": outcome, "errors": typed_errors(form)}
    )


def typed_errors(form: MarkedForm) -> list[str]:
    """What is wrong with what has been typed so far; empty fields are just not reached yet."""
    return [str(message) for name, found in form.errors.items() if form.data.get(name) for message in found]


@require_http_methods(["GET", "POST"])
def offer_new(request: HttpRequest, escrow: int, market_id: str) -> HttpResponse:
    """POST: the typed data to sign, or the form again with its errors beside the fields."""
    market = market_or_404(escrow, market_id)
    if request.method == "GET":
        return redirect(market_path(market))
    wallet = require_wallet(wallet_of(request))
    now = chain_now(market.chain)
    form = OfferForm(request.POST, market=market)
    if form.is_valid():
        try:
            free = selectors.free_of(wallet, market.pay_token)
            prepared = offers.prepare(form_terms(form, maker=wallet, now=now), market, free=free)
        except DomainError as error:
            form.add_domain_error(error, SERVICE_NAMES)
        else:
            flow = Flow(
                kind="typed-data",
                title=offer_words(prepared.terms, market),
                explanation=("Nothing moves until somebody takes it. You can take it out of the book for free.",),
                chain_id=market.chain.chain_id,
                account=wallet,
                button="Sign in wallet",
                payload=offers.payload_of(prepared),
                send_to=reverse("web:offer_signed"),
            )
            return flow_response(request, flow)
    form.mark()
    context = {
        **market_names(market),
        "form": form,
        "outcome": _preview_of_form(form, wallet, now=now),
        "wallet": wallet,
    }
    response = render(request, "web/offer_form.html", context, status=422)
    response["HX-Retarget"] = "#offer-ticket"
    response["HX-Reswap"] = "outerHTML"
    return response


def offer_words(terms: OfferTerms, market: Market) -> str:
    """One sentence that says what is signed."""
    program, token = market.program, market.pay_token
    units = figures.amount(terms.units, decimals=program.unit_decimals, exact=True)
    payment = figures.amount(terms.payment, decimals=token.decimals, exact=True)
    collateral = figures.amount(terms.collateral, decimals=token.decimals, exact=True)
    verb = "Sell" if terms.side == SELL else "Buy"
    return f"{verb} {units} {program.unit_name} for {payment} {token.symbol}, seller's collateral {collateral} {token.symbol}"


@require_POST
@json_problems
def offer_signed(request: HttpRequest) -> HttpResponse:
    """`{typed_data, signature}` from the page's script: stores the offer. JSON out; problems as RFC 9457."""
    wallet = require_wallet(wallet_of(request))
    body = json_body(request)
    typed = body.get("typed_data")
    typed = typed if isinstance(typed, dict) else {}
    terms = offers.terms_of_message(typed.get("message"))
    market = offers.market_of_domain(typed.get("domain"), terms.market)
    stored = offers.post(market=market, terms=terms, signature=signature_of(body), wallet=wallet)
    return JsonResponse({"said": "Your offer is in the book.", "offer_hash": stored.offer_hash}, status=201)


def offer_or_404(offer_hash: str) -> Offer:
    try:
        found = selectors.offer_get(normal_hex(offer_hash, 32))
    except ValueError as error:
        raise Http404("no such offer") from error
    if found is None:
        raise Http404("no such offer")
    return found


def _take_refusal(offer: Offer, wallet: str, *, tradable: bool) -> str:
    """Why `wallet` can't take the offer now; empty when it can."""
    if not tradable:
        return "The market is not open for new deals now."
    if offer.state_now != "open":
        return f"This offer is {offer.state_now}."
    if not offer.fillable_units:
        return "The maker's escrow balance does not cover this offer now."
    if wallet and offer.maker == wallet:
        return "This is your own offer."
    if offer.taker not in {ZERO_ADDRESS, wallet}:
        return "This offer is for another wallet alone."
    return ""


def _take_context(offer: Offer, form: TakeForm, wallet: str, units: int | None) -> dict[str, Any]:
    names = market_names(offer.market)
    selling = offer.side == BUY
    least = min(offer.min_fill, offer.units - offer.filled_units)
    context = {
        **names,
        "offer": offer,
        "form": form,
        "selling": selling,
        "wallet": wallet,
        "refusal": _take_refusal(offer, wallet, tradable=names["phase"].tradable),
        "fill_hint": "All or none."
        if offer.all_or_none
        else f"From {_units(offer, least)} to {_units(offer, offer.fillable_units)}.",
        "outcome": None,
    }
    if units:
        fee = offer.market.chain.fee_bps
        context["outcome"] = Preview(
            selling=selling,
            posting=False,
            units=units,
            price_e18=offer.price_e18,
            ends=outcomes(selectors.terms_of(offer), units=units, fee_bps=fee, filled_before=offer.filled_units),
            fee_bps=fee,
            free=_free(wallet, offer.market),
        )
    return context


def _units(offer: Offer, units: int) -> str:
    return figures.amount(units, decimals=offer.market.program.unit_decimals, exact=True)


@require_http_methods(["GET", "POST"])
def offer(request: HttpRequest, offer_hash: str) -> HttpResponse:
    """GET: the offer with its take form (a page, or a dialog's content). POST: the fill, tried out, ready for the wallet."""
    found, wallet = offer_or_404(offer_hash), wallet_of(request)
    if request.method == "GET":
        form = TakeForm(
            offer=found,
            initial={"units": figures.typed(found.fillable_units, decimals=found.market.program.unit_decimals)},
        )
        context = _take_context(found, form, wallet, found.fillable_units)
        template = "web/offer_dialog.html" if request.headers.get("HX-Request") else "web/offer.html"
        return render(request, template, context)
    require_wallet(wallet)
    form = TakeForm(request.POST, offer=found)
    title = "Sell to this offer" if found.side == BUY else "Buy from this offer"
    refused = _take_refusal(found, wallet, tradable=selectors.market_phase_now(found.market).tradable)
    if refused:
        form.is_valid()
        form.add_error(None, refused)
    if form.is_valid():
        flow = transaction_flow(
            action=Action.FILL,
            account=wallet,
            chain=found.market.chain,
            params={"offer_hash": found.offer_hash, "units": form.cleaned_data["units"]},
            title=title,
            form="#take-form",
        )
        return flow_response(request, flow)
    form.mark()
    response = render(request, "web/take_form.html", _take_context(found, form, wallet, None), status=422)
    response["HX-Retarget"] = "#take-form"
    response["HX-Reswap"] = "outerHTML"
    return response


@require_POST
def take_outcome(request: HttpRequest, offer_hash: str) -> HttpResponse:
    """What taking the typed number of units would bring."""
    found = offer_or_404(offer_hash)
    form = TakeForm(request.POST, offer=found)
    units = form.cleaned_data["units"] if form.is_valid() else None
    context = _take_context(found, form, wallet_of(request), units)
    return render(request, "web/outcome.html", {**context, "errors": typed_errors(form)})


@require_POST
def offer_withdraw(request: HttpRequest, offer_hash: str) -> HttpResponse:
    """Takes the reader's own offer out of the book, without a transaction."""
    user = require_user(request)
    found = offer_or_404(offer_hash)
    offer_withdraw_service(user=user, offer_hash=found.offer_hash)
    return render(request, "web/offer_withdrawn.html", {"offer": found, **market_names(found.market)})
