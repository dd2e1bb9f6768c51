"""A node double for the keeper: a pool, blocks, reorgs, and an escrow of which it knows only what is closed."""

from dataclasses import dataclass, field
from typing import Any

from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes

from escrow.contracts import bindings, words
from escrow.keeper.models import SendResult
from escrow.keeper.node import NodeUnavailableError, Pulse, Receipt, Simulation
from escrow.models import Block
from otc.core.models import Chain

GWEI = 10**9
OPEN_DEAL = words.hexed(b"\xab" * 32)
SLASHED, REFUNDED = 2, 3


@dataclass
class Tx:
    hash: str
    nonce: int
    data: str
    max_fee: int
    tip: int


def refusal(name: str, *values: Any) -> str:
    """Revert data of a contract's error."""
    selector, parameters = next((s, p) for s, (n, p) in bindings.ERRORS.items() if n == name)
    return words.call(selector, [kind for _, kind in parameters], values)


@dataclass
class FakeNode:
    """`answers` are given to the next sends instead of the real ones; `lost` forgets what is sent, as a crash would."""

    number: int = 10
    base_fee: int = GWEI
    tip: int = GWEI
    balance: int = 10**18
    nonce: int = 0
    gas_per_item: int = 30_000
    closed: dict[str, int] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    refuses: dict[str, str] = field(default_factory=dict)
    reverting: set[str] = field(default_factory=set)  # hashes that will fail when mined
    answers: list[tuple[SendResult, str]] = field(default_factory=list)
    down: bool = False
    pool: dict[str, Tx] = field(default_factory=dict)
    mined: dict[str, Receipt] = field(default_factory=dict)
    by_hash: dict[str, Tx] = field(default_factory=dict)
    sends: list[str] = field(default_factory=list)
    hashes: dict[int, str] = field(default_factory=dict)
    fork: int = 0

    # ------------------------------------------------------------ escrow.keeper.node.Node

    def pulse(self, address: str, *, safe_number: int) -> Pulse:
        self._up()
        pending = self.nonce + sum(1 for tx in self.pool.values() if tx.nonce >= self.nonce)
        safe = max(
            [self.by_hash[h].nonce + 1 for h, r in self.mined.items() if r.block_number <= safe_number], default=0
        )
        return Pulse(self.number, self.base_fee, self.tip, self.balance, self.nonce, pending, safe)

    def receipts(self, tx_hashes):
        self._up()
        return [self.mined.get(tx_hash) for tx_hash in tx_hashes]

    def known(self, tx_hashes):
        return [tx_hash in self.pool or tx_hash in self.mined for tx_hash in tx_hashes]

    def block_hashes(self, numbers):
        return [self.block_hash(number) if number <= self.number else None for number in numbers]

    def read(self, to, calls, *, block):
        self._up()
        return [self._view(call) for call in calls]

    def estimate(self, *, sender, to, data):
        self._up()
        ids = self.ids(data)
        for deal_id in ids:
            if deal_id in self.refuses:
                return Simulation(None, self.refuses[deal_id], "execution reverted")
        return Simulation(21_000 + self.gas_per_item * len(ids))

    def try_each(self, *, sender, to, calls, block):
        return [self.estimate(sender=sender, to=to, data=data) for data in calls]

    def send(self, raw: bytes):
        if self.down:
            return SendResult.TRANSIENT, "no connection"
        decoded = TypedTransaction.from_bytes(HexBytes(raw))
        fields = decoded.as_dict()
        tx_hash = HexBytes(decoded_hash(raw)).to_0x_hex()
        self.sends.append(tx_hash)
        tx = Tx(
            tx_hash,
            int(fields["nonce"]),
            "0x" + bytes(fields["data"]).hex(),
            int(fields["maxFeePerGas"]),
            int(fields["maxPriorityFeePerGas"]),
        )
        if self.answers:
            result, message = self.answers.pop(0)
            if result is not SendResult.ACCEPTED:
                return result, message
        if tx_hash in self.pool:
            return SendResult.KNOWN, "already known"
        if tx.nonce < self.nonce:
            return SendResult.NONCE_LOW, "nonce too low"
        for other in list(self.pool.values()):
            if other.nonce == tx.nonce:
                if tx.max_fee * 10 < other.max_fee * 11 or tx.tip * 10 < other.tip * 11:
                    return SendResult.UNDERPRICED, "replacement transaction underpriced"
                del self.pool[other.hash]
        self.pool[tx_hash] = self.by_hash[tx_hash] = tx
        return SendResult.ACCEPTED, ""

    # ------------------------------------------------------------ the hand of the test

    def block_hash(self, number: int) -> str:
        """Stays, until a reorg takes the block back."""
        named = f"0x{self.fork:032x}{number:032x}" if number > 10 else f"0x{number:064x}"
        return self.hashes.setdefault(number, named)

    def mine(self) -> None:
        """One block with everything that fits: each nonce in order, if its fee covers the base fee."""
        self.number += 1
        self.block_hash(self.number)
        for tx in sorted(self.pool.values(), key=lambda tx: tx.nonce):
            if tx.nonce == self.nonce and tx.max_fee >= self.base_fee:
                del self.pool[tx.hash]
                self.nonce += 1
                succeeded = tx.hash not in self.reverting
                self.mined[tx.hash] = Receipt(self.number, self.block_hash(self.number), succeeded)
                if succeeded:
                    self.closed.update(
                        {
                            i: (REFUNDED if tx.data[:10] == REFUND_BATCH else SLASHED)
                            for i in self.ids(tx.data)
                            if i not in self.closed
                        }
                    )

    def reorg(self, depth: int, *, keeps_pool: bool) -> None:
        """Takes back the last `depth` blocks; their transactions wait again, or are forgotten."""
        self.fork += 1
        first = self.number - depth + 1
        self.hashes = {number: held for number, held in self.hashes.items() if number < first}
        for tx_hash, receipt in list(self.mined.items()):
            if receipt.block_number >= first:
                del self.mined[tx_hash]
                tx = self.by_hash[tx_hash]
                self.nonce = min(self.nonce, tx.nonce)
                for deal_id in self.ids(tx.data):
                    self.closed.pop(deal_id, None)
                if keeps_pool:
                    self.pool[tx_hash] = tx
        self.number = first - 1

    def fold(self, chain: Chain, *, final_depth: int = 3) -> None:
        """What the watcher would write: blocks, head, safe, final."""
        Block.objects.filter(chain=chain, number__gt=self.number).update(canonical=False)
        for number in range(11, self.number + 1):
            held = Block.objects.filter(chain=chain, number=number, canonical=True).first()
            if held is not None and held.hash == self.block_hash(number):
                continue
            Block.objects.filter(chain=chain, number=number).update(canonical=False)
            Block.objects.create(
                chain=chain,
                number=number,
                hash=self.block_hash(number),
                parent_hash=self.block_hash(number - 1),
                timestamp=chain.head_time,
            )
        Chain.objects.filter(pk=chain.pk).update(
            head_number=self.number,
            head_hash=self.block_hash(self.number),
            safe_number=self.number - 1,
            final_number=self.number - final_depth,
        )

    def ids(self, data: str) -> list[str]:
        """The deals of a batch call; none for an empty one."""
        if data[:10] == SLASH_BATCH:
            items = words.result([f"{bindings.TrancheOf.ABI_TYPE}[]"], "0x" + data[10:])[0]
            return [words.hexed(item[0][0]) for item in items]
        if data[:10] == REFUND_BATCH:
            items = words.result([f"{bindings.Deal.ABI_TYPE}[]"], "0x" + data[10:])[0]
            return [words.hexed(item[0]) for item in items]
        return []

    def _view(self, call: str) -> str:
        deal_id = "0x" + call[10:74]
        if call[:10] == DEALS:
            if deal_id in self.unknown:
                return f"0x{0:064x}"
            return f"0x{self.closed[deal_id]:064x}" if deal_id in self.closed else OPEN_DEAL
        return f"0x{0:064x}"

    def _up(self) -> None:
        if self.down:
            raise NodeUnavailableError("no connection")


def decoded_hash(raw: bytes) -> bytes:
    from eth_utils.crypto import keccak

    return keccak(raw)


DEALS = bindings.encode_deals("0x" + "00" * 32)[:10]
SLASH_BATCH = bindings.encode_slash_batch([])[:10]
REFUND_BATCH = bindings.encode_refund_batch([])[:10]
