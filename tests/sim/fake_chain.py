"""A chain of fake blocks that forks when told, and a node that answers about it with the faults real ones have."""

import random
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from escrow.chain.blooms import mask_of
from escrow.chain.client import RangeWidth, RpcError, RpcFault
from escrow.chain.tokens import DECIMALS
from escrow.contracts import bindings
from tests.sim.facts import Changes, Facts, Key
from tests.sim.fake_escrow import FakeEscrow
from tests.support.escrow_logs import encode_event

ESCROW = "0x" + "e5" * 20
STRANGE_TOPIC = "0x" + "5a" * 32
BLOOM = hex(mask_of(ESCROW))
NO_PARENT = "0x" + "00" * 32
_hashes = count(1)  # of all chains, so that no two blocks have the same


@dataclass(slots=True, eq=False)
class FakeBlock:
    """`changes` is what the block did to the facts, `mark` their fingerprint after it, `count` the logs up to its end."""

    number: int
    hash: str
    parent: "FakeBlock | None"
    timestamp: int
    logs: list[dict[str, Any]]
    events: list[bindings.Event]
    changes: Changes
    mark: int
    count: int = field(init=False)
    header: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.count = len(self.logs) + (self.parent.count if self.parent is not None else 0)
        self.header = {
            "number": hex(self.number),
            "hash": self.hash,
            "parentHash": self.parent_hash,
            "timestamp": hex(self.timestamp),
            "logsBloom": BLOOM if self.logs else "0x0",
        }

    @property
    def parent_hash(self) -> str:
        return NO_PARENT if self.parent is None else self.parent.hash

    def branch(self) -> list["FakeBlock"]:
        """From the first block up to this one."""
        blocks, block = [], self
        while block is not None:
            blocks.append(block)
            block = block.parent
        return blocks[::-1]

    def facts(self) -> dict[Key, Any]:
        """What is true after this block."""
        facts = Facts()
        for block in self.branch():
            facts.take_up(block.changes)
        assert facts.mark == self.mark
        return facts.values


class FakeChain:
    """`blocks` are canonical; orphans are gone from it, as on a real node, but not from `known`. At most `size` actions a block.

    `lost`: the newest tips of branches that lost. `finalized`: the height that nodes call final.
    """

    def __init__(self, rng: random.Random, escrow: FakeEscrow, *, size: int = 8) -> None:
        self.rng = rng
        self.escrow = escrow
        self.size = size
        self.blocks: list[FakeBlock] = []
        self.known: dict[str, FakeBlock] = {}  # every block there ever was, for comparing
        self.lost: deque[FakeBlock] = deque(maxlen=6)
        self.finalized = 0
        self.mine([])

    @property
    def head(self) -> FakeBlock:
        return self.blocks[-1]

    def mine(self, events: list[bindings.Event] | None = None) -> FakeBlock:
        """One more block, of random actions unless `events` are given."""
        number = len(self.blocks)
        block_hash = f"0x{next(_hashes):064x}"
        self.escrow.now = timestamp = 1_000 + 2 * number
        drawn = events is None
        events = self.escrow.block(self.size) if events is None else events
        logs = [self._log(number, block_hash, index, event) for index, event in enumerate(events)]
        if drawn and self.rng.random() < 0.05:
            strange = {"topics": [STRANGE_TOPIC], "data": "0x"}
            logs.append(self._place(number, block_hash, len(logs), strange))
        facts, parent = self.escrow.facts, self.blocks[-1] if self.blocks else None
        block = FakeBlock(number, block_hash, parent, timestamp, logs, events, facts.close(), facts.mark)
        self.blocks.append(block)
        self.known[block.hash] = block
        return block

    def reorg(self, depth: int, length: int, *, empty: bool = False) -> None:
        """Replaces the last `depth` blocks by `length` others, of random actions or without any."""
        self.lost.append(self.head)
        self._drop(len(self.blocks) - depth)
        for _ in range(length):
            self.mine([] if empty else None)

    def restore(self, branch: list[FakeBlock]) -> None:
        """Puts an earlier branch back, block for block: the fork that lost wins after all."""
        self.lost.append(self.head)
        self._drop(branch[0].number)
        for block in branch:
            self.escrow.facts.take_up(block.changes)
        self.blocks += branch

    def _drop(self, number: int) -> None:
        """Block `number` and all after it."""
        for block in reversed(self.blocks[number:]):
            self.escrow.facts.take_back(block.changes)
        del self.blocks[number:]

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
            "transactionHash": f"0x{index + 1:032x}{block_hash[34:]}",
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
            return f"0x{6:064x}" if params[0]["data"] == DECIMALS else RpcError(RpcFault.REVERTED, "no name")
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
