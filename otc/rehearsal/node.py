"""JSON-RPC to a development node: signed transactions in batches, and the hand on its blocks and its clock."""

import itertools
import threading
from collections.abc import Sequence
from typing import Any

import orjson
import requests

from otc.core import clock

BATCH = 100  # calls per request: more makes anvil slow to answer the others
TIMEOUT = 60  # seconds; a block of 300 transactions takes one or two
POLL_SECONDS = 0.1
PATIENCE = 200  # blocks without a receipt until a transaction counts as lost

Call = tuple[str, Sequence[Any]]


class NodeError(Exception):
    """The node refused a call; the text is its own."""


class TransactionError(Exception):
    """A transaction was reverted, or never mined."""


class Node:
    """One node. Safe for threads: each has a connection of its own.

    Block numbers, gas and times (unix seconds) are `int`; hashes and addresses lower-case 0x-hex `str`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._local = threading.local()
        self._ids = itertools.count(1)

    # ------------------------------------------------------------ calls

    def call(self, method: str, *params: Any) -> Any:
        """One call's result. NodeError when it is refused."""
        return self._result(self._post(self._request((method, params))), method)

    def batch(self, calls: Sequence[Call]) -> list[Any]:
        """The results, in the order of the calls. NodeError when one is refused."""
        results: list[Any] = []
        for start in range(0, len(calls), BATCH):
            part = calls[start : start + BATCH]
            wanted = [self._request(call) for call in part]
            answers = {answer["id"]: answer for answer in self._post(wanted)}
            results += [self._result(answers[w["id"]], c[0]) for w, c in zip(wanted, part, strict=True)]
        return results

    def _request(self, call: Call) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": call[0], "params": list(call[1])}

    def _post(self, body: Any) -> Any:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False  # a proxy of the shell is not for a node on this machine
        try:
            answer = session.post(
                self.url, data=orjson.dumps(body), headers={"Content-Type": "application/json"}, timeout=TIMEOUT
            )
        except requests.RequestException as error:
            raise NodeError(f"The node at {self.url} does not answer: {error}") from error
        return orjson.loads(answer.content)

    @staticmethod
    def _result(answer: dict[str, Any], method: str) -> Any:
        if "error" in answer:
            raise NodeError(f"{method}: {answer['error'].get('message', answer['error'])}")
        return answer.get("result")

    # ------------------------------------------------------------ facts

    def chain_id(self) -> int:
        return int(self.call("eth_chainId"), 16)

    def block_number(self) -> int:
        return int(self.call("eth_blockNumber"), 16)

    def now(self) -> int:
        """The timestamp of the newest block."""
        return int(self.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def pooled(self) -> int:
        """How many transactions wait for a block."""
        return int(self.call("txpool_status")["pending"], 16)

    def read(self, to: str, data: str) -> str:
        """`eth_call` at the newest block."""
        return str(self.call("eth_call", {"to": to, "data": data}, "latest"))

    def reads(self, calls: Sequence[tuple[str, str]]) -> list[str]:
        """Many `eth_call`s of (to, data) at the newest block."""
        return [str(r) for r in self.batch([("eth_call", ({"to": to, "data": data}, "latest")) for to, data in calls])]

    # ------------------------------------------------------------ transactions

    def send(self, raws: Sequence[str]) -> list[str]:
        """Hands signed transactions to the pool; their hashes."""
        return [str(found) for found in self.batch([("eth_sendRawTransaction", (raw,)) for raw in raws])]

    def receipts(self, hashes: Sequence[str]) -> list[dict[str, Any] | None]:
        return self.batch([("eth_getTransactionReceipt", (found,)) for found in hashes])

    def include(self, hashes: Sequence[str], *, mine: bool = True) -> list[dict[str, Any]]:
        """Makes blocks (or, with `mine` off, waits for the node's own) until all are mined; their receipts.

        TransactionError names the first that was reverted, with the node's reason.
        """
        found: dict[str, dict[str, Any]] = {}
        for turn in range(PATIENCE):
            if mine:
                self.mine()
            elif turn:
                clock.wait(POLL_SECONDS)
            waiting = [h for h in hashes if h not in found]
            found |= {h: r for h, r in zip(waiting, self.receipts(waiting), strict=True) if r is not None}
            if len(found) == len(set(hashes)):
                break
        else:
            raise TransactionError(f"{len(set(hashes)) - len(found)} transactions were not mined.")
        for tx, receipt in found.items():
            if receipt["status"] != "0x1":
                raise TransactionError(f"{tx} was reverted: {self._reason(tx, receipt)}")
        return [found[h] for h in hashes]

    def _reason(self, tx: str, receipt: dict[str, Any]) -> str:
        sent = self.call("eth_getTransactionByHash", tx)
        again = {"from": sent["from"], "to": sent["to"], "data": sent["input"], "gas": sent["gas"]}
        try:
            self.call("eth_call", again, receipt["blockNumber"])
        except NodeError as error:
            return str(error)
        return f"out of gas, or by what else stood in its block (gas {int(sent['gas'], 16)})"

    # ------------------------------------------------------------ the hand on the chain

    def hold_mining(self) -> None:
        """From here on only `mine` and `move_to` make blocks."""
        self.call("evm_setAutomine", False)
        self.call("evm_setIntervalMining", 0)

    def mine(self, count: int = 1) -> None:
        self.call("anvil_mine", hex(count), hex(1))

    def move_to(self, timestamp: int) -> None:
        """Makes one block at exactly this time."""
        self.call("evm_setNextBlockTimestamp", hex(timestamp))
        self.mine()

    def set_clock(self, timestamp: int) -> None:
        """The chain's clock shows this from here on, unless its newest block is later already."""
        if self.now() < timestamp:
            self.call("evm_setTime", timestamp)

    def give_ether(self, addresses: Sequence[str], wei: int) -> None:
        self.batch([("anvil_setBalance", (address, hex(wei))) for address in addresses])
