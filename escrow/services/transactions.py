"""Unsigned transactions: any action of a user as a call that a wallet can sign, tried out first, with its meaning in words.

The escrow is never written to from here; the database is only read. Asks the node: never inside a transaction.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypedDict

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from escrow.chain.client import Call as RpcCall
from escrow.chain.client import RpcError, RpcFault
from escrow.chain.endpoints import chain_answers
from escrow.contracts import bindings, rights_bindings
from escrow.services.tx import (
    attested,
    closes,
    deals,
    funds,
    markets,
    matching,
    offers,
    params,
    positions,
    rights,
    standing,
)
from escrow.services.tx.call import Call, Need, NeedKind
from escrow.services.tx.refusals import explain
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import to_checksum

GAS_MARGIN_BPS = 12_000  # state may move between the estimate and the block
BALANCE_OF = "0x" + keccak(text="balanceOf(address)").hex()[:8]
ALLOWANCE = "0x" + keccak(text="allowance(address,address)").hex()[:8]
IS_APPROVED_FOR_ALL = "0x" + keccak(text="isApprovedForAll(address,address)").hex()[:8]
OWNER_OF = "0x" + keccak(text="ownerOf(uint256)").hex()[:8]
BALANCE_OF_ID = "0x" + keccak(text="balanceOf(address,uint256)").hex()[:8]


class Action(StrEnum):
    """What a user can do on chain. Names are part of the public API."""

    APPROVE = "approve"
    DEPOSIT = "deposit"
    WITHDRAW = "withdraw"
    CREATE_MARKET = "create_market"
    PROPOSE = "propose"
    VETO = "veto"
    EXTEND = "extend"
    PROPOSE_CANCEL = "propose_cancel"
    WITHDRAW_CANCEL = "withdraw_cancel"
    CONFIRM_CANCEL = "confirm_cancel"
    FILL = "fill"
    FILL_BATCH = "fill_batch"
    CANCEL = "cancel"
    INVALIDATE_NONCES = "invalidate_nonces"
    BUMP_EPOCH = "bump_epoch"
    DELIVER = "deliver"
    DELIVER_BATCH = "deliver_batch"
    APPROVE_RIGHTS = "approve_rights"
    DELIVER_RIGHTS = "deliver_rights"
    WITHDRAW_RIGHT = "withdraw_right"
    SLASH = "slash"
    REFUND = "refund"
    MATCH_OFFERS = "match_offers"
    SET_AUTO_DELIVER = "set_auto_deliver"
    DELIVER_FOR = "deliver_for"
    MUTUAL_CLOSE = "mutual_close"
    TRANSFER_POSITION = "transfer_position"
    FILL_RESALE = "fill_resale"
    ATTEST = "attest"
    DISPUTE = "dispute"
    FINALIZE = "finalize"
    RULE = "rule"
    APPEAL = "appeal"
    RULE_TIMEOUT = "rule_timeout"


@dataclass(frozen=True, slots=True)
class Spec:
    """`build` takes (account, `params`)."""

    params: type[Any]
    build: Callable[[str, Any], Call]


ACTIONS: dict[Action, Spec] = {
    Action.APPROVE: Spec(params.TokenAmount, funds.approve),
    Action.DEPOSIT: Spec(params.TokenAmount, funds.deposit),
    Action.WITHDRAW: Spec(params.Withdraw, funds.withdraw),
    Action.CREATE_MARKET: Spec(params.OfMarket, markets.create_market),
    Action.PROPOSE: Spec(params.Propose, markets.propose),
    Action.VETO: Spec(params.OfMarket, markets.veto),
    Action.EXTEND: Spec(params.Extend, markets.extend),
    Action.PROPOSE_CANCEL: Spec(params.OfMarket, markets.propose_cancel),
    Action.WITHDRAW_CANCEL: Spec(params.OfMarket, markets.withdraw_cancel),
    Action.CONFIRM_CANCEL: Spec(params.OfMarket, markets.confirm_cancel),
    Action.FILL: Spec(params.Fill, offers.fill),
    Action.FILL_BATCH: Spec(params.FillBatch, offers.fill_batch),
    Action.CANCEL: Spec(params.OfOffer, offers.cancel),
    Action.INVALIDATE_NONCES: Spec(params.InvalidateNonces, offers.invalidate_nonces),
    Action.BUMP_EPOCH: Spec(params.OfChain, offers.bump_epoch),
    Action.DELIVER: Spec(params.Deliver, deals.deliver),
    Action.DELIVER_BATCH: Spec(params.DeliverBatch, deals.deliver_batch),
    Action.APPROVE_RIGHTS: Spec(params.ApproveRights, rights.approve_rights),
    Action.DELIVER_RIGHTS: Spec(params.DeliverRights, rights.deliver_rights),
    Action.WITHDRAW_RIGHT: Spec(params.WithdrawRight, rights.withdraw_right),
    Action.SLASH: Spec(params.Slash, deals.slash),
    Action.REFUND: Spec(params.OfDeal, deals.refund),
    Action.MATCH_OFFERS: Spec(params.MatchOffers, matching.match_offers),
    Action.SET_AUTO_DELIVER: Spec(params.SetAutoDeliver, standing.set_auto_deliver),
    Action.DELIVER_FOR: Spec(params.Deliver, standing.deliver_for),
    Action.MUTUAL_CLOSE: Spec(params.MutualClose, closes.mutual_close),
    Action.TRANSFER_POSITION: Spec(params.TransferPosition, positions.transfer_position),
    Action.FILL_RESALE: Spec(params.FillResale, positions.fill_resale),
    Action.ATTEST: Spec(params.Attest, attested.attest),
    Action.DISPUTE: Spec(params.Dispute, attested.dispute),
    Action.FINALIZE: Spec(params.OfDeal, attested.finalize),
    Action.RULE: Spec(params.Rule, attested.rule),
    Action.APPEAL: Spec(params.OfDeal, attested.appeal),
    Action.RULE_TIMEOUT: Spec(params.OfDeal, attested.rule_timeout),
}


class Issue(TypedDict):
    """What the account must do first. `kind` is a NeedKind; base units of `token`, or pieces of its id `right`; `spender` only for an
    allowance or approval.
    """

    kind: str
    token: str
    has: int
    needs: int
    spender: str | None
    right: int | None


@dataclass(frozen=True, slots=True)
class Simulation:
    """Whether the call would go through now; else the contract's error by name, and the rule and remedy in words."""

    ok: bool
    name: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """`transaction`: chain_id, from, to, data, value, gas, as JSON takes it; gas is the estimate with a margin, None when the call
    would fail now. `explanation`: sentences, one a line. `block_number`: at which all of it was true.
    """

    transaction: Mapping[str, Any]
    simulation: Simulation
    issues: list[Issue]
    explanation: str
    block_number: int


