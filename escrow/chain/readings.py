"""What was read of a range of blocks, and the checks that both ways of reading make: headers linked, every log in one of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from escrow.chain.blooms import blooms_of, suspects
from escrow.chain.client import Node, RpcError, RpcFault
from escrow.chain.decoder import decode
from escrow.chain.planner import Header
from escrow.contracts.events import Event
from otc.core.fields import normal_hex


class ChainMovedError(Exception):
    """The node's chain changed between two of our questions, or its answers don't fit together: look again."""


class EscrowLog(NamedTuple):
    """A log of the escrow. `event` is None for one that this version doesn't know. `topics` and `data` are 0x-hex."""

    block_number: int
    log_index: int
    block_hash: str
    tx_hash: str
    address: str
    topics: tuple[str, ...]
    data: str
    event: Event | None

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
fromhex = bytes.fromhex


# ---------------------------------------------------------------- headers


def headers_at(node: Node, numbers: Sequence[int]) -> list[Header]:
    """Headers by height; one that the node doesn't have is left out. Errors: RpcError."""
    return [header_of(answer) for answer in blocks_at(node, numbers) if answer is not None]


def blocks_at(node: Node, numbers: Sequence[int]) -> list[Any]:
    """Blocks as the node gives them, None for one that it doesn't have. Errors: RpcError."""
    return node.batch([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])


def headers_of_range(blocks: Iterable[Any], first: int, last: int) -> list[Header]:
    """The headers `first`..`last`, linked. Errors: RpcError; ChainMovedError when one is missing or follows another block."""
    headers = [header_of(answer) for answer in blocks if answer is not None]
    if [header.number for header in headers] != list(range(first, last + 1)):
        raise ChainMovedError(f"the node no longer has all blocks {first} to {last}")
    check_links(headers, None)
    return headers


def header_of(answer: Any) -> Header:
    """A block as the node gives it. Errors: RpcError (malformed)."""
    try:
        return Header(
            int(answer["number"], 16),
            normal_hex(answer["hash"], 32),
            normal_hex(answer["parentHash"], 32),
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


# ---------------------------------------------------------------- logs


def list_of(answer: Any) -> list[Any]:
    """The answer to eth_getLogs. Errors: RpcError (malformed)."""
    if not isinstance(answer, list):
        raise RpcError(RpcFault.MALFORMED, "logs that are no list")
    return answer


def checked_logs(answers: Iterable[Any], headers: Iterable[Header], escrow: str) -> tuple[EscrowLog, ...]:
    """Logs in chain order, each once, each in one of `headers`. Errors: RpcError, ChainMovedError."""
    hashes = {header.number: header.hash for header in headers}
    logs: list[EscrowLog] = []
    in_order = True
    before = (-1, -1)
    for answer in answers:
        log = _log(answer)
        number = log.block_number
        if log.address != escrow:
            raise RpcError(RpcFault.MALFORMED, f"a log of {log.address}, which was not asked for")
        if hashes.get(number) != log.block_hash or answer.get("removed"):
            raise ChainMovedError(f"a log of block {log.block_hash}, which is not in the chain we read")
        place = (number, log.log_index)
        in_order = in_order and place > before
        before = place
        logs.append(log)
    return tuple(logs if in_order else _sorted_once(logs))


def _sorted_once(logs: Iterable[EscrowLog]) -> Iterable[EscrowLog]:
    found: dict[tuple[int, int], EscrowLog] = {}
    for log in logs:
        if found.setdefault((log.block_number, log.log_index), log) != log:
            raise RpcError(RpcFault.MALFORMED, f"two logs {log.log_index} in block {log.block_number}")
    return (found[place] for place in sorted(found))


def _log(answer: Any) -> EscrowLog:
    try:
        texts = [answer["blockHash"], answer["transactionHash"], answer["address"], answer["data"], *answer["topics"]]
        block_hash, tx_hash, address, data, *topics = _clean(texts)
        return EscrowLog(
            int(answer["blockNumber"], 16),
            int(answer["logIndex"], 16),
            block_hash,
            tx_hash,
            address,
            tuple(topics),
            data,
            decode(topics, data),
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise RpcError(RpcFault.MALFORMED, f"a log that can't be read: {error!r}") from error


def _clean(texts: list[str]) -> list[str]:
    """Each 0x and lower-case hex digits of whole bytes, nothing else: what a node says goes into COPY as it stands. Errors: ValueError.

    All at once where they are as they should be: this is done for every log of history.
    """
    digits = [text[2:] for text in texts if text[:2] == "0x" and not len(text) % 2]
    joined = "".join(digits)
    if len(digits) != len(texts):
        raise ValueError("hex without 0x, or half a byte")
    clean = fromhex(joined).hex()
    return texts if clean == joined else ["0x" + fromhex(each).hex() for each in digits]


# ---------------------------------------------------------------- an empty answer that is hard to believe


def doubt_emptiness(
    node: Node, others: Sequence[Node], blocks: Iterable[Any], logs: Sequence[EscrowLog], escrow: str
) -> None:
    """Where a header's bloom filter has the escrow and no log was given, the node is asked again, and then the others.

    A filter may be wrong, so emptiness that all of them tell is believed. Errors: ChainMovedError when anybody has logs there.
    """
    blocks = list(blocks)
    doubtful = set(suspects(blooms_of(blocks), escrow, {log.block_number for log in logs}))
    if not doubtful:
        return
    hashes = [header.hash for header in map(header_of, blocks) if header.number in doubtful]
    calls = [("eth_getLogs", [{"address": escrow, "blockHash": block_hash}]) for block_hash in hashes]
    for place, asked in enumerate([node, *others]):
        try:
            answers = asked.batch(calls)
        except RpcError:
            if place == 0:
                raise
            continue  # it may not have the block yet: no witness
        for block_hash, answer in zip(hashes, answers, strict=True):
            if list_of(answer):
                raise ChainMovedError(f"{node.name} left out logs of block {block_hash}")
