"""A node double for the keeper: a pool, blocks, reorgs, and an escrow of which it knows only what is closed."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import rlp
from eth_account.typed_transactions import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from escrow.contracts import bindings, words
from escrow.keeper.deliveries import ALLOWANCE, BALANCE_OF
from escrow.keeper.models import SendResult
from escrow.keeper.node import NodeUnavailableError, Pulse, Receipt, Simulation
from escrow.models import Block
from otc.core.models import Chain

GWEI = 10**9
OPEN_DEAL = words.hexed(b"\xab" * 32)
DELIVERED, SLASHED, REFUNDED, TIMED_OUT = 1, 2, 3, 6


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


@dataclass(frozen=True)
class Part:
    """One item of a call of the keeper's."""

    outcome: int
    deal: bindings.Deal
    tranche: int = 0
    amount: int | None = None
    to_escrow: bool = False


@dataclass
class FakeNode:
    """`answers` are given to the next sends instead of the real ones. `wallets` and `allowances` are of (token, seller), `approvals`
    of (seller, market, token); `base_fee` None makes it a legacy chain, with `tip` as the price of gas.
    """

    number: int = 10
    base_fee: int | None = GWEI
    tip: int = GWEI
    balance: int = 10**18
    nonce: int = 0
    gas_per_item: int = 30_000
    gas_of: dict[str, int] = field(default_factory=dict)
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
    settlement_token: str = "0x" + "77" * 20
    wallets: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    allowances: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    approvals: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    due: int = 0  # of each tranche, where what was delivered before is to be seen; 0: any amount goes
    came: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    done: list[Part] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

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

    def counted(self, address, tx_hashes, *, safe_number):
        return self.pulse(address, safe_number=safe_number).nonce_safe, self.receipts(tx_hashes)

    def known(self, tx_hashes):
        return [tx_hash in self.pool or tx_hash in self.mined for tx_hash in tx_hashes]

    def block_hashes(self, numbers):
        return [self.block_hash(number) if number <= self.number else None for number in numbers]

    def read(self, to, calls, *, block):
        self._up()
        self.asked.append("read")
        return [self._view(call) for call in calls]

    def views(self, calls, *, block):
        self._up()
        self.asked.append("views")
        return [self._token_view(to, data) for to, data in calls]

    def estimate(self, *, sender, to, data):
        self._up()
        self.asked.append("estimate")
        ids = self.ids(data)
        for deal_id in ids:
            if deal_id in self.refuses:
                return Simulation(None, self.refuses[deal_id], "execution reverted")
        refused = self._refused(data)
        if refused is not None:
            return Simulation(None, refused, "execution reverted")
        return Simulation(21_000 + sum(self.gas_of.get(deal_id, self.gas_per_item) for deal_id in ids))

    def try_each(self, *, sender, to, calls, block):
        return [self.estimate(sender=sender, to=to, data=data) for data in calls]

    def send(self, raw: bytes):
        if self.down:
            return SendResult.TRANSIENT, "no connection"
        tx = decoded(raw)
        tx_hash = tx.hash
        self.sends.append(tx_hash)
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
            if tx.nonce == self.nonce and tx.max_fee >= (self.base_fee or 0):
                del self.pool[tx.hash]
                self.nonce += 1
                succeeded = tx.hash not in self.reverting and self._refused(tx.data) is None
                self.mined[tx.hash] = Receipt(self.number, self.block_hash(self.number), succeeded)
                if succeeded:
                    for part in self.parts(tx.data):
                        self._apply(part)

    def _refused(self, data: str) -> str | None:
        """Why a multicall does not go through as a whole; batches skip what is done."""
        if data[:10] != MULTICALL:
            return None
        taken: Counter[str] = Counter()
        for part in self.parts(data):
            if part.deal.id in self.closed:
                return refusal("DealClosed", words.raw(part.deal.id), self.closed[part.deal.id])
            if part.amount is not None:
                seller, market, token = part.deal.seller, part.deal.market, self.settlement_token
                taken[seller] += part.amount
                left = self.due - self.came[part.deal.id, part.tranche]
                if self.due and part.amount > left:
                    return refusal("TooMuch", part.amount, left)
                if taken[seller] > self.approvals[seller, market, token]:
                    return refusal("TooMuch", part.amount, self.approvals[seller, market, token])
                if taken[seller] > min(self.wallets[token, seller], self.allowances[token, seller]):
                    return "0xe450d38c"  # ERC20InsufficientBalance
        return None

    def _apply(self, part: Part) -> None:
        self.done.append(part)
        if part.amount is None:
            self.closed.setdefault(part.deal.id, part.outcome)
            return
        token = self.settlement_token
        self.came[part.deal.id, part.tranche] += part.amount
        self.wallets[token, part.deal.seller] -= part.amount
        self.allowances[token, part.deal.seller] -= part.amount
        self.approvals[part.deal.seller, part.deal.market, token] -= part.amount

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
        blocks = Block.objects.filter(chain=chain, canonical=True)
        held = dict(blocks.values_list("number", "hash"))
        new = [number for number in range(11, self.number + 1) if held.get(number) != self.block_hash(number)]
        gone = [number for number in held if number > self.number]
        blocks.filter(number__in=[*gone, *new]).update(canonical=False)
        Block.objects.bulk_create(
            Block(
                chain=chain,
                number=number,
                hash=self.block_hash(number),
                parent_hash=self.block_hash(number - 1),
                timestamp=chain.head_time,
            )
            for number in new
        )
        Chain.objects.filter(pk=chain.pk).update(
            head_number=self.number,
            head_hash=self.block_hash(self.number),
            safe_number=self.number - 1,
            final_number=self.number - final_depth,
        )

    def parts(self, data: str) -> Iterator[Part]:
        """What a call does; nothing for an empty one."""
        body = "0x" + data[10:]
        selector = data[:10]
        if selector == SLASH_BATCH:
            for item in words.result([f"{bindings.TrancheOf.ABI_TYPE}[]"], body)[0]:
                yield Part(SLASHED, bindings.Deal.from_abi(item[0]), item[1])
        elif selector == REFUND_BATCH:
            for item in words.result([f"{bindings.Deal.ABI_TYPE}[]"], body)[0]:
                yield Part(REFUNDED, bindings.Deal.from_abi(item))
        elif selector == MULTICALL:
            for inner in words.result(["bytes[]"], body)[0]:
                yield from self.parts(words.hexed(inner))
        elif selector == DELIVER_FOR:
            item = bindings.Delivery.from_abi(words.result([bindings.Delivery.ABI_TYPE], body)[0])
            yield Part(DELIVERED, item.deal, item.tranche, item.amount, item.to_escrow)
        elif selector in CLOSES:
            yield Part(CLOSES[selector], bindings.Deal.from_abi(words.result([bindings.Deal.ABI_TYPE], body)[0]))

    def ids(self, data: str) -> list[str]:
        """The deals of a call; none for an empty one."""
        return [part.deal.id for part in self.parts(data)]

    def _view(self, call: str) -> str:
        selector, deal_id = call[:10], "0x" + call[10:74]
        if selector == DEALS:
            if deal_id in self.unknown:
                return f"0x{0:064x}"
            return f"0x{self.closed[deal_id]:064x}" if deal_id in self.closed else OPEN_DEAL
        if selector == AUTO_DELIVER:
            seller, market, token = words.result(["address", "bytes32", "address"], "0x" + call[10:])
            return f"0x{self.approvals[seller, words.hexed(market), token]:064x}"
        if selector == DELIVERED_OF:
            return f"0x{self.came[deal_id, int(call[74:138], 16)]:064x}"
        return f"0x{0:064x}"

    def _token_view(self, token: str, data: str) -> str | None:
        table = {BALANCE_OF: self.wallets, ALLOWANCE: self.allowances}[data[:10]]
        return f"0x{table[token, '0x' + data[34:74]]:064x}" if token == self.settlement_token else None

    def _up(self) -> None:
        if self.down:
            raise NodeUnavailableError("no connection")


