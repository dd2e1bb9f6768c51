"""The development chain as a service: anvil with its state kept on disk and its clock never running backwards."""

import gzip
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from otc.stack import anvil, ports
from otc.stack.layout import PROJECT, Layout, read_json, write_json
from otc.stack.supervisor import Service

# Seconds between two saves while they are quick. A longer chain takes longer to save: never more than a tenth of the time.
SAVE_SECONDS = 3.0
SAVE_SHARE = 10
HISTORY = 256  # blocks whose state can still be asked for
TRIES = 3  # to copy the state while no transaction is mined


class Chain:
    """anvil of one stack. `block_time` in seconds makes blocks by the clock; None makes one per transaction, and time is the caller's."""

    def __init__(self, layout: Layout, *, block_time: int | None, say: Callable[[str], None]) -> None:
        self.layout = layout
        self.block_time = block_time
        self.say = say
        self.port = 0
        # How long ago a new chain begins, in seconds: a demonstration lives through the time since, and then sets the clock.
        self.begins_ago = 0
        self._save_took = 0.0
        self._saving = threading.Lock()  # the supervisor's turns, and whoever wants it now

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def _state(self) -> Path:
        return self.layout.anvil / "state.json"

    def choose_port(self) -> None:
        """The port of the last time, so that wallets keep their setting; another when that is taken."""
        path = self.layout.root / "ports.json"
        known = int(read_json(path).get("anvil", 0))
        if known and ports.is_free(known):
            self.port = known
            return
        self.port = ports.any_free()
        if known:
            self.say(f"Port {known} of the chain is in use: now {self.port}. Wallets need the new RPC address.")
        write_json(path, {"anvil": self.port})

    def service(self) -> Service:
        return Service(
            name="chain",
            command=lambda: anvil.command(
                PROJECT,
                port=self.port,
                folder=self.layout.anvil / "states",
                load=self._state if self._state.exists() else None,
                history=HISTORY,
                timestamp=int(time.time()) - self.begins_ago,
            ),
            prepare=lambda: shutil.rmtree(self.layout.anvil / "states", ignore_errors=True),
            ready=lambda _output: anvil.ready(self.url),
            started=self._set_clock,
        )

    def _set_clock(self) -> None:
        """Goes on at the machine's time, or a second after the newest block where that lies ahead: anvil itself would go back."""
        newest = int(anvil.rpc(self.url, "eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        now = int(time.time())
        if newest > now:
            anvil.rpc(self.url, "evm_setTime", newest + 1)
        if self.block_time is not None:
            anvil.rpc(self.url, "evm_setIntervalMining", self.block_time)

    def save_interval(self) -> float:
        """Seconds until the next save."""
        return max(SAVE_SECONDS, SAVE_SHARE * self._save_took)

    def save(self) -> bool:
        """Writes the chain's state whole or not at all; True when it did. A node that doesn't answer is left to the supervisor.

        anvil copies its blocks first and its accounts after them: what a transaction does in between would stand in the accounts and in no
        block. Such a copy is not kept, and while transactions come all the time the last one stays.
        """
        began = time.monotonic()
        with self._saving:
            try:
                saved = any(self._save_once() for _ in range(TRIES))
            except anvil.RpcError:
                return False
            self._save_took = time.monotonic() - began
        return saved

    def _save_once(self) -> bool:
        before = self._block("latest")
        dump = anvil.rpc(self.url, "anvil_dumpState", timeout=60.0)
        newest = int(anvil.rpc(self.url, "eth_blockNumber"), 16)
        since = [self._block(hex(number)) for number in range(int(before["number"], 16), newest + 1)]
        if since[:1] != [before] or any(block is None or block["transactions"] for block in since[1:]):
            return False
        partial = self._state.with_suffix(".partial")
        partial.write_bytes(gzip.decompress(bytes.fromhex(dump[2:])))
        partial.replace(self._state)
        return True

    def _block(self, which: str) -> Any:
        return anvil.rpc(self.url, "eth_getBlockByNumber", which, False)
