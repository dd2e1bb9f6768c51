"""A key service for tests: a real secp256k1 key that signs digests and never shows itself, with the manners of real services."""

import random

from eth_keys import keys

from escrow.keeper.kms import ORDER, KeyServiceError
from otc.stack import anvil

# What stands before the point in the SubjectPublicKeyInfo of every secp256k1 key.
SPKI = bytes.fromhex("3056301006072a8648ce3d020106052b8104000a034200")


class SoftKeyService:
    """escrow.keeper.kms.KeyService. `seed` decides which of the allowed forms an answer takes: DER or r and s, s high or low."""

    def __init__(self, private_key: str = anvil.key("keeper"), *, seed: int = 0, down: bool = False) -> None:
        self._key = keys.PrivateKey(bytes.fromhex(private_key[2:]))
        self._chance = random.Random(seed)  # noqa: S311 - a test repeats, it hides nothing
        self.down = down
        self.digests: list[bytes] = []

    def public_key(self) -> bytes:
        self._answer()
        point = b"\x04" + self._key.public_key.to_bytes()
        return SPKI + point if self._chance.random() < 0.5 else point

    def sign_digest(self, digest: bytes) -> bytes:
        self._answer()
        self.digests.append(digest)
        signature = self._key.sign_msg_hash(digest)
        s = signature.s if self._chance.random() < 0.5 else ORDER - signature.s
        if self._chance.random() < 0.5:
            return signature.r.to_bytes(32) + s.to_bytes(32)
        body = _integer(signature.r) + _integer(s)
        return bytes([0x30, len(body)]) + body

    def _answer(self) -> None:
        if self.down:
            raise KeyServiceError("no connection to the key service")


def _integer(value: int) -> bytes:
    """DER: as short as can be, with a zero in front where the first bit would say negative."""
    content = value.to_bytes(value.bit_length() // 8 + 1)
    return bytes([0x02, len(content)]) + content
