"""Reads what is final already: by ranges, several at once, keeping only headers that carry events, and the end of each range.

The ranges are asked, checked and decoded in threads while the caller stages the one before: node, reader and database work at the same
time.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any

from escrow.chain.client import ANSWER_TIMEOUT, Call, Node, RpcError, RpcFault, seconds_left
from escrow.chain.looking import Policy, final_calls, final_of
from escrow.chain.planner import Extend, Header
from escrow.chain.readings import (
    ChainMovedError,
    Reading,
    blocks_at,
    check_links,
    checked_logs,
    doubt_emptiness,
    header_of,
    headers_of_range,
    list_of,
)

RANGE_SECONDS = ANSWER_TIMEOUT  # for one range, from when it is waited for


@dataclass(frozen=True, slots=True)
class _Range:
    """A range as read: its first header links it to what came before."""

    first: Header
    reading: Reading


def readings(
    node: Node,
    plan: Extend,
    *,
    tip: Header | None,
    policy: Policy,
    others: Sequence[Node] = (),
    more: Callable[[], bool] = lambda: True,
) -> Generator[Reading, None, None]:
    """The planned blocks as consecutive readings, each at most `node.width.blocks` wide. Teaches `node.width`. Once there shall
    not be `more`, what is under way is the last.

    Arguments and errors as of `live.read_live`; what was yielded before an error stands.
    """
    lanes = _in_lanes if node.lanes > 1 else _one_by_one
    for found in lanes(node, plan, policy, others, more):
        check_links([found.first], tip)
        tip = found.reading.headers[-1]
        yield found.reading


def _one_by_one(
    node: Node, plan: Extend, policy: Policy, others: Sequence[Node], more: Callable[[], bool]
) -> Iterator[_Range]:
    first = plan.first
    while first <= plan.last and (first == plan.first or more()):
        last = min(first + node.width.blocks - 1, plan.last)
        yield _read(node, first, last, policy, others)
        first = last + 1


def _in_lanes(
    node: Node, plan: Extend, policy: Policy, others: Sequence[Node], more: Callable[[], bool]
) -> Iterator[_Range]:
    """As many ranges under way as the node has lanes; given in order."""
    pool = ThreadPoolExecutor(node.lanes, thread_name_prefix="backfill")
    under_way: deque[tuple[int, Future[_Range]]] = deque()  # with the width asked for
    first = plan.first
    try:
        while True:
            while first <= plan.last and len(under_way) < node.lanes and (first == plan.first or more()):
                last = min(first + node.width.blocks - 1, plan.last)
                under_way.append((last - first + 1, pool.submit(_read, node, first, last, policy, others)))
                first = last + 1
            if not under_way:
                return
            yield _result(*under_way.popleft(), node)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _result(width: int, future: Future[_Range], node: Node) -> _Range:
    try:
        return future.result(timeout=max(0.0, min(RANGE_SECONDS, seconds_left())))
    except FutureTimeoutError:
        node.width.refuse(width)
        raise RpcError(RpcFault.TIMEOUT, f"{node.name} took too long for a range") from None


def _read(node: Node, first: int, last: int, policy: Policy, others: Sequence[Node]) -> _Range:
    blocks = blocks_at(node, range(first, last + 1))
    headers = headers_of_range(blocks, first, last)
    logs = checked_logs(_logs(node, headers, policy), headers, policy.escrow)
    if policy.check_blooms:
        doubt_emptiness(node, others, blocks, logs, policy.escrow)
    kept = {log.block_number for log in logs} | {last}
    return _Range(headers[0], Reading(tuple(header for header in headers if header.number in kept), logs))


def _logs(node: Node, headers: Sequence[Header], policy: Policy) -> list[Any]:
    """By range, together with the proof that the same node knows the range's last block, and calls it final. Behind one address
    stand many machines: one that is stuck on a branch that lost may tell the range after another told what is final.
    """
    first, last = headers[0].number, headers[-1]
    width = last.number - first + 1
    query = {"address": policy.escrow, "fromBlock": hex(first), "toBlock": hex(last.number)}
    calls: list[Call] = [("eth_getLogs", [query]), ("eth_getBlockByNumber", [hex(last.number), False])]
    try:
        answer, proof, *said = node.batch(calls + final_calls(policy))
    except RpcError as error:
        if error.fault in {RpcFault.RANGE_TOO_WIDE, RpcFault.TIMEOUT}:
            node.width.refuse(width)
        raise
    if proof is None or header_of(proof).hash != last.hash or final_of(said, policy)[0] < last.number:
        raise ChainMovedError(f"{node.name} gave logs without knowing block {last.number} as final")
    logs = list_of(answer)
    node.width.accept(width, logs=len(logs))
    return logs
