"""Reads one range of blocks from one node: linked headers, and the escrow's logs, proven to belong to them and decoded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from escrow.chain.client import Call, Node, RpcError, RpcFault
from escrow.chain.planner import Extend, Header, Remote, TipWindow
from escrow.contracts import bindings


class ChainMovedError(Exception):
    """The node's chain changed between two of our questions: look again."""


@dataclass(frozen=True, slots=True)
class EscrowLog:
    """A log of the escrow. `event` is None for one that this version doesn't know. `topics` and `data` are 0x-hex."""

    block_number: int
    block_hash: str
    log_index: int
    tx_hash: str
    address: str
    topics: tuple[str, ...]
    data: str
    event: bindings.Event | None

    @property
    def name(self) -> str:
        return type(self.event).__name__ if self.event is not None else ""


@dataclass(frozen=True, slots=True)
class Reading:
    """`headers` are those to keep, ascending; the last one is the new tip. `logs` are in chain order."""

    headers: tuple[Header, ...]
    logs: tuple[EscrowLog, ...]


# ---------------------------------------------------------------- looking


def look(node: Node, window: TipWindow, *, final_depth: int, final_by_tag: bool) -> Remote:
    """The node's head, what it calls final, and its headers at the heights that the planner needs. Errors: RpcError."""
    tip = window.tip
    calls: list[Call] = [("eth_getBlockByNumber", ["latest", False])]
    if tip is not None:
        calls.append(("eth_getBlockByNumber", [hex(tip.number), False]))
    if final_by_tag:
        calls.append(("eth_getBlockByNumber", ["finalized", False]))
    answers = node.batch(calls)
    head = _header(answers[0])
    final = _header(answers[-1]).number if final_by_tag else head.number - final_depth
    headers = {head.number: head}
    if tip is None:
        return Remote(head, final, headers)
    if answers[1] is not None:
        at_tip = _header(answers[1])
        headers[at_tip.number] = at_tip
        if at_tip.hash == tip.hash:
            return Remote(head, final, headers)
    numbers = [header.number for header in window.headers if header.number <= head.number]
    headers |= {header.number: header for header in _headers(node, numbers)}
    return Remote(head, final, headers)


