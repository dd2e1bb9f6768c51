"""Everything a wallet sends: each view prepares one transaction, tried out by the node, and shows it as a step to confirm.

A GET gives the dialog; its form posts here; the answer is the step, or the form again with its errors.
"""

from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods

from escrow.models import Deal, KeptRight
from escrow.selectors.depth import depth_of
from escrow.services.transactions import Action
from otc.core.chains import escrow_ref
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import normal_hex
from otc.core.models import Chain
from otc.web import figures, holdings, selectors
from otc.web.context import wallet_of
from otc.web.flows import flow_response, require_wallet, transaction_flow
from otc.web.forms import DeliverForm, DeliverRightsForm, DepositForm, WithdrawForm
from otc.web.views.portfolio import deal_or_404
from otc.web.views.trade import offer_or_404
from points.models import PayToken

FORM = "#action-form"
PAGE_FORM = "#deposit-form"
BLOCK_DIGITS = 18


def dialog(
    request: HttpRequest, context: Mapping[str, Any], *, template: str = "web/action_dialog.html"
) -> HttpResponse:
    """A dialog's content; a page of its own for a reader without scripts."""
    if request.headers.get("HX-Request"):
        return render(request, template, dict(context))
    return render(request, "web/action_page.html", {**context, "dialog": template})


