"""What the escrow, and tokens about the escrow, say at the newest folded block. Never call it inside a transaction."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from escrow.chain.client import Call, Node, RpcError, nodes_of, within
from escrow.chain.tokens import token_balances
from otc.core.errors import DomainError, ErrorCode
from otc.core.models import Chain

Balances = dict[str, int | None]

STRANGERS_AT_ONCE = 10  # in one request: each may answer with some hundred kilobytes
STRANGERS_SECONDS = 5.0  # for all of them


def ask(
    chain: Chain,
    calls: Sequence[str],
    *,
    pay_tokens: Sequence[str] = (),
    strangers: Sequence[str] = (),
    nodes: Sequence[Node] | None = None,
) -> tuple[list[str], Balances]:
    """What the escrow answers to `calls` (calldata), and what each token says the escrow holds (None: it gives no number), of the first
    node that answers all about the escrow and its payment tokens.

    `strangers` are the other tokens: anybody's code, which can spoil its own answer and no other. Theirs is None, too, when no node
    tells it in time. Errors: CHAIN_UNAVAILABLE.
    """
    at = {"blockHash": chain.head_hash}
    asked: list[Call] = [("eth_call", [{"to": chain.escrow_address, "data": data}, at]) for data in calls]
    all_nodes = list(nodes_of(chain.rpc_urls, chain.chain_id) if nodes is None else nodes)
    reasons = []
    for place, node in enumerate(all_nodes):
        try:
            answers = node.batch(asked)
            held = token_balances(node, pay_tokens, holder=chain.escrow_address, at=at)
        except RpcError as error:
            reasons.append(str(error))
            continue
        return answers, held | _of_strangers(all_nodes[place:], strangers, holder=chain.escrow_address, at=at)
    raise DomainError(
        ErrorCode.CHAIN_UNAVAILABLE, f"No endpoint of {chain.name} answers: {'; '.join(reasons) or 'none configured'}."
    )


def _of_strangers(
    nodes: Sequence[Node], tokens: Sequence[str], *, holder: str, at: Mapping[str, str | None]
) -> Balances:
    held: Balances = dict.fromkeys(tokens)
    with within(STRANGERS_SECONDS):
        for start in range(0, len(tokens), STRANGERS_AT_ONCE):
            some = tokens[start : start + STRANGERS_AT_ONCE]
            for node in nodes:
                with suppress(RpcError):
                    held |= token_balances(node, some, holder=holder, at=at)
                    break
    return held