def _headers(node: Node, numbers: Sequence[int]) -> list[Header]:
    """Headers by height; one that the node doesn't have is left out."""
    answers = node.batch([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
    return [_header(answer) for answer in answers if answer is not None]


def _header(answer: Any) -> Header:
    try:
        return Header(
            int(answer["number"], 16),
            answer["hash"].lower(),
            answer["parentHash"].lower(),
            int(answer["timestamp"], 16),
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise RpcError(RpcFault.MALFORMED, "a block without number, hash, parentHash or timestamp") from error


# ---------------------------------------------------------------- reading


def read(node: Node, plan: Extend, *, tip: Header | None, escrow: str) -> Reading:
    """Headers and logs of the planned range. Every header is linked to the one before, every log to its header.

    `tip` is our block before the range (None at the start). Errors: RpcError; ChainMovedError when the node's answers don't fit
    together or on `tip`.
    """
    headers = _headers(node, range(plan.first, plan.last + 1))
    if [header.number for header in headers] != list(range(plan.first, plan.last + 1)):
        raise ChainMovedError(f"{node.name} no longer has all blocks {plan.first} to {plan.last}")
    _check_links(headers, tip)
    answers = _live_logs(node, headers, escrow) if plan.live else _range_logs(node, plan, headers[-1], escrow)
    logs = _checked_logs(answers, headers, escrow)
    if plan.live:
        return Reading(tuple(headers), logs)
    kept = {log.block_number for log in logs} | {plan.last}
    return Reading(tuple(header for header in headers if header.number in kept), logs)


def _check_links(headers: Sequence[Header], tip: Header | None) -> None:
    before = tip
    for header in headers:
        if before is not None and header.parent_hash != before.hash:
            raise ChainMovedError(f"block {header.number} does not follow {before.hash}")
        before = header


def _live_logs(node: Node, headers: Sequence[Header], escrow: str) -> list[Any]:
    """By block hash: a node without that very block says so, instead of giving an empty list."""
    try:
        answers = node.batch([("eth_getLogs", [{"address": escrow, "blockHash": header.hash}]) for header in headers])
    except RpcError as error:
        if error.fault is RpcFault.UNKNOWN_BLOCK:
            raise ChainMovedError(str(error)) from error
        raise
    return [log for answer in answers for log in _list(answer)]


def _range_logs(node: Node, plan: Extend, last: Header, escrow: str) -> list[Any]:
    """By range, together with the proof that the same node knows the range's last block."""
    width = plan.last - plan.first + 1
    query = {"address": escrow, "fromBlock": hex(plan.first), "toBlock": hex(plan.last)}
    try:
        logs, proof = node.batch([("eth_getLogs", [query]), ("eth_getBlockByNumber", [hex(plan.last), False])])
    except RpcError as error:
        if error.fault in {RpcFault.RANGE_TOO_WIDE, RpcFault.TIMEOUT}:
            node.width.refuse(width)
        raise
    if proof is None or _header(proof).hash != last.hash:
        raise ChainMovedError(f"{node.name} gave logs without knowing block {plan.last}")
    node.width.accept(width)
    return _list(logs)


def _list(answer: Any) -> list[Any]:
    if not isinstance(answer, list):
        raise RpcError(RpcFault.MALFORMED, "logs that are no list")
    return answer


def _checked_logs(answers: Sequence[Any], headers: Sequence[Header], escrow: str) -> tuple[EscrowLog, ...]:
    """Logs in chain order, each once, each in one of `headers`."""
    hashes = {header.number: header.hash for header in headers}
    found: dict[tuple[int, int], EscrowLog] = {}
    for answer in answers:
        log = _log(answer)
        if log.address != escrow:
            raise RpcError(RpcFault.MALFORMED, f"a log of {log.address}, which was not asked for")
        if hashes.get(log.block_number) != log.block_hash or answer.get("removed"):
            raise ChainMovedError(f"a log of block {log.block_hash}, which is not in the chain we read")
        if found.setdefault((log.block_number, log.log_index), log) != log:
            raise RpcError(RpcFault.MALFORMED, f"two logs {log.log_index} in block {log.block_number}")
    return tuple(found[key] for key in sorted(found))


def _log(answer: Any) -> EscrowLog:
    try:
        topics = tuple(topic.lower() for topic in answer["topics"])
        data = answer["data"].lower()
        return EscrowLog(
            int(answer["blockNumber"], 16),
            answer["blockHash"].lower(),
            int(answer["logIndex"], 16),
            answer["transactionHash"].lower(),
            answer["address"].lower(),
            topics,
            data,
            decode(topics, data),
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise RpcError(RpcFault.MALFORMED, f"a log that can't be read: {error!r}") from error


# ---------------------------------------------------------------- decoding


def decode(topics: Sequence[str], data: str) -> bindings.Event | None:
    """The event, or None when the contract's ABI has none of this topic. Errors: ValueError when malformed."""
    if not topics or topics[0] not in bindings.EVENTS:
        return None
    return bindings.decode_event(topics, data)


@cache
def _fields_of(kind: type[Any]) -> tuple[tuple[str, ...], Callable[[Any], Any]]:
    names = tuple(field.name for field in fields(kind))
    return names, attrgetter(*names) if len(names) > 1 else lambda value: (getattr(value, names[0]),)


def as_json(value: Any) -> Any:
    """An event or struct as JSON members by name; integers as decimal strings."""
    kind = type(value)
    if kind is int:
        return str(value)
    if kind is str or kind is bool:
        return value
    if not is_dataclass(value):
        raise TypeError(f"no JSON form for {kind.__name__}")
    names, getter = _fields_of(kind)  # type: ignore[arg-type]
    if not names:
        return {}
    return {name: as_json(item) for name, item in zip(names, getter(value), strict=True)}