def prepare(*, action: str, account: str, params: Mapping[str, Any]) -> Prepared:
    """Checks what the database knows, builds the call, and has a node try it as `account` at its newest block.

    `params` are parsed values by the names of the action's own type in `escrow.services.tx.params`. Not inside a transaction.
    Errors: the DomainErrors of the action's builder, naming the parameter; CHAIN_UNAVAILABLE when no endpoint answers.
    """
    spec = ACTIONS[Action(action)]
    return _tried(spec.build(account, spec.params(**params)), account)


def _tried(call: Call, account: str) -> Prepared:
    transaction = {"from": account, "to": call.to, "data": call.data}
    asked: list[RpcCall] = [
        ("eth_blockNumber", []),
        ("eth_estimateGas", [transaction, "latest"]),
        ("eth_call", [transaction, "latest"]),
    ]
    asked += [("eth_call", [_reading(call, need, account), "latest"]) for need in call.needs]
    try:
        answers = chain_answers(call.chain, asked)
    except RpcError as error:
        raise _unavailable(call, error) from error
    number, estimate, trial, *held = answers
    refusal = _refusal(call, trial) or _refusal(call, estimate)
    return Prepared(
        transaction={
            "chain_id": call.chain.chain_id,
            "from": to_checksum(account),
            "to": to_checksum(call.to),
            "data": call.data,
            "value": "0",
            "gas": None if refusal is not None else int(estimate, 16) * GAS_MARGIN_BPS // 10_000,
        },
        simulation=refusal or Simulation(ok=True),
        issues=_issues(call, held, account, works=refusal is None),
        explanation="\n".join(call.explanation),
        block_number=int(_required(call, number), 16),
    )


