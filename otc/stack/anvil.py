"""The development chain: the anvil binary that npm installed, and what is published about its accounts."""

import json
import platform
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from otc.stack.errors import StackError

CHAIN_ID = 31337
# The accounts of anvil's published mnemonic ("test test … junk"), each with 10,000 ether. Anyone knows these keys: never use them elsewhere.
KEYS = (
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
)
ADDRESSES = (
    "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
    "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
    "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc",
    "0x90f79bf6eb2c4f870365e785982e1f101e93b906",
    "0x15d34aaf54267db7d7c367839aaf71a00a2c6a65",
    "0x9965507d1a55bcc2695c58ba16fb37d819b0a4dc",
    "0x976ea74026e726554db657fa54763abd0c3a0aa9",
    "0x14dc79964da2c08b23698b3d3cc7ca32193d9955",
    "0x23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f",
    "0xa0ee7a142d267c1f36714e4a8f75612f20a79720",
)

# Who plays which part in the demonstration, by index into the two tables.
ROLES = {
    "owner": 0,
    "keeper": 1,
    "resolver": 2,
    "guardian": 3,
    "attestor": 4,
    "arbitrator": 5,
    "seller": 6,
    "buyer": 7,
    "maker": 8,
    "taker": 9,
}


def key(role: str) -> str:
    """The published private key of a role."""
    return KEYS[ROLES[role]]


def address(role: str) -> str:
    """The address of a role, in lower case."""
    return ADDRESSES[ROLES[role]]


def binary(project: Path) -> Path:
    """The anvil executable under `project`/node_modules; StackError when npm has not installed it."""
    system = {"linux": "linux", "darwin": "darwin"}.get(sys.platform, sys.platform)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    path = project / "node_modules" / "@foundry-rs" / f"anvil-{system}-{machine}" / "bin" / "anvil"
    if not path.exists():
        raise StackError(
            f"The chain's program {path} is missing: run `npm ci` in {project}, or set RPC_URL to a node of your own."
        )
    return path


def command(
    project: Path,
    *,
    port: int,
    folder: Path,
    load: Path | None = None,
    history: int | None = None,
    timestamp: int | None = None,
) -> list[str]:
    """The words that start anvil on `port` of this machine (0: any free one, named in its output), each transaction making a block.

    It goes on from the state in `load`. `folder` takes the states of old blocks, which otherwise pile up in the home folder; with
    `history` only that many are kept, and calls can't look further back. A new chain begins at `timestamp`, in unix seconds.
    """
    words = [
        str(binary(project)),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--chain-id",
        str(CHAIN_ID),
        "--color",
        "never",
    ]
    words += ["--cache-path", str(folder)]
    if load is not None:
        words += ["--load-state", str(load)]
    elif timestamp is not None:
        words += ["--timestamp", str(timestamp)]
    if history is not None:
        words += ["--prune-history", str(history)]
    return words


class RpcError(Exception):
    """The node answered with an error object, or not at all."""


def rpc(url: str, method: str, *params: Any, timeout: float = 10.0) -> Any:
    """One JSON-RPC call with the standard library. RpcError when it fails."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310  # url is our own setting
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310  # as above
            answer = json.load(response)
    except (OSError, ValueError) as error:
        raise RpcError(f"{method}: {error}") from error
    if "error" in answer:
        raise RpcError(f"{method}: {answer['error'].get('message', answer['error'])}")
    return answer.get("result")


def ready(url: str) -> bool:
    """True once the node at `url` answers."""
    try:
        rpc(url, "eth_chainId", timeout=2.0)
    except RpcError:
        return False
    return True
