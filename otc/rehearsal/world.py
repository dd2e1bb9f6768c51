"""The stage of a rehearsal: the API, the node, the wallets, and how many of them act at once."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from eth_utils.address import to_checksum_address

from otc.core import clock
from otc.rehearsal import abi
from otc.rehearsal.client import Json, PreparationError, Prepared, Venue
from otc.rehearsal.node import Node
from otc.rehearsal.progress import Console
from otc.rehearsal.wallets import ContractWallet, KeyWallet, Wallet

THREADS = 4  # two cores serve them, and the servers besides
POLL_SECONDS = 0.1
MINING_POLL_SECONDS = 0.5
PATIENCE_SECONDS = 90.0
SIMPLE_GAS = 150_000  # for a call to a demo contract
CREATION_GAS = 3_000_000

Item = TypeVar("Item")
Result = TypeVar("Result")


class Surprise(Exception):  # noqa: N818 - it is what it is: the product did something it should not
    """Something happened that the scenario rules out; the text says what."""


@dataclass(frozen=True, slots=True)
class Act:
    """One call of `tx/prepare` by one wallet."""

    wallet: Wallet
    action: str
    params: Json


@dataclass
class Spent:
    """Transactions and gas by what they were for."""

    transactions: Counter[str] = field(default_factory=Counter)
    gas: Counter[str] = field(default_factory=Counter)

    def add(self, label: str, receipts: Iterable[Json]) -> None:
        for receipt in receipts:
            self.transactions[label] += 1
            self.gas[label] += int(receipt["gasUsed"], 16)


class World:
    """Everything that the stages of a rehearsal share.

    `mine` tells whether blocks are made by hand here (a chain of our own) or by the node's clock (somebody's `up`).
    """

    def __init__(self, venue: Venue, node: Node, console: Console, *, mine: bool = True) -> None:
        self.venue, self.node, self.console, self.mine = venue, node, console, mine
        self.chain_id = node.chain_id()
        self.escrow = str(venue.chain(self.chain_id)["escrow"]).lower()
        self.spent = Spent()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="wallets")

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    # ------------------------------------------------------------ many at once

    def each(self, title: str, items: Sequence[Item], do: Callable[[Item], Result]) -> list[Result]:
        """`do` for every item, a few at a time, results in order, under a bar."""
        with self.console.bar(title, len(items)) as bar:
            return list(bar.over(self._pool.map(do, items)))

    def act(self, title: str, acts: Sequence[Act], *, wait: bool = True) -> list[Json]:
        """Prepares all through the API, signs, sends, and waits until they are mined and (unless `wait` is off) the API has seen them.

        The prepared ones are simulated on the chain as it stands, so no act may need another one of the same call.
        Returns the receipts. PreparationError or TransactionError for the first that fails.
        """
        if not acts:
            return []
        with self.console.bar(title, len(acts)) as bar:
            raws = [
                self._signed(act, prepared)
                for act, prepared in zip(acts, bar.over(self._pool.map(self._prepare, acts)), strict=True)
            ]
            receipts = self.broadcast(raws, label=acts[0].action)
            if wait:
                self.catch_up()
        return receipts

    def broadcast(self, raws: Sequence[str], *, label: str) -> list[Json]:
        """Sends raw transactions and waits until they are mined."""
        receipts = self.node.include(self.node.send(raws), mine=self.mine)
        self.spent.add(label, receipts)
        return receipts

    def _prepare(self, act: Act) -> Prepared:
        return self.venue.prepare(act.wallet, act.action, **act.params)

    @staticmethod
    def _signed(act: Act, prepared: Prepared) -> str:
        if not prepared.ok:
            raise PreparationError(f"{act.wallet.name} {act.action} {act.params}: {prepared.error} {prepared.issues}")
        return act.wallet.sign_transaction(prepared.transaction)

    # ------------------------------------------------------------ waiting

    def catch_up(self) -> None:
        """Waits until the API has read the node's newest block, for both escrows."""
        head = self.node.block_number()
        self.until(lambda: self._read_up_to(head), "the API reads the newest block")

    def _read_up_to(self, head: int) -> bool:
        return all((escrow["head_block"] or 0) >= head for escrow in self.venue.escrows(self.chain_id))

    def until(
        self, holds: Callable[[], bool], what: str, *, seconds: float = PATIENCE_SECONDS, mine: bool = False
    ) -> None:
        """Polls until `holds`. Surprise when it takes too long. With `mine` the chain goes on meanwhile, a block a look."""
        deadline = clock.monotonic() + seconds
        while not holds():
            if clock.monotonic() > deadline:
                raise Surprise(f"Waited {seconds:.0f} s in vain: {what}.")
            if mine:
                self.node.mine()
            clock.wait(MINING_POLL_SECONDS if mine else POLL_SECONDS)

    def move_to(self, timestamp: int) -> None:
        """Moves the chain's clock, and waits until the API knows."""
        self.node.move_to(timestamp)
        self.catch_up()

    # ------------------------------------------------------------ what has no REST call

    def known_wallet(self, name: str, key: str) -> KeyWallet:
        """A wallet that has sent transactions before."""
        wallet = KeyWallet(name, key)
        wallet.nonce = int(self.node.call("eth_getTransactionCount", wallet.address, "pending"), 16)
        return wallet

    def plain(self, to: str, data: str, gas: int = SIMPLE_GAS) -> Json:
        """An unsigned call of a demo contract; `to` "" deploys."""
        return {"chain_id": self.chain_id, "to": to, "data": data, "gas": gas}

    def mint(self, title: str, wanted: Sequence[tuple[Wallet, str, int]]) -> None:
        """Demo tokens for wallets: (wallet, token, base units), each by a transaction of its own."""
        with self.console.bar(title, len(wanted)) as bar:
            raws = [
                wallet.sign_transaction(
                    self.plain(token, abi.call_data("mint(address,uint256)", wallet.address, amount))
                )
                for wallet, token, amount in bar.over(wanted)
            ]
            self.broadcast(raws, label="mint demo tokens")

    def deploy_token(self, by: KeyWallet, name: str, symbol: str, decimals: int) -> str:
        """A new demo token; its address."""
        code = abi.creation("DemoToken", "(string,string,uint8)", name, symbol, decimals)
        raw = by.sign_transaction(self.plain("", code, CREATION_GAS))
        return str(self.broadcast([raw], label="deploy a token")[0]["contractAddress"]).lower()

    def deploy_wallets(self, wanted: Sequence[tuple[str, Sequence[KeyWallet], int]]) -> list[ContractWallet]:
        """Contract wallets of (name, owners, threshold), each deployed by its first owner."""
        raws = [
            owners[0].sign_transaction(ContractWallet.creation(owners, threshold, self.chain_id))
            for _, owners, threshold in wanted
        ]
        receipts = self.broadcast(raws, label="deploy a contract wallet")
        return [
            ContractWallet(name, str(receipt["contractAddress"]).lower(), owners, threshold)
            for (name, owners, threshold), receipt in zip(wanted, receipts, strict=True)
        ]

    def view(self, signature: str, *arguments: Any) -> int:
        """A number that a view of the escrow returns."""
        return abi.number(self.node.read(self.escrow, abi.call_data(signature, *arguments)))


def listed(address: str) -> str:
    """An address as the API writes it."""
    return str(to_checksum_address(address))
