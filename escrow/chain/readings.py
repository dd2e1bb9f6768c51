"""What was read of a range of blocks, and the checks that both ways of reading make: headers linked, every log in one of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from escrow.chain.client import Node, RpcError, RpcFault
from escrow.chain.decoder import decode
from escrow.chain.planner import Header
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
    """`headers` are those to keep, ascending; the last one is the new tip. `logs` are in chain order.

    Without headers (and logs) it brings nothing new: the tip stays, and only finality may move.
    """

    headers: tuple[Header, ...]
    logs: tuple[EscrowLog, ...]


EMPTY = Reading((), ())


def headers_at(node: Node, numbers: Sequence[int]) -> list[Header]:
    """Headers by height; one that the node doesn't have is left out. Errors: RpcError."""
    answers = node.batch([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
    return [header_of(answer) for answer in answers if answer is not None]


def headers_of_range(node: Node, first: int, last: int) -> list[Header]:
    """All headers `first`..`last`. Errors: RpcError; ChainMovedError when one is missing."""
    headers = headers_at(node, range(first, last + 1))
    if [header.number for header in headers] != list(range(first, last + 1)):
        raise ChainMovedError(f"{node.name} no longer has all blocks {first} to {last}")
    return headers


def header_of(answer: Any) -> Header:
    """A block as the node gives it. Errors: RpcError (malformed)."""
    try:
        return Header(
            int(answer["number"], 16),
            answer["hash"].lower(),
            answer["parentHash"].lower(),
            int(answer["timestamp"], 16),
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise RpcError(RpcFault.MALFORMED, "a block without number, hash, parentHash or timestamp") from error


def check_links(headers: Iterable[Header], tip: Header | None) -> None:
    """Each header follows the one before it, the first one `tip`. Errors: ChainMovedError."""
    before = tip
    for header in headers:
        if before is not None and header.parent_hash != before.hash:
            raise ChainMovedError(f"block {header.number} does not follow {before.hash}")
        before = header


def list_of(answer: Any) -> list[Any]:
    """The answer to eth_getLogs. Errors: RpcError (malformed)."""
    if not isinstance(answer, list):
        raise RpcError(RpcFault.MALFORMED, "logs that are no list")
    return answer


def checked_logs(answers: Iterable[Any], headers: Iterable[Header], escrow: str) -> tuple[EscrowLog, ...]:
    """Logs in chain order, each once, each in one of `headers`. Errors: RpcError, ChainMovedError."""
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
