"""A chain as the keeper meets it: two nodes with pools of their own, blocks, forks, and escrows that count what takes effect.

It answers JSON-RPC calls, so all of the keeper's own reading of answers runs.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import rlp
from eth_utils.crypto import keccak

from escrow.chain.client import RpcError, RpcFault
from escrow.contracts import words
from tests.sim.keeper_escrow import Item, KeeperEscrow, State, acts_of

GWEI = 10**9
FIRST = 10  # number of the block that everything begins on
ITEM_GAS = 40_000
UNKNOWN_WORDS = "the moon is full"
BUSY_WORDS = ("txpool is full", "nonce too high", "request timed out", "in-flight transaction limit reached")
STRANGER = "ff" * 4


@dataclass(frozen=True, slots=True)
class Tx:
    hash: str
    nonce: int
    to: str
    data: str
    max_fee: int
    tip: int
    stranger: bool = False


@dataclass(slots=True, eq=False)
class Block:
    """`did`: what took effect in it."""

    number: int
    hash: str
    parent: "Block | None"
    timestamp: int
    base_fee: int
    txs: list[tuple[Tx, bool]] = field(default_factory=list)  # and whether it went through
    did: State = field(default_factory=State)


@dataclass(slots=True)
class Node:
    """`behind`: blocks that it has not seen."""

    pool: dict[int, Tx] = field(default_factory=dict)
    behind: int = 0


class KeeperChain:
    """`address` is the keeper's account. `around` is called before and after each request, `sent` with the bytes of each transaction."""

    def __init__(
        self,
        rng: random.Random,
        *,
        address: str,
        now: int,
        legacy: bool,
        around: Callable[[], None],
        sent: Callable[[bytes, Tx], None],
    ) -> None:
        self.rng, self.address, self.legacy = rng, address, legacy
        self.escrow = KeeperEscrow()
        self.around, self.sent = around, sent
        self.escrows: set[str] = set()
        self.nodes = [Node(), Node()]
        self.faults = 0.0
        self.odd_words: list[str] = []  # answers to the next transactions, which are not taken
        self.balance, self.tip = 10**20, GWEI
        self.orphans: list[Block] = []
        self._hashes = count(1)
        self.blocks = [Block(FIRST, self._hash(), None, now, GWEI)]

    def _hash(self) -> str:
        return f"0x{next(self._hashes) << 128:064x}"

    @property
    def head(self) -> Block:
        return self.blocks[-1]

    def nonce(self, blocks: Sequence[Block] | None = None) -> int:
        return sum(len(block.txs) for block in (self.blocks if blocks is None else blocks))

    def state(self, blocks: Sequence[Block] | None = None) -> State:
        """What has taken effect after `blocks`."""
        found = State()
        for block in self.blocks if blocks is None else blocks:
            found.add(block.did)
        return found

    # ------------------------------------------------------------ what happens

    def mine(self, *, seconds: int, others: Sequence[Item] = (), full: bool = False) -> Block:
        """One block: `others` are closed by somebody else, then ours in order of nonce, as far as fees reach; none when it is `full`."""
        base_fee = 0 if self.legacy else self.head.base_fee
        block = Block(self.head.number + 1, self._hash(), self.head, self.head.timestamp + seconds, base_fee)
        state = self.state()
        block.did.closed |= {item: "" for item in others if item not in state.closed}
        state.closed |= block.did.closed
        nonce = self.nonce()
        while not full and (tx := self._next(nonce)) is not None and tx.max_fee >= self.floor:
            done = self._execute(tx, block.timestamp, state)
            block.txs.append((tx, done is not None))
            if done is not None:
                state.add(done)
                block.did.add(done)
            nonce += 1
        self.blocks.append(block)
        for node in self.nodes:
            for taken in [each for each in node.pool if each < nonce]:
                del node.pool[taken]
        return block

    @property
    def floor(self) -> int:
        """What a transaction must offer per gas to be mined."""
        return self.tip if self.legacy else self.head.base_fee

    def _next(self, nonce: int) -> Tx | None:
        offered = [node.pool[nonce] for node in self.nodes if nonce in node.pool]
        return max(offered, key=lambda tx: tx.tip, default=None)

    def reorg(self, depth: int, *, keeps_pool: float) -> None:
        """Takes the last blocks back; each of their transactions waits again at a node with the chance `keeps_pool`."""
        gone = self.blocks[-depth:]
        del self.blocks[-depth:]
        self.orphans = [block for block in gone if block.txs][-4:] or self.orphans
        for block in gone:
            for tx, _ in block.txs:
                for node in self.nodes:
                    if self.rng.random() < keeps_pool:
                        node.pool.setdefault(tx.nonce, tx)

    def stranger(self) -> None:
        """Somebody else signs with the key, at the next nonce of the chain."""
        nonce = self.nonce()
        tx = Tx(f"0x{STRANGER}{nonce:056x}", nonce, self.address, "0x", 10**15, 10**15, stranger=True)
        for node in self.nodes:
            node.pool[nonce] = tx

    def _execute(self, tx: Tx, now: int, state: State) -> State | None:
        """What the transaction adds; None when it reverts."""
        if tx.to == self.address:
            return State()
        try:
            done = self.escrow.call(tx.to, tx.data, now, state, ours=True)
        except RpcError:
            return None
        return State(dict.fromkeys(done.closed, tx.hash), done.came)

    # ------------------------------------------------------------ JSON-RPC

    def answers(self, _chain: Any, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """As `escrow.chain.endpoints.chain_answers`: from the first endpoint that answers. Errors: RpcError."""
        self.around()
        order = self.nodes if self.rng.random() < 0.8 else self.nodes[::-1]
        if self._strikes() and self._strikes(0.5):
            raise RpcError(RpcFault.UNREACHABLE, "nobody answers")
        node = order[1] if self._strikes() else order[0]
        node.behind = self.rng.randint(1, 3) if self._strikes() else 0
        found = [self._one(node, method, params) for method, params in calls]
        self.around()
        return found

    def _strikes(self, chance: float | None = None) -> bool:
        return self.rng.random() < (self.faults if chance is None else chance)

    def _one(self, node: Node, method: str, params: Sequence[Any]) -> Any:
        view = self.blocks[: max(1, len(self.blocks) - node.behind)]
        answer: dict[str, Callable[[], Any]] = {
            "eth_getBlockByNumber": lambda: self._header(view, params[0]),
            "eth_maxPriorityFeePerGas": lambda: (
                RpcError(RpcFault.REFUSED, "no such method") if self.legacy else hex(self.tip)
            ),
            "eth_gasPrice": lambda: hex(self.floor + self.tip),
            "eth_getBalance": lambda: hex(self.balance),
            "eth_getTransactionCount": lambda: self._count(node, view, params[1]),
            "eth_getTransactionReceipt": lambda: self._receipt(view, params[0]),
            "eth_getTransactionByHash": lambda: self._transaction(node, view, params[0]),
            "eth_call": lambda: self._call(view, params[0], params[1]),
            "eth_estimateGas": lambda: self._estimate(view, params[0]),
            "eth_sendRawTransaction": lambda: self._send(node, words.raw(params[0])),
        }
        return answer[method]()

    def _transaction(self, node: Node, view: Sequence[Block], tx_hash: str) -> Any:
        waits = any(tx.hash == tx_hash for tx in node.pool.values())
        return {"hash": tx_hash} if waits or self._receipt(view, tx_hash) else None

    def _header(self, view: Sequence[Block], which: str) -> Any:
        number = view[-1].number if which == "latest" else int(which, 16)
        if not FIRST <= number <= view[-1].number:
            return None
        block = view[number - FIRST]
        header = {"number": hex(number), "hash": block.hash}
        return header if self.legacy else header | {"baseFeePerGas": hex(self.head.base_fee)}

    def _count(self, node: Node, view: Sequence[Block], which: str) -> Any:
        if which == "pending":
            nonce = self.nonce(view)
            while nonce in node.pool:
                nonce += 1
            return hex(nonce)
        if which == "latest":
            return hex(self.nonce(view))
        number = int(which, 16)
        if number > view[-1].number:
            return RpcError(RpcFault.UNKNOWN_BLOCK, "header not found")
        return hex(self.nonce(view[: max(0, number - FIRST + 1)]))

    def _receipt(self, view: Sequence[Block], tx_hash: str) -> Any:
        stale = self.orphans if self._strikes() else []
        for block in [*view, *stale]:
            for tx, went in block.txs:
                if tx.hash == tx_hash:
                    return {"blockNumber": hex(block.number), "blockHash": block.hash, "status": hex(went)}
        return None

    def _call(self, view: Sequence[Block], call: dict[str, str], which: str) -> Any:
        number = int(which, 16)
        if number > view[-1].number:
            return RpcError(RpcFault.UNKNOWN_BLOCK, "header not found")
        blocks = view[: number - FIRST + 1]
        if "from" in call:
            return self._try(call, blocks)
        state = self.state(blocks)
        if call["to"] not in self.escrows:
            return f"0x{self.escrow.token_view(call['to'], call['data'], state):064x}"
        parts = words.result(["bytes[]"], "0x" + call["data"][10:])[0]
        return words.call("0x", ["bytes[]"], [[self.escrow.view(words.hexed(part), state) for part in parts]])

    def _try(self, call: dict[str, str], blocks: Sequence[Block]) -> Any:
        try:
            self.escrow.call(call["to"], call["data"], blocks[-1].timestamp, self.state(blocks))
        except RpcError as error:
            return error
        return "0x"

    def _estimate(self, view: Sequence[Block], call: dict[str, str]) -> Any:
        if call["to"] == self.address:
            return hex(21_000)
        refused = self._try(call, view)
        gas = 21_000 + ITEM_GAS * len(acts_of(call["data"]))
        return refused if isinstance(refused, RpcError) else hex(gas)

    def _send(self, node: Node, raw: bytes) -> Any:
        tx = decoded(raw)
        self.sent(raw, tx)
        words_ = self._objection(node, tx)
        if words_:
            return RpcError(RpcFault.REFUSED, words_)
        node.pool[tx.nonce] = tx
        if not self._strikes():  # gossip
            for each in self.nodes:
                if tx.nonce not in each.pool or each.pool[tx.nonce].max_fee * 11 <= tx.max_fee * 10:
                    each.pool[tx.nonce] = tx
        if self._strikes():
            raise RpcError(RpcFault.TIMEOUT, "it took the transaction and did not say so")
        return tx.hash

    def _objection(self, node: Node, tx: Tx) -> str:
        """Why the node does not take it, in the words of one program or another; empty: it does."""
        other = node.pool.get(tx.nonce)
        if self.odd_words:
            return self.odd_words.pop()
        if other is not None and other.hash == tx.hash:
            return "already known"
        if tx.nonce < self.nonce():
            return "nonce too low"
        if other is not None and (tx.max_fee * 10 < other.max_fee * 11 or tx.tip * 10 < other.tip * 11):
            return "replacement transaction underpriced"
        if tx.max_fee < self.floor and self._strikes(0.5):
            return "max fee per gas less than block base fee"
        return self.rng.choice(BUSY_WORDS) if self._strikes() else ""


def decoded(raw: bytes) -> Tx:
    """A signed transaction, type 2 or legacy."""
    tx_hash = words.hexed(keccak(raw))
    if raw[0] == 2:
        _, nonce, tip, max_fee, _, to, value, data = rlp.decode(raw[1:])[:8]
    else:
        nonce, max_fee, _, to, value, data = rlp.decode(raw)[:6]
        tip = max_fee
    assert not value
    number = int.from_bytes
    return Tx(
        tx_hash, number(nonce, "big"), words.hexed(to), words.hexed(data), number(max_fee, "big"), number(tip, "big")
    )
