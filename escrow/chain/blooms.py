"""A header's bloom filter against an empty answer: it can't prove that logs are missing, but it says where to ask again."""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from eth_utils.crypto import keccak

BITS = 2048


@lru_cache(maxsize=64)
def mask_of(address: str) -> int:
    """The three bits that a log of `address` sets (Yellow Paper, 4.3.1)."""
    digest = keccak(bytes.fromhex(address[2:]))
    mask = 0
    for place in (0, 2, 4):
        mask |= 1 << (int.from_bytes(digest[place : place + 2], "big") % BITS)
    return mask


def suspects(blooms: Mapping[int, int], escrow: str, with_logs: Collection[int]) -> list[int]:
    """Blocks whose filter may have the escrow, and of which no log was given."""
    mask = mask_of(escrow)
    return [number for number, bloom in blooms.items() if bloom & mask == mask and number not in with_logs]


def blooms_of(answers: Iterable[Any]) -> dict[int, int]:
    """Filters by height; of a header without one (or with nonsense) none: this check is an extra."""
    found = {}
    for answer in answers:
        try:
            found[int(answer["number"], 16)] = int(answer["logsBloom"], 16)
        except (TypeError, KeyError, ValueError):
            continue
    return found
