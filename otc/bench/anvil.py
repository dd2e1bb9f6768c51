"""A private anvil for a bench: free port, a block per transaction, every account unlocked."""

import json
import socket
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError
from urllib.request import Request, urlopen

from escrow.contracts import build

START_SECONDS = 180.0  # reading a kept chain of some hundred megabytes takes a while


class AnvilError(Exception):
    """anvil refused, or a transaction failed."""


class Anvil:
    """Use as a context manager. `send` mines one block and returns the receipt."""

    def __init__(self, *arguments: str) -> None:
        binary = build.ROOT / "node_modules/.bin/anvil"
        if not binary.exists():
            raise AnvilError("anvil is missing: run `npm ci` in the project's folder")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        self._process = subprocess.Popen(
            [
                build.node(),
                str(binary),
                "--port",
                str(self.port),
                "--silent",
                "--no-mining",
                "--hardfork",
                "prague",
                *arguments,
            ],
            stdout=self._log,
            stderr=self._log,
        )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.rpc("eth_chainId")
                break
            except URLError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.close()
                    raise AnvilError("anvil did not start") from None
                time.sleep(0.02)
        self.rpc("anvil_autoImpersonateAccount", True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._log.close()

    def rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = Request(self.url, body, {"Content-Type": "application/json"})  # noqa: S310  # our own process
        with urlopen(request, timeout=60) as answer:  # noqa: S310
            reply = json.load(answer)
        if "error" in reply:
            raise AnvilError(f"{method}: {reply['error']}")
        return reply["result"]

    def send(self, sender: str, to: str | None, data: str) -> dict[str, Any]:
        transaction = {"from": sender, "data": data, "gas": hex(20_000_000)}
        if to is not None:
            transaction["to"] = to
        digest = self.rpc("eth_sendTransaction", transaction)
        self.rpc("evm_mine")
        receipt: dict[str, Any] = self.rpc("eth_getTransactionReceipt", digest)
        if receipt["status"] != "0x1":
            call = {key: value for key, value in transaction.items() if key != "gas"}
            raise AnvilError(f"transaction failed: {self._why(call)}")
        return receipt

    def _why(self, call: dict[str, str]) -> str:
        try:
            self.rpc("eth_call", call, "latest")
        except AnvilError as error:
            return str(error)
        return "for a reason that a repeated call does not show"

    def gas(self, sender: str, to: str, data: str) -> int:
        return int(self.send(sender, to, data)["gasUsed"], 16)

    def fund(self, account: str) -> None:
        self.rpc("anvil_setBalance", account, hex(10**24))

    def now(self) -> int:
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def warp(self, timestamp: int) -> None:
        self.rpc("evm_setNextBlockTimestamp", timestamp)
        self.rpc("evm_mine")
