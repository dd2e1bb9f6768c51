"""Transactions as bytes: what is hashed and signed, and what is sent. Type 2 (EIP-1559) and type 0 with replay protection (EIP-155)."""

from dataclasses import dataclass
from typing import Any

import rlp
from eth_utils.crypto import keccak

from escrow.contracts import words
from escrow.keeper.fees import Fees

TYPE_2 = b"\x02"
LEGACY_V = 35  # EIP-155: v is twice the chain's number, and this, and the parity


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A transaction without value: type 2, or with `legacy` type 0 at a gas price of `fees.max_fee`. `chain_id` is the chain's own
    number (EIP-155).
    """

    chain_id: int
    nonce: int
    to: str
    calldata: bytes
    gas: int
    fees: Fees
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class Signed:
    """`raw` is what a node takes."""

    raw: bytes
    tx_hash: str


def digest_of(transaction: Unsigned) -> bytes:
    """The 32 bytes to sign."""
    if transaction.legacy:
        return keccak(rlp.encode([*_fields(transaction), transaction.chain_id, 0, 0]))
    return keccak(TYPE_2 + rlp.encode(_fields(transaction)))


def sealed(transaction: Unsigned, *, parity: int, r: int, s: int) -> Signed:
    """The signed transaction; `parity` (0 or 1) is that of the point that `r` is of."""
    if transaction.legacy:
        raw = rlp.encode([*_fields(transaction), transaction.chain_id * 2 + LEGACY_V + parity, r, s])
    else:
        raw = TYPE_2 + rlp.encode([*_fields(transaction), parity, r, s])
    return Signed(raw=bytes(raw), tx_hash=words.hexed(keccak(raw)))


def _fields(transaction: Unsigned) -> list[Any]:
    fees, to = transaction.fees, words.raw(transaction.to)
    if transaction.legacy:
        return [transaction.nonce, fees.max_fee, transaction.gas, to, 0, transaction.calldata]
    return [
        transaction.chain_id,
        transaction.nonce,
        fees.priority_fee,
        fees.max_fee,
        transaction.gas,
        to,
        0,
        transaction.calldata,
        [],
    ]
