"""A step that a wallet confirms, as the page shows it: what it does, whether it was found to work, what to do first."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from escrow.services.transactions import Action, Issue, Prepared, prepare
from escrow.services.tx.call import NeedKind
from otc.accounts.models import User
from otc.core.chains import escrow_ref
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import to_checksum
from otc.core.models import Chain
from otc.web import figures, selectors
from otc.web.context import wallet_of

APPROVALS = {NeedKind.ALLOWANCE, NeedKind.RIGHTS_APPROVAL}
RIGHT_SENTENCES: dict[str, str] = {
    NeedKind.RIGHTS_APPROVAL: "The escrow may not take pieces of this token from your wallet. Approve it first.",
    NeedKind.RIGHT_OWNER: "The piece {right} is not in your wallet.",
    NeedKind.RIGHT_BALANCE: "Your wallet holds {has} pieces of id {right}; this needs {needs}.",
    NeedKind.ESCROW_RIGHT: "The escrow keeps {has} pieces of id {right} for you; this needs {needs}.",
}


@dataclass(frozen=True, kw_only=True)
class Flow:
    """`payload` is what goes to the wallet, as JSON; empty when nothing can be confirmed now."""

    kind: str
    title: str
    chain_id: int
    account: str
    button: str
    payload: str = ""
    explanation: tuple[str, ...] = ()
    checked: str = ""
    problems: tuple[str, ...] = ()
    status_url: str = ""
    send_to: str = ""
    continue_with: str = ""

    @property
    def ready(self) -> bool:
        return bool(self.payload)

    @property
    def chain_hex(self) -> str:
        return hex(self.chain_id)


def flow_response(request: HttpRequest, flow: Flow) -> HttpResponse:
    """The step as a fragment for the page's flow area."""
    return render(request, "web/flow.html", {"flow": flow})


def refusal(error: DomainError, *, title: str, account: str, chain_id: int) -> Flow:
    """A step that a rule forbids: its sentence, nothing to confirm."""
    return Flow(kind="none", title=title, chain_id=chain_id, account=account, button="", problems=(error.detail,))


def transaction_flow(
    *, action: Action, account: str, chain: Chain, params: Mapping[str, Any], title: str, form: str
) -> Flow:
    """The next transaction of `action`: the action itself or, where an allowance is missing, an approval of exactly that.

    `form` is the selector of the form that is sent again once an approval has been seen. Asks the node.
    """
    try:
        prepared = prepare(action=action, account=account, params=params)
        if len(prepared.issues) == 1 and prepared.issues[0]["kind"] in APPROVALS:
            return _approval(prepared.issues[0], account=account, chain=chain, form=form)
    except DomainError as error:
        return refusal(error, title=title, account=account, chain_id=chain.chain_id)
    return _step(prepared, title=title, chain=chain, button="Confirm in wallet", continue_with="")


def _approval(missing: Issue, *, account: str, chain: Chain, form: str) -> Flow:
    """Of exactly the amount; of rights, of all pieces of the token."""
    token, needs = missing["token"], missing["needs"]
    if missing["kind"] == NeedKind.RIGHTS_APPROVAL:
        action, params = Action.APPROVE_RIGHTS, {"token": token, "chain_id": chain.chain_id}
        what = f"take pieces of {figures.short(to_checksum(token))}, when you deliver them"
    else:
        action, params = Action.APPROVE, {"token": token, "amount": needs, **escrow_ref(chain)}
        what = f"pull exactly {amount_words(chain, token, needs)}"
    approval = prepare(action=action, account=account, params=params)
    title = f"Step 1 of 2: allow the escrow to {what}"
    return _step(approval, title=title, chain=chain, button="Approve in wallet", continue_with=form)


def _step(prepared: Prepared, *, title: str, chain: Chain, button: str, continue_with: str) -> Flow:
    problems = tuple(issue_sentence(chain, issue) for issue in prepared.issues)
    if not prepared.simulation.ok and not problems:
        problems = (prepared.simulation.error or "The contract refuses this now.",)
    call, payload = prepared.transaction, ""
    if not problems:
        payload = json.dumps(
            {"to": call["to"], "data": call["data"], "value": hex(int(call["value"])), "gas": hex(call["gas"])}
        )
    return Flow(
        kind="transaction",
        title=title,
        chain_id=chain.chain_id,
        account=call["from"],
        button=button,
        payload=payload,
        explanation=tuple(prepared.explanation.splitlines()),
        checked=f"Tried out on block {prepared.block_number:,}: it works." if payload else "",
        problems=problems,
        status_url=reverse("web:transaction_status", args=[chain.pk, "0x"]),
        continue_with=continue_with,
    )


def amount_words(chain: Chain, token: str, amount: int) -> str:
    """An amount of a token by its address; its short address where it is none of the payment tokens."""
    symbol, decimals = selectors.token_name(chain, token)
    if decimals is None:
        return f"{amount:,} base units of {figures.short(to_checksum(token))}"
    return f"{figures.amount(amount, decimals=decimals, exact=True)} {symbol}"


def issue_sentence(chain: Chain, issue: Issue) -> str:
    """What the account must do first."""
    if issue["kind"] in RIGHT_SENTENCES:
        return RIGHT_SENTENCES[issue["kind"]].format(**issue)
    has, needs = amount_words(chain, issue["token"], issue["has"]), amount_words(chain, issue["token"], issue["needs"])
    if issue["kind"] == NeedKind.ESCROW_BALANCE:
        return f"Your free escrow balance is {has}; this needs {needs}. Deposit the rest first."
    if issue["kind"] == NeedKind.BALANCE:
        return f"Your wallet holds {has}; this needs {needs}."
    return f"The escrow may pull {has} from your wallet; this needs {needs}. Approve it first."


def require_wallet(account: str) -> str:
    """The signed-in wallet. Errors: SIGN_IN_REQUIRED."""
    if not account:
        raise DomainError(
            ErrorCode.SIGN_IN_REQUIRED, "Sign in with your wallet first: the button is at the top of the page."
        )
    return account


def require_user(request: HttpRequest) -> User:
    """The account of the signed-in wallet. Errors: SIGN_IN_REQUIRED."""
    require_wallet(wallet_of(request))
    assert isinstance(request.user, User)  # noqa: S101 - a wallet was found on it
    return request.user