def decoded(raw: bytes) -> Tx:
    """A raw transaction of either kind."""
    tx_hash = words.hexed(keccak(raw))
    if raw[0] > 0x7F:
        nonce, price, _gas, _to, _value, data, *_signature = rlp.decode(raw)
        return Tx(tx_hash, int.from_bytes(nonce), words.hexed(data), int.from_bytes(price), int.from_bytes(price))
    fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    return Tx(
        tx_hash,
        int(fields["nonce"]),
        words.hexed(fields["data"]),
        int(fields["maxFeePerGas"]),
        int(fields["maxPriorityFeePerGas"]),
    )


NO_DEAL = bindings.Deal(*["0x" + "00" * 32] * 2, *["0x" + "00" * 20] * 3, *[0] * 4, *["0x" + "00" * 32] * 2, 0)
DEALS = bindings.encode_deals("0x" + "00" * 32)[:10]
SLASH_BATCH = bindings.encode_slash_batch([])[:10]
REFUND_BATCH = bindings.encode_refund_batch([])[:10]
MULTICALL = bindings.encode_multicall([])[:10]
DELIVER_FOR = bindings.encode_deliver_for(bindings.Delivery(NO_DEAL, to_escrow=False, tranche=0, amount=0))[:10]
CLOSES = {
    bindings.encode_finalize(NO_DEAL)[:10]: DELIVERED,
    bindings.encode_rule_timeout(NO_DEAL)[:10]: TIMED_OUT,
}
AUTO_DELIVER = bindings.encode_auto_deliver("0x" + "00" * 20, "0x" + "00" * 32, "0x" + "00" * 20)[:10]
DELIVERED_OF = bindings.encode_delivered("0x" + "00" * 32, 0)[:10]