def form_again(
    request: HttpRequest, context: Mapping[str, Any], template: str, *, replaces: str = "closest [data-dialog-content]"
) -> HttpResponse:
    """The dialog, or whatever `replaces` selects, with errors beside its fields and what was typed."""
    response = render(request, template, dict(context), status=422)
    response["HX-Retarget"] = replaces
    response["HX-Reswap"] = "outerHTML"
    return response


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form is bound to: an empty POST counts, a GET does not."""
    return request.POST if request.method == "POST" else None


# ---------------------------------------------------------------- money


@require_http_methods(["GET", "POST"])
def deposit(request: HttpRequest, token_id: int) -> HttpResponse:
    """From the wallet into its escrow balance: an approval of exactly the amount where one is missing, then the deposit."""
    wallet = require_wallet(wallet_of(request))
    token = get_object_or_404(PayToken.objects.select_related("chain"), pk=token_id, chain__active=True)
    form = DepositForm(posted(request), token=token)
    context = {"token": token, "form": form, "free": selectors.free_of(wallet, token)}
    if request.method == "GET":
        return dialog(request, context, template="web/deposit_dialog.html")
    if not form.is_valid():
        context["form"] = form.mark()
        if request.POST.get("form") == PAGE_FORM:  # the one that stands in the market's page
            context["form_id"] = PAGE_FORM.removeprefix("#")
            return form_again(request, context, "web/deposit_form.html", replaces=PAGE_FORM)
        return form_again(request, context, "web/deposit_dialog.html")
    return _step(
        request,
        action=Action.DEPOSIT,
        chain=token.chain,
        params={"token": token.address, "amount": form.cleaned_data["amount"], **escrow_ref(token.chain)},
        title=f"Deposit {token.symbol}",
    )


@require_http_methods(["GET", "POST"])
def withdraw(request: HttpRequest, escrow: int, token: str) -> HttpResponse:
    """From the escrow balance back to the wallet: payment tokens, and what was delivered into escrow. Never pausable."""
    wallet = require_wallet(wallet_of(request))
    chain = get_object_or_404(Chain, pk=escrow)
    funds = holdings.funds_in(wallet, chain, address_or_404(token))
    form = WithdrawForm(posted(request), funds=funds)
    context = {
        "funds": funds,
        "form": form,
        "free_plain": figures.typed(funds.free, decimals=funds.decimals or 0),
    }
    if request.method == "GET":
        return dialog(request, context, template="web/withdraw_dialog.html")
    if not form.is_valid():
        return form_again(request, {**context, "form": form.mark()}, "web/withdraw_dialog.html")
    return _step(
        request,
        action=Action.WITHDRAW,
        chain=chain,
        params={"token": funds.token, "amount": form.cleaned_data["amount"], **escrow_ref(chain)},
        title=f"Withdraw {funds.symbol}",
    )


def address_or_404(text: str) -> str:
    try:
        return normal_hex(text, 20)
    except ValueError as error:
        raise Http404("no such token") from error


@require_http_methods(["GET", "POST"])
def withdraw_right(request: HttpRequest, kept: int) -> HttpResponse:
    """Pieces of a right out of the escrow, into the wallet that they are kept for. Never pausable."""
    wallet = require_wallet(wallet_of(request))
    row = get_object_or_404(KeptRight.objects.select_related("chain"), pk=kept, user=wallet, amount__gt=0)
    return _simple(
        request,
        action=Action.WITHDRAW_RIGHT,
        chain=row.chain,
        params={"token": row.token, "right": row.right, "amount": row.amount, "chain_id": row.chain.chain_id},
        title=f"Withdraw {figures.pieces(row.amount, '')}, id {row.right}",
        sentence="Out of the escrow, into your wallet. Nobody can stop a withdrawal.",
    )


# ---------------------------------------------------------------- offers


@require_http_methods(["GET", "POST"])
def offer_cancel(request: HttpRequest, offer_hash: str) -> HttpResponse:
    """Kills the signature itself, on chain."""
    wallet, found = require_wallet(wallet_of(request)), offer_or_404(offer_hash)
    if found.maker != wallet:
        raise DomainError(ErrorCode.FORBIDDEN, "Only the offer's maker can cancel it: sign in with that wallet.")
    return _simple(
        request,
        action=Action.CANCEL,
        chain=found.market.chain,
        params={"offer_hash": found.offer_hash},
        title="Cancel the offer on chain",
        sentence="Its signature can never be filled again, here or anywhere. This is a transaction; taking it out of the book is free but leaves the signature valid.",
    )


@require_http_methods(["GET", "POST"])
def bump(request: HttpRequest, escrow: int) -> HttpResponse:
    """Kills every offer the wallet ever signed on a chain."""
    require_wallet(wallet_of(request))
    chain = get_object_or_404(Chain, pk=escrow, active=True)
    return _simple(
        request,
        action=Action.BUMP_EPOCH,
        chain=chain,
        params=escrow_ref(chain),
        title=f"Cancel all offers on {chain.name}",
        sentence="One transaction ends every offer you ever signed on this chain, posted here or not. Deals that exist already are not touched.",
    )


# ---------------------------------------------------------------- deals


def _card(request: HttpRequest, deal_id: str) -> tuple[Deal, holdings.DealCard]:
    found = deal_or_404(deal_id)
    return found, holdings.card_of(found, require_wallet(wallet_of(request)))


@require_http_methods(["GET", "POST"])
def deliver(request: HttpRequest, deal_id: str) -> HttpResponse:
    """The seller gives the tokens of the current tranche, whole or in part."""
    found, card = _card(request, deal_id)
    line = card.current
    if not card.deliverable or line is None:
        raise DomainError(ErrorCode.DEAL_NOT_OPEN, "There is nothing that this wallet can deliver to this deal now.")
    terms = found.market.settlement_terms
    form = (
        DeliverRightsForm(posted(request), semi_fungible=bool(terms.semi_fungible), left=line.left)
        if card.view.in_rights
        else DeliverForm(posted(request), decimals=terms.token_decimals or 0, left=line.left)
    )
    context = {
        "card": card,
        "line": line,
        "deal": found,
        "terms": terms,
        "form": form,
        "market": found.market,
        "token": found.pay_token,
    }
    if request.method == "GET":
        return dialog(request, context, template="web/deliver_dialog.html")
    if not form.is_valid():
        return form_again(request, {**context, "form": form.mark()}, "web/deliver_dialog.html")
    return _step(
        request,
        action=Action.DELIVER_RIGHTS if card.view.in_rights else Action.DELIVER,
        chain=found.market.chain,
        params={
            "deal_id": found.deal_id,
            "tranche": line.view.number,
            "to_escrow": form.cleaned_data["to_escrow"],
            **_delivered(form),
        },
        title="Deliver",
    )


def _delivered(form: DeliverForm | DeliverRightsForm) -> dict[str, Any]:
    """What a delivery moves, as its action takes it."""
    given = form.cleaned_data
    if isinstance(form, DeliverForm):
        return {"amount": given["amount"]}
    amounts = list(given["ids"].values()) if form.semi_fungible else []
    return {"ids": list(given["ids"]), "amounts": amounts, "allowed_ids": given["allowed"]}


@require_http_methods(["GET", "POST"])
def deliver_all(request: HttpRequest, escrow: int, token: str) -> HttpResponse:
    """Everything that can be delivered now in one settlement token: the batch that is due next, in one transaction."""
    wallet = require_wallet(wallet_of(request))
    batches = holdings.delivery_batches(holdings.cards_of(wallet))
    batch = next((one for one in batches if one.chain.pk == escrow and one.token == token.lower()), None)
    if batch is None:
        raise DomainError(
            ErrorCode.DEAL_NOT_OPEN, "Nothing is left to deliver in this token: the page shows the newest state."
        )
    deliveries = [
        {"deal_id": card.deal.deal_id, "tranche": card.current.view.number, "amount": card.current.left}
        for card in batch.cards
        if card.current
    ]
    return _simple(
        request,
        action=Action.DELIVER_BATCH,
        chain=batch.chain,
        params={"deliveries": deliveries},
        title="Deliver everything due",
        sentence="",
        extra={"batch": batch},
    )


@require_http_methods(["GET", "POST"])
def slash(request: HttpRequest, deal_id: str) -> HttpResponse:
    """After the deadline: what was not delivered goes to the buyer. Anyone may."""
    found, card = _card(request, deal_id)
    line = card.current
    if card.act is not holdings.Act.SLASH or line is None:
        raise DomainError(ErrorCode.TOO_EARLY, "There is nothing to slash in this deal now.")
    return _simple(
        request,
        action=Action.SLASH,
        chain=found.market.chain,
        params={"deal_id": found.deal_id, "tranche": line.view.number},
        title="Slash",
        sentence="The window closed. What was not delivered, of payment and collateral, is credited to the buyer. A keeper does this by itself; anyone may be faster.",
    )


@require_http_methods(["GET", "POST"])
def refund(request: HttpRequest, deal_id: str) -> HttpResponse:
    """Each side gets its own back. Anyone may."""
    found, card = _card(request, deal_id)
    if card.act is not holdings.Act.REFUND:
        raise DomainError(ErrorCode.TOO_EARLY, "This deal is not due for a refund.")
    return _simple(
        request,
        action=Action.REFUND,
        chain=found.market.chain,
        params={"deal_id": found.deal_id},
        title="Refund",
        sentence="The market ended without settlement. Buyer and seller each get their own money back, without a fee.",
    )


def _simple(
    request: HttpRequest,
    *,
    action: Action,
    chain: Chain,
    params: Mapping[str, Any],
    title: str,
    sentence: str,
    extra: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """An action with nothing to type: the dialog prepares it at once."""
    if request.method == "GET":
        return dialog(request, {"title": title, "sentence": sentence, "path": request.path, **(extra or {})})
    return _step(request, action=action, chain=chain, params=params, title=title)


def _step(request: HttpRequest, *, action: Action, chain: Chain, params: Mapping[str, Any], title: str) -> HttpResponse:
    flow = transaction_flow(
        action=action,
        account=require_wallet(wallet_of(request)),
        chain=chain,
        params=params,
        title=title,
        form=PAGE_FORM if request.POST.get("form") == PAGE_FORM else FORM,
    )
    return flow_response(request, flow)


# ---------------------------------------------------------------- how far a transaction is


@require_GET
def status(request: HttpRequest, escrow: int, tx_hash: str) -> HttpResponse:
    """`{stage}`: how deep a transaction is by what this server has read: sent (not seen), seen, safe, final.

    `?block=` is the block the wallet's own node put it in: a transaction without an event of the escrow (an approval) is judged
    by that number. One query or two.
    """
    chain = get_object_or_404(Chain, pk=escrow)
    try:
        wanted = normal_hex(tx_hash, 32)
    except ValueError as error:
        raise Http404("no such transaction") from error
    number = selectors.block_of_transaction(chain, wanted)
    claimed = request.GET.get("block", "")
    if number is None and claimed.isascii() and claimed.isdigit() and len(claimed) <= BLOCK_DIGITS:
        number = int(claimed) if chain.head_number is not None and int(claimed) <= chain.head_number else None
    stage = "sent" if number is None else depth_of(number, chain)
    response = JsonResponse({"stage": stage, "block": number})
    response["Cache-Control"] = "no-store"
    return response