def _reading(call: Call, need: Need, account: str) -> dict[str, str]:
    """The view call that says how much of `need` there is."""
    if need.kind is NeedKind.ESCROW_BALANCE:
        return {"to": call.chain.escrow_address, "data": bindings.encode_balances(need.token, account)}
    if need.kind is NeedKind.ESCROW_RIGHT:
        right = need.right or 0
        return {"to": call.chain.escrow_address, "data": rights_bindings.encode_rights(need.token, right, account)}
    selector, types, arguments = {
        NeedKind.BALANCE: (BALANCE_OF, ["address"], [account]),
        NeedKind.ALLOWANCE: (ALLOWANCE, ["address", "address"], [account, call.chain.escrow_address]),
        NeedKind.RIGHTS_APPROVAL: (IS_APPROVED_FOR_ALL, ["address", "address"], [account, call.chain.escrow_address]),
        NeedKind.RIGHT_OWNER: (OWNER_OF, ["uint256"], [need.right]),
        NeedKind.RIGHT_BALANCE: (BALANCE_OF_ID, ["address", "uint256"], [account, need.right]),
    }[need.kind]
    return {"to": need.token, "data": selector + encode(types, arguments).hex()}


def _issues(call: Call, held: list[Any], account: str, *, works: bool) -> list[Issue]:
    """A call that works lacks no approval: single pieces can be approved too."""
    issues: list[Issue] = []
    for need, answer in zip(call.needs, held, strict=True):
        has = _has(need, answer, account)
        if has < need.amount and not (works and need.kind is NeedKind.RIGHTS_APPROVAL):
            approval = need.kind in {NeedKind.ALLOWANCE, NeedKind.RIGHTS_APPROVAL}
            issues.append(
                Issue(
                    kind=str(need.kind),
                    token=need.token,
                    has=has,
                    needs=need.amount,
                    spender=call.chain.escrow_address if approval else None,
                    right=need.right,
                )
            )
    return issues


def _has(need: Need, answer: Any, account: str) -> int:
    """An address without code answers with nothing, a broken token with an error: either way there is none of it."""
    if isinstance(answer, RpcError) or len(answer) < 66:  # noqa: PLR2004 - one word
        return 0
    word = int(answer[:66], 16)
    return int(word == int(account, 16)) if need.kind is NeedKind.RIGHT_OWNER else word


def _refusal(call: Call, answer: Any) -> Simulation | None:
    """Errors: CHAIN_UNAVAILABLE when the node failed, not the call."""
    if not isinstance(answer, RpcError):
        return None
    if answer.fault not in {RpcFault.REVERTED, RpcFault.REFUSED}:
        raise _unavailable(call, answer)
    name, sentence = explain(answer.data, answer.detail)
    return Simulation(ok=False, name=name, error=sentence)


def _required(call: Call, answer: Any) -> str:
    if isinstance(answer, RpcError):
        raise _unavailable(call, answer)
    return str(answer)


def _unavailable(call: Call, error: RpcError) -> DomainError:
    return DomainError(
        ErrorCode.CHAIN_UNAVAILABLE, f"No endpoint of {call.chain.name} answers ({error.fault}). Try again in a minute."
    )
