"""Logs as the contract would write them, from typed events: the reverse of the bindings' decoder, out of the committed ABI.

Every member of an event is one word, or a struct of words, so the encoding is the words in their order. tests/unit/escrow compares it with eth_abi.
"""

import json
from dataclasses import fields
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

from escrow.contracts import bindings
from escrow.contracts.events import Event

ARTIFACTS = Path(bindings.__file__).parent / "artifacts"


@cache
def _inputs() -> dict[str, list[dict[str, Any]]]:
    """By name, over both escrows: what they share is the same."""
    abis = [
        json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))["abi"]
        for name in ("OTCEscrow", "RightsEscrow")
    ]
    return {entry["name"]: entry["inputs"] for abi in abis for entry in abi if entry["type"] == "event"}


@cache
def _members(kind: type[Any]) -> tuple[attrgetter, attrgetter]:
    """What of an event stands in topics, and what in data."""
    topics, data = ["TOPIC0"], []
    for given, member in zip(_inputs()[kind.__name__], fields(kind), strict=True):
        parts = [member.name]
        if given["type"] == "tuple":
            parts = [f"{member.name}.{part.name}" for part in fields(getattr(bindings, _struct(given)))]
        (topics if given["indexed"] else data).extend(parts)
    # An attrgetter of one name gives no tuple: the first topic, which is always there, stands before the data too.
    return attrgetter(*topics, "TOPIC0"), attrgetter("TOPIC0", *data, "TOPIC0")


def _struct(given: dict[str, Any]) -> str:
    return str(given["internalType"]).removeprefix("struct ").rpartition(".")[2]


def encode_event(event: Event) -> tuple[list[str], str]:
    """(topics, data) of a log, 0x-hex."""
    topics, data = _members(type(event))
    return (
        ["0x" + _word(value) for value in topics(event)[:-1]],
        "0x" + "".join(map(_word, data(event)[1:-1])),
    )


def _word(value: Any) -> str:
    """64 hex digits: an int or bool, an address or 32 bytes as 0x-hex."""
    return f"{value:064x}" if isinstance(value, int) else value[2:].rjust(64, "0")
