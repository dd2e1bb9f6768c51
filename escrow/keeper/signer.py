"""Who signs. The keeper sees an address and a method; the key stays behind it, and signs only what the keeper may send."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from eth_abi.exceptions import DecodingError
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes

from escrow.contracts import bindings, words
from escrow.keeper.envelope import Signed, Unsigned
from escrow.keeper.kms import KmsSigner

SELECTOR_BYTES = 4
MULTICALL_SELECTOR = words.raw(bindings.SELECTORS["multicall(bytes[])"])


class ForbiddenTransactionError(Exception):
    """The keeper was about to sign what is not on its list: a bug or an intruder, never a state to go on from."""


class TransactionSigner(Protocol):
    """A key, wherever it is kept. `sign` raises KeyServiceError when it can't be reached now."""

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
        fees = transaction.fees
        price = (
            {"gasPrice": fees.max_fee}
            if transaction.legacy
            else {"type": 2, "maxFeePerGas": fees.max_fee, "maxPriorityFeePerGas": fees.priority_fee}
        )
        signed = self._account.sign_transaction(
            {
                "chainId": transaction.chain_id,
                "nonce": transaction.nonce,
                "to": HexBytes(transaction.to),
                "data": HexBytes(transaction.calldata),
                "value": 0,
                "gas": transaction.gas,
                **price,
            }
        )
        return Signed(raw=bytes(signed.raw_transaction), tx_hash="0x" + bytes(signed.hash).hex())


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be signed: (address, selector) of direct calls, and of what may stand in a multicall of that address."""

    direct: frozenset[tuple[str, bytes]]
    within: frozenset[tuple[str, bytes]]


class GuardedSigner:
    """Signs only what is `allowed`, and the empty call to itself that frees a nonce."""

    def __init__(self, inner: TransactionSigner, *, allowed: Allowed) -> None:
        self._inner = inner
        self._allowed = allowed

    @property
    def address(self) -> str:
        return self._inner.address

    def sign(self, transaction: Unsigned) -> Signed:
        frees_nonce = transaction.to == self.address and not transaction.calldata
        if not frees_nonce:
            self._require_allowed(transaction.to, transaction.calldata)
        return self._inner.sign(transaction)

    def _require_allowed(self, to: str, calldata: bytes) -> None:
        selector = calldata[:SELECTOR_BYTES]
        if (to, selector) in self._allowed.direct:
            return
        inner = multicall_parts(calldata) if selector == MULTICALL_SELECTOR else ()
        if not inner:
            raise ForbiddenTransactionError(f"the keeper may not call 0x{selector.hex()} of {to}")
        for part in inner:
            if (to, part[:SELECTOR_BYTES]) not in self._allowed.within:
                raise ForbiddenTransactionError(
                    f"the keeper may not call 0x{part[:SELECTOR_BYTES].hex()} of {to} in a multicall"
                )


def multicall_parts(calldata: bytes) -> tuple[bytes, ...]:
    """The calls in a multicall; none when it can't be read."""
    try:
        return tuple(words.result(["bytes[]"], words.hexed(calldata[SELECTOR_BYTES:]))[0])
    except DecodingError:
        return ()


def from_key(private_key: str) -> KeySigner:
    return KeySigner(Account.from_key(private_key))


def from_keystore(path: Path, password: str) -> KeySigner:
    """A version-3 keystore file, as geth and cast write it."""
    return KeySigner(Account.from_key(Account.decrypt(json.loads(path.read_text()), password)))


_cached: dict[tuple[str, str, str, str], TransactionSigner] = {}


def from_settings() -> TransactionSigner | None:
    """The signer that the settings name, or None when they name none. A keystore is opened, a key service asked for its public key,
    once per process: it takes seconds. Raises KeyServiceError.
    """
    key = (
        settings.KEEPER_PRIVATE_KEY,
        settings.KEEPER_KEYSTORE,
        settings.KEEPER_PASSWORD_FILE,
        settings.KEEPER_KEY_SERVICE,
    )
    if key not in _cached:
        make = _maker(*key)
        if make is None:
            return None
        _cached[key] = make()
    return _cached[key]


def _maker(
    private_key: str, keystore: str, password_file: str, key_service: str
) -> Callable[[], TransactionSigner] | None:
    if key_service:
        return lambda: KmsSigner(import_string(key_service)())
    if keystore:
        if not password_file:
            raise ImproperlyConfigured("KEEPER_KEYSTORE needs KEEPER_PASSWORD_FILE beside it.")
        return lambda: from_keystore(Path(keystore), Path(password_file).read_text().rstrip("\n"))
    return (lambda: from_key(private_key)) if private_key else None
