"""Unsigned transactions: any action of a user as a call that a wallet can sign, tried out first, with its meaning in words.

The escrow is never written to from here; the database is only read. Asks the node: never inside a transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from escrow.chain.client import Call as RpcCall
from escrow.chain.client import RpcError, RpcFault
from escrow.chain.endpoints import chain_answers
from escrow.contracts import bindings
from escrow.services.tx import deals, funds, markets, offers
from escrow.services.tx.call import Call, Need, NeedKind
from escrow.services.tx.params import Params
from escrow.services.tx.refusals import explain
from otc.core.errors import DomainError, ErrorCode

GAS_MARGIN_BPS = 12_000  # state may move between the estimate and the block
BALANCE_OF = "0x" + keccak(text="balanceOf(address)").hex()[:8]
ALLOWANCE = "0x" + keccak(text="allowance(address,address)").hex()[:8]


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
    SLASH = "slash"
    REFUND = "refund"


# Each takes (account, its own type of parameters).
BUILDERS: dict[Action, Callable[[str, Any], Call]] = {
    Action.APPROVE: funds.approve,
    Action.DEPOSIT: funds.deposit,
    Action.WITHDRAW: funds.withdraw,
    Action.CREATE_MARKET: markets.create_market,
    Action.PROPOSE: markets.propose,
    Action.VETO: markets.veto,
    Action.EXTEND: markets.extend,
    Action.PROPOSE_CANCEL: markets.propose_cancel,
    Action.WITHDRAW_CANCEL: markets.withdraw_cancel,
    Action.CONFIRM_CANCEL: markets.confirm_cancel,
    Action.FILL: offers.fill,
    Action.FILL_BATCH: offers.fill_batch,
    Action.CANCEL: offers.cancel,
    Action.INVALIDATE_NONCES: offers.invalidate_nonces,
    Action.BUMP_EPOCH: offers.bump_epoch,
    Action.DELIVER: deals.deliver,
    Action.DELIVER_BATCH: deals.deliver_batch,
    Action.SLASH: deals.slash,
    Action.REFUND: deals.refund,
}


@dataclass(frozen=True, slots=True)
class Issue:
    """What the account must do first. `spender` only for an allowance. Base units of `token`."""

    kind: NeedKind
    token: str
    has: int
    needs: int
    spender: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The contract's error by name, and the rule and remedy in words."""

    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class PreparedTransaction:
    """`gas` is the estimate with a margin; None when the call would fail now. `block_number`: at which all of it was true."""

    chain_id: int
    account: str
    to: str
    data: str
    gas: int | None
    refusal: Refusal | None
    issues: tuple[Issue, ...]
    explanation: tuple[str, ...]
    block_number: int


def transaction_prepare(*, action: Action, account: str, params: Params) -> PreparedTransaction:
    """Checks what the database knows, builds the call, and has a node try it as `account` at its newest block.

    Errors: the DomainErrors of the action's builder, naming the parameter; CHAIN_UNAVAILABLE when no endpoint answers.
    """
    call = BUILDERS[action](account, params)
    return _tried(call, account)


def _tried(call: Call, account: str) -> PreparedTransaction:
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
    return PreparedTransaction(
        chain_id=call.chain.chain_id,
        account=account,
        to=call.to,
        data=call.data,
        gas=None if refusal is not None else int(estimate, 16) * GAS_MARGIN_BPS // 10_000,
        refusal=refusal,
        issues=tuple(_issues(call, held)),
        explanation=call.explanation,
        block_number=int(_required(call, number), 16),
    )


def _reading(call: Call, need: Need, account: str) -> dict[str, str]:
    """The view call that says how much of `need` there is."""
    if need.kind is NeedKind.ESCROW_BALANCE:
        return {"to": call.chain.escrow_address, "data": bindings.encode_balances(need.token, account)}
    if need.kind is NeedKind.BALANCE:
        return {"to": need.token, "data": BALANCE_OF + encode(["address"], [account]).hex()}
    arguments = encode(["address", "address"], [account, call.chain.escrow_address])
    return {"to": need.token, "data": ALLOWANCE + arguments.hex()}


def _issues(call: Call, held: list[Any]) -> list[Issue]:
    issues = []
    for need, answer in zip(call.needs, held, strict=True):
        # An address without code answers with nothing, a broken token with an error: either way there is none of it.
        has = 0 if isinstance(answer, RpcError) or len(answer) < 66 else int(answer[:66], 16)  # noqa: PLR2004 - one word
        if has < need.amount:
            spender = call.chain.escrow_address if need.kind is NeedKind.ALLOWANCE else None
            issues.append(Issue(need.kind, need.token, has, need.amount, spender))
    return issues


def _refusal(call: Call, answer: Any) -> Refusal | None:
    """Errors: CHAIN_UNAVAILABLE when the node failed, not the call."""
    if not isinstance(answer, RpcError):
        return None
    if answer.fault not in {RpcFault.REVERTED, RpcFault.REFUSED}:
        raise _unavailable(call, answer)
    return Refusal(*explain(answer.data, answer.detail))


def _required(call: Call, answer: Any) -> str:
    if isinstance(answer, RpcError):
        raise _unavailable(call, answer)
    return str(answer)


def _unavailable(call: Call, error: RpcError) -> DomainError:
    return DomainError(
        ErrorCode.CHAIN_UNAVAILABLE, f"No endpoint of {call.chain.name} answers ({error.fault}). Try again in a minute."
    )
