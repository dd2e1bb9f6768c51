"""A key that never leaves its key service: a digest goes in, a signature comes out.

Services sign any digest in ECDSA over secp256k1, and answer in DER or as r and s, with either s and without the recovery id. What
a chain wants (low s, the parity) is worked out here, and every signature is checked against the key before anything is stored.
"""

from collections.abc import Iterator
from typing import Protocol

from eth_keys.datatypes import PublicKey, Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from escrow.keeper.envelope import Signed, Unsigned, digest_of, sealed

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1
UNCOMPRESSED, POINT = 0x04, 65  # first byte and length of a point with both coordinates
HALF = 32  # bytes of r, and of s
SEQUENCE, INTEGER = 0x30, 0x02  # DER


class KeyServiceError(Exception):
    """The service does not answer now: the keeper pauses."""


class ForeignSignatureError(Exception):
    """What came back is no signature of this key: the keeper halts."""


class KeyService(Protocol):
    """What a backend implements. Both raise KeyServiceError when the service gives no answer."""

    def public_key(self) -> bytes:
        """The uncompressed point (65 bytes), bare or at the end of its DER SubjectPublicKeyInfo."""
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """The signature of these 32 bytes as they are: DER, or r and s of 32 bytes each."""
        ...


class KmsSigner:
    """Signs with the key of a key service. Asks for the public key once, when made."""

    def __init__(self, service: KeyService) -> None:
        self._service = service
        self._key = _point(service.public_key())

    @property
    def address(self) -> str:
        return str(self._key.to_address())

    def sign(self, transaction: Unsigned) -> Signed:
        """Raises KeyServiceError, ForeignSignatureError."""
        digest = digest_of(transaction)
        signature = self._service.sign_digest(digest)
        for r, s in _readings(signature):
            low = min(s, ORDER - s)
            for parity in (0, 1):
                if self._recovers(digest, parity, r, low):
                    return sealed(transaction, parity=parity, r=r, s=low)
        raise ForeignSignatureError(f"The key service's answer is no signature of {self.address}.")

    def _recovers(self, digest: bytes, parity: int, r: int, s: int) -> bool:
        try:
            signature = Signature(vrs=(parity, r, s))
            return bool(signature.recover_public_key_from_msg_hash(digest) == self._key)
        except (BadSignature, ValidationError, ValueError):
            return False


def _point(given: bytes) -> PublicKey:
    point = given[-POINT:]
    if len(point) != POINT or point[0] != UNCOMPRESSED:
        raise ForeignSignatureError("The key service gave no uncompressed public key.")
    return PublicKey(point[1:])


def _readings(signature: bytes) -> Iterator[tuple[int, int]]:
    """What `signature` can mean as (r, s)."""
    if len(signature) == 2 * HALF:
        yield int.from_bytes(signature[:HALF]), int.from_bytes(signature[HALF:])
    if signature[:1] == bytes([SEQUENCE]):
        body = _element(signature, 0, SEQUENCE)
        r = _element(body, 0, INTEGER)
        s = _element(body, 2 + len(r), INTEGER)
        if r and s:
            yield int.from_bytes(r), int.from_bytes(s)


def _element(data: bytes, at: int, kind: int) -> bytes:
    """The content of the short DER element at `at`; empty when there is none of this kind."""
    if len(data) < at + 2 or data[at] != kind or len(data) < at + 2 + data[at + 1]:
        return b""
    return data[at + 2 : at + 2 + data[at + 1]]
