"""An RPC endpoint without a network: the project's own client talks to it, and what comes back is as wrong as its habits are.

What it knows of the chain is a view: a block and all before it, be it the head, an older block, or one of a branch that lost.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import requests

from escrow.chain.client import HttpNode
from escrow.chain.tokens import DECIMALS
from otc.core import clock
from tests.sim.fake_chain import ESCROW, FakeBlock, FakeChain

CHAIN_ID = 31_337
OTHER_CHAIN = 1
Answer = tuple[int, Mapping[str, str], bytes]  # status, headers, body


@dataclass(frozen=True, slots=True)
class Habits:
    """Chances of each misbehaviour, per request unless said otherwise."""

    fails: float = 0.0  # no connection, too slow, 429, 500
    garbles: float = 0.0  # cut off, answers missing, given twice or under other ids
    lags: float = 0.0  # some blocks behind
    stale: float = 0.0  # on a branch that lost
    mixes: float = 0.0  # per list of logs: twice, in another order, with one of an orphan, of a stranger, or taken back
    hides: float = 0.0  # per block with logs: none at first, without a word; its index is slower than its headers
    widest: int = 10_000  # blocks of one eth_getLogs
    wrong_chain: bool = False
    hasty: bool = False  # calls its head final


STEADY = Habits()
RELIABLE = Habits(fails=0.02)
HABITS = (
    RELIABLE,
    Habits(fails=0.3, garbles=0.1),
    Habits(garbles=0.15, mixes=0.2),
    Habits(lags=0.3),
    Habits(lags=0.6),
    Habits(stale=0.15, lags=0.1, mixes=0.1),
    Habits(stale=0.7),
    Habits(stale=0.4, widest=5),
    Habits(widest=7, fails=0.05),
    Habits(wrong_chain=True),
)
HIDING = Habits(hides=0.3)  # for chains whose bloom filters are looked at
LIARS = (Habits(hasty=True), Habits(hasty=True, stale=1.0))  # for chains whose finality needs two voices


class View:
    """The chain up to `tip`."""

    def __init__(self, chain: FakeChain, tip: FakeBlock) -> None:
        self.tip = tip
        self._blocks = chain.blocks
        self._own: dict[int, FakeBlock] = {}  # those that are not canonical
        block: FakeBlock | None = tip
        while block is not None and not self._canonical(block):
            self._own[block.number] = block
            block = block.parent
        self.common = -1 if block is None else block.number  # up to here it is as everybody's

    def _canonical(self, block: FakeBlock) -> bool:
        return block.number < len(self._blocks) and self._blocks[block.number] is block

    def at(self, number: int) -> FakeBlock | None:
        if number > self.tip.number or number < 0:
            return None
        return self._own.get(number) or self._blocks[number]

    def holds(self, block: FakeBlock) -> bool:
        return self.at(block.number) is block


class Endpoint(HttpNode):
    """The client of an endpoint, whose requests reach no network. `around` is called before and after each: there a process may
    die, or another one may do its step.
    """

    lanes = 1  # a seed must run the same way again

    def __init__(
        self, chain: FakeChain, *, name: str, rng: random.Random, habits: Habits, around: Callable[[], None]
    ) -> None:
        super().__init__(f"http://{name}", CHAIN_ID)
        self.habits = habits
        self._chain = chain
        self._rng = rng
        self._around = around
        self._indexed: set[str] = set()

    # ------------------------------------------------------------ the transport

    def _exchange(self, body: bytes, until: float) -> tuple[int, Mapping[str, str], bytes]:
        self._around()
        answer = self._answer(orjson.loads(body))
        self._around()
        if clock.monotonic() > until:
            raise requests.Timeout
        return answer

    def _answer(self, calls: list[dict[str, Any]]) -> Answer:
        if self._strikes(self.habits.fails):
            return self._fail()
        view, items = self._view(), []  # a batch goes to one of the machines behind the address
        for call in calls:
            found = self._one(view, call["method"], call["params"])
            items.append({"id": call["id"], ("error" if isinstance(found, Refusal) else "result"): found})
        if self._strikes(self.habits.garbles):
            return self._garbled(items)
        return 200, {}, orjson.dumps(items)

    def _fail(self) -> Answer:
        match self._rng.randrange(5):
            case 0:
                raise requests.Timeout
            case 1:
                raise requests.ConnectionError
            case 2:
                return 429, {"Retry-After": "2"}, b"slow down"
            case 3:
                return 200, {}, orjson.dumps({"error": {"code": -32005, "message": "Too Many Requests"}})
        return 500, {}, b"<html>"

    def _garbled(self, items: list[dict[str, Any]]) -> Answer:
        match self._rng.randrange(5):
            case 0:
                return 200, {}, orjson.dumps(items)[: self._rng.randrange(20)]
            case 1:
                return 200, {}, orjson.dumps(items[1:])
            case 2:
                return 200, {}, orjson.dumps([*items, items[0]])
            case 3:
                return 200, {}, orjson.dumps([{**item, "id": item["id"] + 1} for item in items])
        self._rng.shuffle(items)  # which is allowed
        return 200, {}, orjson.dumps(items)

    # ------------------------------------------------------------ what it knows

    def _view(self) -> View:
        chain = self._chain
        if chain.lost and self._strikes(self.habits.stale):
            return View(chain, chain.lost[-1] if self.habits.stale == 1.0 else self._rng.choice(chain.lost))
        if self._strikes(self.habits.lags):
            return View(chain, chain.blocks[-min(self._rng.randint(1, 12), len(chain.blocks))])
        return View(chain, chain.head)

    def _strikes(self, chance: float) -> bool:
        return chance > 0 and self._rng.random() < chance

    def _one(self, view: View, method: str, params: Any) -> Any:
        match method:
            case "eth_chainId":
                return hex(OTHER_CHAIN if self.habits.wrong_chain else CHAIN_ID)
            case "eth_getBlockByNumber":
                return self._block(view, params[0])
            case "eth_getLogs":
                return self._logs(view, params[0])
            case "eth_call":
                asked_decimals = params[0]["data"] == DECIMALS
                return f"0x{6:064x}" if asked_decimals else Refusal(code=3, message="execution reverted")
        raise AssertionError(f"the reader asked {method}")

    def _block(self, view: View, which: str) -> Any:
        if which == "latest":
            return view.tip.header
        if which == "finalized":
            block = view.at(view.tip.number if self.habits.hasty else min(self._chain.finalized, view.common))
        else:
            block = view.at(int(which, 16))
        return None if block is None else block.header

    def _logs(self, view: View, query: dict[str, Any]) -> Any:
        assert query["address"] == ESCROW
        if "blockHash" in query:
            block = self._chain.known.get(query["blockHash"])
            if block is None or not view.holds(block):
                return Refusal(code=-32000, message="unknown block")
            blocks = [block]
        else:
            first, last = int(query["fromBlock"], 16), int(query["toBlock"], 16)
            if last - first >= self.habits.widest:
                return Refusal(code=-32600, message="block range is too wide")
            # A machine that lacks the blocks gives fewer logs, without a word.
            blocks = [block for number in range(first, last + 1) if (block := view.at(number)) is not None]
        logs = [log for block in blocks if not self._hidden(block) for log in block.logs]
        return self._mixed(logs) if logs and self._strikes(self.habits.mixes) else logs

    def _hidden(self, block: FakeBlock) -> bool:
        if not block.logs or block.hash in self._indexed:
            return False
        self._indexed.add(block.hash)
        return self._strikes(self.habits.hides)

    def _mixed(self, logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        log = self._rng.choice(logs)
        match self._rng.randrange(5):
            case 0:
                logs = [*logs, log]
            case 1:
                logs = [*logs, {**log, "removed": True}]
            case 2:
                logs = [*logs, {**log, "address": "0x" + "aa" * 20}]
            case 3 if self._chain.lost:
                logs = [*logs, *self._rng.choice(self._chain.lost).logs]
            case _:
                logs = [*logs, {**log, "data": log["data"] + "00"}]
        self._rng.shuffle(logs)
        return logs


class Refusal(dict[str, Any]):
    """An error object."""
