"""What a rehearsal asks of contracts that have no REST call: demo tokens, demo wallets, a few views."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

ARTIFACTS = Path(__file__).resolve().parents[2] / "escrow" / "contracts" / "artifacts"


@cache
def artifact(name: str) -> dict[str, Any]:
    """A committed artifact: abi, bytecode."""
    loaded: dict[str, Any] = json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def _types(signature: str) -> list[str]:
    inner = signature[signature.index("(") + 1 : -1]
    return inner.split(",") if inner else []


@cache
def _selector(signature: str) -> bytes:
    return bytes(keccak(text=signature)[:4])


def call_data(signature: str, *arguments: Any) -> str:
    """Calldata of `name(type,type)`; flat types only."""
    return "0x" + (_selector(signature) + encode(_types(signature), arguments)).hex()


def creation(name: str, types: str, *arguments: Any) -> str:
    """Code that deploys the artifact `name` with constructor arguments of `types`, "(string,uint8)"."""
    return str(artifact(name)["bytecode"]) + encode(_types(types), arguments).hex()


def number(result: str) -> int:
    """The uint256 that a view returned."""
    return int(decode(["uint256"], bytes.fromhex(result[2:]))[0])
