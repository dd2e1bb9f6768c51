"""An anvil process of one test worker, and the hand on its clock, its miner and its forks."""

import contextlib
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from otc.stack import anvil, processes

PROJECT = Path(__file__).resolve().parents[2]


class Anvil:
    """A running anvil. Each transaction makes a block, after its hash was answered, unless `automine(on=False)` was called.

    Addresses and keys are those of anvil's published mnemonic. Times are unix seconds. Amounts are wei.
    """

    addresses = anvil.ADDRESSES
    keys = anvil.KEYS
    chain_id = anvil.CHAIN_ID

    def __init__(self, folder: Path, *extra: str) -> None:
        self.log = folder / "anvil.log"
        self._extra = extra
        self._folder = folder
        self.process: processes.Process | None = None
        self.url = ""

    def start(self) -> None:
        """Starts it on a port that the system picks. Ready when this returns."""
        command = [*anvil.command(PROJECT, port=0, folder=self._folder / "states"), *self._extra]
        with self.log.open("wb") as out:
            self.process = processes.start(command, log=out, cwd=self._folder, death_signal=signal.SIGKILL)
        processes.wait_until(self._listening, seconds=20, what="anvil", process=self.process, log=self.log)

    def stop(self) -> None:
        if self.process is not None:
            processes.stop(self.process, number=signal.SIGKILL)
            self.process = None

    def _listening(self) -> bool:
        found = re.search(r"Listening on (127\.0\.0\.1:\d+)", self.log.read_text(encoding="utf-8"))
        if found is None:
            return False
        self.url = f"http://{found[1]}"
        return anvil.ready(self.url)

    def rpc(self, method: str, *params: Any) -> Any:
        """One JSON-RPC call; `otc.stack.anvil.RpcError` when the node refuses."""
        return anvil.rpc(self.url, method, *params, timeout=30)

    # ------------------------------------------------------------ state

    def snapshot(self) -> str:
        """Remembers the whole state, clock included; the id is good for one `revert`."""
        return str(self.rpc("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        if self.rpc("evm_revert", snapshot) is not True:
            raise AssertionError(f"anvil no longer knows snapshot {snapshot}")

    # ------------------------------------------------------------ blocks

    def block_number(self) -> int:
        return int(self.rpc("eth_blockNumber"), 16)

    def block(self, number: int | str = "latest") -> dict[str, Any]:
        """The header with transaction hashes, fields as the node sends them (hex strings)."""
        block: dict[str, Any] = self.rpc(
            "eth_getBlockByNumber", hex(number) if isinstance(number, int) else number, False
        )
        return block

    def mine(self, count: int = 1, *, interval: int = 1) -> None:
        """Makes `count` blocks, each `interval` seconds after the one before."""
        self.rpc("anvil_mine", hex(count), hex(interval))

    def automine(self, *, on: bool) -> None:
        self.rpc("evm_setAutomine", on)

    @contextlib.contextmanager
    def mining(self) -> Iterator[None]:
        """Inside, each transaction makes a block, as who waits for receipts needs it; outside only `mine()` does."""
        self.automine(on=True)
        try:
            yield
        finally:
            self.automine(on=False)

    def reorg(self, depth: int) -> None:
        """Replaces the last `depth` blocks by empty ones with other hashes."""
        self.rpc("anvil_reorg", depth, [])

    # ------------------------------------------------------------ time

    def now(self) -> int:
        """The timestamp of the newest block."""
        return int(self.block()["timestamp"], 16)

    def set_next_time(self, timestamp: int) -> None:
        """The next block, whatever makes it, has exactly this timestamp."""
        self.rpc("evm_setNextBlockTimestamp", hex(timestamp))

    def move_to(self, timestamp: int) -> None:
        """Makes one block with exactly this timestamp."""
        self.set_next_time(timestamp)
        self.mine()

    def move_by(self, seconds: int) -> None:
        """Makes one block `seconds` after the newest."""
        self.move_to(self.now() + seconds)

    # ------------------------------------------------------------ accounts

    def set_balance(self, address: str, wei: int) -> None:
        self.rpc("anvil_setBalance", address, hex(wei))

    def impersonate(self, address: str) -> None:
        """From now on `eth_sendTransaction` from `address` needs no key (contract wallets, whales)."""
        self.rpc("anvil_impersonateAccount", address)
