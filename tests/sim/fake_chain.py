"""A chain of fake blocks that forks when told, and nodes that answer about it with the faults real ones have."""

import random
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from escrow.chain.client import RangeWidth, RpcError, RpcFault
from escrow.contracts import bindings
from tests.sim.fake_escrow import FakeEscrow, State
from tests.support.escrow_logs import encode_event

ESCROW = "0x" + "e5" * 20
STRANGE_TOPIC = "0x" + "5a" * 32


@dataclass(frozen=True)
class FakeBlock:
    number: int
    hash: str
    parent_hash: str
    timestamp: int
    logs: list[dict[str, Any]]
    state: State  # after the block

    @property
    def header(self) -> dict[str, Any]:
        return {
            "number": hex(self.number),
            "hash": self.hash,
            "parentHash": self.parent_hash,
            "timestamp": hex(self.timestamp),
        }


class FakeChain:
    """`blocks` are canonical; orphans are gone, as on a real node."""

    def __init__(self, rng: random.Random, escrow: FakeEscrow) -> None:
        self.rng = rng
        self.escrow = escrow
        self.blocks: list[FakeBlock] = []
        self.known: dict[str, FakeBlock] = {}  # every block there ever was, for comparing
        self._forks = 0
        self.mine([])

    @property
    def head(self) -> FakeBlock:
        return self.blocks[-1]

    def mine(self, events: list[bindings.Event] | None = None) -> FakeBlock:
        """One more block, of random actions unless `events` are given."""
        number = len(self.blocks)
        parent = self.blocks[-1].hash if self.blocks else "0x" + "00" * 32
        events = self.escrow.block(8) if events is None else events
        digest = sha256(f"{parent}|{self._forks}|{number}|{events!r}".encode()).hexdigest()
        logs = [self._log(number, "0x" + digest, index, event) for index, event in enumerate(events)]
        if self.rng.random() < 0.05:
            strange = {"topics": [STRANGE_TOPIC], "data": "0x"}
            logs.append(self._place(number, "0x" + digest, len(logs), strange))
        block = FakeBlock(number, "0x" + digest, parent, 1_000 + 2 * number, logs, self.escrow.snapshot())
        self.blocks.append(block)
        self.known[block.hash] = block
        return block

    def reorg(self, depth: int, length: int, *, empty: bool = False) -> None:
        """Replaces the last `depth` blocks by `length` others, of random actions or without any."""
        self._forks += 1
        del self.blocks[-depth:]
        self.escrow.state = self.head.state
        self.escrow.state = self.escrow.snapshot()
        for _ in range(length):
            self.mine([] if empty else None)

    def restore(self, branch: list[FakeBlock]) -> None:
        """Puts an earlier branch back, block for block: the fork that lost wins after all."""
        first = branch[0].number
        del self.blocks[first:]
        self.blocks += branch
        self.escrow.state = self.head.state
        self.escrow.state = self.escrow.snapshot()

    def _log(self, number: int, block_hash: str, index: int, event: bindings.Event) -> dict[str, Any]:
        topics, data = encode_event(event)
        return self._place(number, block_hash, index, {"topics": topics, "data": data})

    @staticmethod
    def _place(number: int, block_hash: str, index: int, log: dict[str, Any]) -> dict[str, Any]:
        return log | {
            "address": ESCROW,
            "blockNumber": hex(number),
            "blockHash": block_hash,
            "logIndex": hex(index),
            "transactionHash": "0x" + sha256(f"{block_hash}|{index}".encode()).hexdigest(),
            "removed": False,
        }


class FakeNode:
    """Answers about `chain` as of now. `faults` is the chance of each misbehaviour per call of `batch`."""

    lanes = 1

    def __init__(self, chain: FakeChain, *, rng: random.Random | None = None, faults: float = 0.0) -> None:
        self.name = "fake"
        self.width = RangeWidth()
        self._chain = chain
        self._rng = rng or random.Random(0)  # noqa: S311 - not for secrets
        self._faults = faults
        self._behind = 0

    def batch(self, calls: list[tuple[str, Any]]) -> list[Any]:
        answers = self.answers(calls)
        for answer in answers:
            if isinstance(answer, RpcError):
                raise answer
        return answers

    def answers(self, calls: list[tuple[str, Any]]) -> list[Any]:
        if self._strikes():
            raise RpcError(self._rng.choice([RpcFault.TIMEOUT, RpcFault.UNREACHABLE, RpcFault.RATE_LIMITED]), "fake")
        # Behind a load balancer the next answer may come from a node that has not seen the last blocks.
        self._behind = self._rng.randint(1, 4) if self._strikes() else 0
        return [self._one(method, params) for method, params in calls]

    def _strikes(self) -> bool:
        return self._rng.random() < self._faults

    def _view(self) -> list[FakeBlock]:
        return self._chain.blocks[: max(1, len(self._chain.blocks) - self._behind)]

    def _one(self, method: str, params: Any) -> Any:
        if method == "eth_getBlockByNumber":
            view = self._view()
            if params[0] == "latest":
                return view[-1].header
            number = int(params[0], 16)
            return view[number].header if number < len(view) else None
        if method == "eth_getLogs":
            return self._logs(params[0])
        if method == "eth_call":
            return RpcError(RpcFault.REVERTED, "no such token")
        raise AssertionError(f"the reader asked {method}")

    def _logs(self, query: dict[str, Any]) -> Any:
        assert query["address"] == ESCROW
        if "blockHash" in query:
            found = [block for block in self._view() if block.hash == query["blockHash"]]
            if not found:
                return RpcError(RpcFault.UNKNOWN_BLOCK, "unknown block")
        else:
            first, last = int(query["fromBlock"], 16), int(query["toBlock"], 16)
            if last - first > 40 and self._faults:
                return RpcError(RpcFault.RANGE_TOO_WIDE, "block range is too wide")
            found = self._view()[first : last + 1]  # a node that lacks the blocks gives fewer logs, without a word
        logs = [log for block in found for log in block.logs]
        if logs and self._strikes():
            logs.append(self._rng.choice(logs))  # one twice
            self._rng.shuffle(logs)
        return logs
