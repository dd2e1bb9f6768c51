"""Safes of the published contracts on a test chain: made by the factory, with the handler that answers EIP-1271."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from eth_abi.abi import decode, encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from otc.stack import anvil as published
from tests.support.bare_escrow import PROJECT, BareEscrow, digest_of

SHIPPED = PROJECT / "node_modules" / "@safe-global" / "safe-smart-account" / "build" / "artifacts" / "contracts"
ZERO = "0x" + "00" * 20
TRANSACTION = "address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,"
TRANSACTION += "address gasToken,address refundReceiver,uint256 nonce"


def _call(signature: str, values: Sequence[Any]) -> str:
    kinds = signature[signature.index("(") + 1 : -1]
    return "0x" + (keccak(text=signature)[:4] + encode(kinds.split(",") if kinds else [], values)).hex()


def address_of(key: str) -> str:
    return str(Account.from_key(key).address).lower()


class SafeFactory:
    """The singleton, the factory and the handler, deployed once."""

    def __init__(self, venue: BareEscrow) -> None:
        self.venue = venue
        self.singleton = venue.deploy(SHIPPED / "Safe.sol" / "Safe.json")
        self.factory = venue.deploy(SHIPPED / "proxies" / "SafeProxyFactory.sol" / "SafeProxyFactory.json")
        handler = SHIPPED / "handler" / "CompatibilityFallbackHandler.sol" / "CompatibilityFallbackHandler.json"
        self.handler = venue.deploy(handler)
        self._salt = count(1)

    def make(self, keys: Sequence[str], threshold: int) -> "Safe":
        owners = [address_of(key) for key in keys]
        setup = _call(
            "setup(address[],uint256,address,bytes,address,address,uint256,address)",
            [owners, threshold, ZERO, b"", self.handler, ZERO, 0, ZERO],
        )
        data = _call(
            "createProxyWithNonce(address,bytes,uint256)", [self.singleton, bytes.fromhex(setup[2:]), next(self._salt)]
        )
        asked = {"from": published.address("owner"), "to": self.factory, "data": data}
        address = str(decode(["address"], bytes.fromhex(self.venue.anvil.rpc("eth_call", asked, "latest")[2:]))[0])
        self.venue.must(published.address("owner"), data, to=self.factory)
        return Safe(self.venue, address.lower(), keys)


class Safe:
    """A Safe and the keys of its owners."""

    def __init__(self, venue: BareEscrow, address: str, keys: Sequence[str]) -> None:
        self.venue, self.address, self.keys = venue, address, list(keys)
        self._nonce = count(0)

    def sign(self, digest: bytes, keys: Sequence[str], *, ordered: bool = True) -> bytes:
        """Signatures of `keys` for `digest` as a message of this Safe, by ascending owner as it wants them unless not `ordered`."""
        return self._signatures(
            {"SafeMessage": [{"name": "message", "type": "bytes"}]}, {"message": digest}, keys, ordered
        )

    def act(self, to: str, data: str, keys: Sequence[str]) -> None:
        """A transaction of the Safe's own."""
        pairs = (member.split(" ") for member in TRANSACTION.split(","))
        members = [{"name": name, "type": kind} for kind, name in pairs]
        values = [to, 0, bytes.fromhex(data[2:]), 0, 0, 0, 0, ZERO, ZERO, next(self._nonce)]
        message = dict(zip((member["name"] for member in members), values, strict=True))
        signatures = self._signatures({"SafeTx": members}, message, keys, ordered=True)
        kinds = ",".join(member["type"] for member in members[:-1])
        call = _call(f"execTransaction({kinds},bytes)", [*values[:-1], signatures])
        self.venue.must(published.address("owner"), call, to=self.address)

    def _signatures(
        self, types: dict[str, list[dict[str, str]]], message: dict[str, Any], keys: Sequence[str], ordered: bool
    ) -> bytes:
        domain = {"chainId": self.venue.anvil.chain_id, "verifyingContract": self.address}
        digest = digest_of(encode_typed_data(domain, types, message))
        by_owner = sorted(keys, key=address_of) if ordered else keys
        return b"".join(bytes(Account.unsafe_sign_hash(digest, key).signature) for key in by_owner)
