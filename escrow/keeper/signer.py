"""Who signs. The keeper sees an address and a method; the key stays behind it, and signs only what the keeper may send."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes

from escrow.keeper.fees import Fees

SELECTOR_BYTES = 4


class ForbiddenTransactionError(Exception):
    """The keeper was about to sign what is not on its list: a bug or an intruder, never a state to go on from."""


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A type-2 transaction without value."""

    chain_id: int
    nonce: int
    to: str
    calldata: bytes
    gas: int
    fees: Fees


@dataclass(frozen=True, slots=True)
class Signed:
    raw: bytes
    tx_hash: str


class TransactionSigner(Protocol):
    """A key. A cloud key service implements these two."""

    @property
    def address(self) -> str: ...

    def sign(self, transaction: Unsigned) -> Signed: ...


class KeySigner:
    """A key in this process's memory."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account

    @property
    def address(self) -> str:
        return str(self._account.address).lower()

    def sign(self, transaction: Unsigned) -> Signed:
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": transaction.chain_id,
                "nonce": transaction.nonce,
                "to": HexBytes(transaction.to),
                "data": HexBytes(transaction.calldata),
                "value": 0,
                "gas": transaction.gas,
                "maxFeePerGas": transaction.fees.max_fee,
                "maxPriorityFeePerGas": transaction.fees.priority_fee,
            }
        )
        return Signed(raw=bytes(signed.raw_transaction), tx_hash="0x" + bytes(signed.hash).hex())


class GuardedSigner:
    """Signs only calls of `allowed` (address, selector), and the empty call to itself that frees a nonce."""

    def __init__(self, inner: TransactionSigner, *, allowed: frozenset[tuple[str, bytes]]) -> None:
        self._inner = inner
        self._allowed = allowed

    @property
    def address(self) -> str:
        return self._inner.address

    def sign(self, transaction: Unsigned) -> Signed:
        frees_nonce = transaction.to == self.address and not transaction.calldata
        if not frees_nonce and (transaction.to, transaction.calldata[:SELECTOR_BYTES]) not in self._allowed:
            raise ForbiddenTransactionError(
                f"the keeper may not call 0x{transaction.calldata[:SELECTOR_BYTES].hex()} of {transaction.to}"
            )
        return self._inner.sign(transaction)


def from_key(private_key: str) -> KeySigner:
    return KeySigner(Account.from_key(private_key))


def from_keystore(path: Path, password: str) -> KeySigner:
    """A version-3 keystore file, as geth and cast write it."""
    return KeySigner(Account.from_key(Account.decrypt(json.loads(path.read_text()), password)))


_cached: dict[tuple[str, str, str], KeySigner] = {}


def from_settings() -> KeySigner | None:
    """The signer that the settings name, or None when they name none. A keystore is opened once per process: it takes seconds."""
    key = (settings.KEEPER_PRIVATE_KEY, settings.KEEPER_KEYSTORE, settings.KEEPER_PASSWORD_FILE)
    if key not in _cached:
        make = _maker(*key)
        if make is None:
            return None
        _cached[key] = make()
    return _cached[key]


def _maker(private_key: str, keystore: str, password_file: str) -> Callable[[], KeySigner] | None:
    if keystore:
        if not password_file:
            raise ImproperlyConfigured("KEEPER_KEYSTORE needs KEEPER_PASSWORD_FILE beside it.")
        return lambda: from_keystore(Path(keystore), Path(password_file).read_text().rstrip("\n"))
    return (lambda: from_key(private_key)) if private_key else None
