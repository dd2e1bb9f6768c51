"""Logs as the contract would write them, from typed events: the reverse of the bindings' decoder, out of the committed ABI."""

import json
from dataclasses import astuple, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from escrow.contracts import bindings

ARTIFACT = Path(bindings.__file__).parent / "artifacts" / "OTCEscrow.json"


@cache
def _inputs() -> dict[str, list[dict[str, Any]]]:
    abi = json.loads(ARTIFACT.read_text(encoding="utf-8"))["abi"]
    return {entry["name"]: entry["inputs"] for entry in abi if entry["type"] == "event"}


def encode_event(event: bindings.Event) -> tuple[list[str], str]:
    """(topics, data) of a log, 0x-hex."""
    topics, types, values = [event.TOPIC0], [], []
    for given, member in zip(_inputs()[type(event).__name__], fields(event), strict=True):
        value = getattr(event, member.name)
        kind = _type(given)
        if given["indexed"]:
            topics.append("0x" + encode([kind], [_raw(value)]).hex())
        else:
            types.append(kind)
            values.append(_raw(value))
    return topics, "0x" + encode(types, values).hex()


def _type(given: dict[str, Any]) -> str:
    if given["type"] == "tuple":
        return "(" + ",".join(_type(member) for member in given["components"]) + ")"
    return given["type"]


def _raw(value: Any) -> Any:
    """As eth_abi wants it: 32-byte hex as bytes, addresses as they are."""
    if is_dataclass(value):
        return tuple(_raw(member) for member in astuple(value))
    if isinstance(value, str) and len(value) == 66:
        return bytes.fromhex(value[2:])
    return value
