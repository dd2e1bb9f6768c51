"""What the compiler made, what is sent of it, and what must stand on the chain afterwards."""

import json
from pathlib import Path
from typing import Any, Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from escrow.contracts import hashing

ARTIFACTS: Final = Path(__file__).resolve().parents[1] / "artifacts"
WORD: Final = 32


def artifact(name: str) -> dict[str, Any]:
    """The compiled contract: `abi`, `bytecode`, `deployedBytecode`, `immutables`, `compiler`."""
    content: dict[str, Any] = json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def init_code(name: str, *arguments: Any) -> bytes:
    """Creation code with constructor arguments."""
    compiled = artifact(name)
    constructors = [entry["inputs"] for entry in compiled["abi"] if entry["type"] == "constructor"]
    types = [field["type"] for inputs in constructors for field in inputs]
    return bytes.fromhex(compiled["bytecode"][2:]) + encode(types, arguments)


def escrow_code(name: str, *, chain_id: int, address: str) -> bytes:
    """The deployed code of an escrow contract at `address`: its only immutables are those of OpenZeppelin's EIP712, filled in here.

    They stand in the order of their declaration. A contract that tells its domain in words reads all seven, another the first five.
    """
    compiled = artifact(name)
    values = [
        hashing.domain_separator(chain_id, address),
        chain_id.to_bytes(WORD),
        bytes.fromhex(address[2:]).rjust(WORD, b"\0"),
        keccak(text=hashing.NAME),
        keccak(text=hashing.VERSION),
        _short_string(hashing.NAME),
        _short_string(hashing.VERSION),
    ]
    return filled(
        bytes.fromhex(compiled["deployedBytecode"][2:]), compiled["immutables"], values[: len(compiled["immutables"])]
    )


def filled(code: bytes, immutables: list[list[int]], values: list[bytes]) -> bytes:
    """`code` with each immutable's 32-byte value at all of its places. ValueError unless there is a value for each."""
    whole = bytearray(code)
    for places, value in zip(immutables, values, strict=True):
        for start in places:
            if whole[start : start + WORD] != bytes(WORD):
                raise ValueError(f"there is no empty word at byte {start}")
            whole[start : start + WORD] = value
    return bytes(whole)


def _short_string(text: str) -> bytes:
    """As OpenZeppelin's ShortStrings: the text from the left, its length in the last byte."""
    raw = text.encode()
    return raw.ljust(WORD - 1, b"\0") + bytes([len(raw)])
