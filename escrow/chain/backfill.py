"""Reads what is final already: by ranges, keeping only headers that carry events, and the end of each range."""

from typing import Any

from escrow.chain.client import Node, RpcError, RpcFault
from escrow.chain.planner import Extend, Header
from escrow.chain.readings import (
    ChainMovedError,
    Reading,
    check_links,
    checked_logs,
    header_of,
    headers_of_range,
    list_of,
)


def read_range(node: Node, plan: Extend, *, tip: Header | None, escrow: str) -> Reading:
    """As `live.read_live`, by one eth_getLogs. Teaches `node.width`. Errors: RpcError, ChainMovedError."""
    headers = headers_of_range(node, plan.first, plan.last)
    check_links(headers, tip)
    logs = checked_logs(_logs(node, plan, headers[-1], escrow), headers, escrow)
    kept = {log.block_number for log in logs} | {plan.last}
    return Reading(tuple(header for header in headers if header.number in kept), logs)


def _logs(node: Node, plan: Extend, last: Header, escrow: str) -> list[Any]:
    """By range, together with the proof that the same node knows the range's last block."""
    width = plan.last - plan.first + 1
    query = {"address": escrow, "fromBlock": hex(plan.first), "toBlock": hex(plan.last)}
    try:
        logs, proof = node.batch([("eth_getLogs", [query]), ("eth_getBlockByNumber", [hex(plan.last), False])])
    except RpcError as error:
        if error.fault in {RpcFault.RANGE_TOO_WIDE, RpcFault.TIMEOUT}:
            node.width.refuse(width)
        raise
    if proof is None or header_of(proof).hash != last.hash:
        raise ChainMovedError(f"{node.name} gave logs without knowing block {plan.last}")
    node.width.accept(width)
    return list_of(logs)
