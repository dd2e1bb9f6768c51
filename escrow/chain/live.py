"""Reads near the head: every header is kept, logs are asked by block hash."""

from collections.abc import Sequence
from typing import Any

from escrow.chain.client import Node, RpcError, RpcFault
from escrow.chain.looking import Policy
from escrow.chain.planner import Extend, Header
from escrow.chain.readings import (
    ChainMovedError,
    Reading,
    blocks_at,
    check_links,
    checked_logs,
    doubt_emptiness,
    headers_of_range,
    list_of,
)


def read_live(node: Node, plan: Extend, *, tip: Header | None, policy: Policy, others: Sequence[Node] = ()) -> Reading:
    """Headers and logs of the planned range. Every header is linked to the one before, every log to its header.

    `tip` is our block before the range (None at the start); `others` are asked where an empty answer is hard to believe. Errors:
    RpcError; ChainMovedError when the node's answers don't fit together or on `tip`.
    """
    blocks = blocks_at(node, range(plan.first, plan.last + 1))
    headers = headers_of_range(blocks, plan.first, plan.last)
    check_links(headers[:1], tip)
    logs = checked_logs(_logs(node, headers, policy.escrow), headers, policy.escrow)
    if policy.check_blooms:
        doubt_emptiness(node, others, blocks, logs, policy.escrow)
    return Reading(tuple(headers), logs)


def _logs(node: Node, headers: list[Header], escrow: str) -> list[Any]:
    """By block hash: a node without that very block says so, instead of giving an empty list."""
    try:
        answers = node.batch([("eth_getLogs", [{"address": escrow, "blockHash": header.hash}]) for header in headers])
    except RpcError as error:
        if error.fault is RpcFault.UNKNOWN_BLOCK:
            raise ChainMovedError(str(error)) from error
        raise
    return [log for answer in answers for log in list_of(answer)]
