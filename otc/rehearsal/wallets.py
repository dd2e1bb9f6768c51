"""Wallets that a rehearsal holds the keys of: a key of its own, or a contract wallet whose owners sign together.

Keys come from the seed, so the same seed gives the same addresses. They are worth nothing anywhere else.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_defunct, encode_typed_data
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from otc.rehearsal import abi

MAX_FEE = 200 * 10**9  # wei of gas price: far above a development chain's
TIP = 10**9
WRAP_GAS = 80_000  # what a contract wallet adds to a call
GAS_MARGIN = 14, 10  # a neighbour in the same block may make a call dearer than its simulation was

Transaction = Mapping[str, Any]


class Wallet(Protocol):
    """An actor's wallet. `address` is lower-case; `token` the bearer token once signed in."""

    name: str
    address: str
    token: str

    def sign_digest(self, digest: bytes) -> str:
        """The signature, as the escrow takes it, of an EIP-712 or EIP-191 digest."""

    def sign_transaction(self, transaction: Transaction) -> str:
        """A signed raw transaction for an unsigned one of the API: {chain_id, to, data, value, gas}."""


def personal_digest(text: str) -> bytes:
    """What a wallet signs for `personal_sign`."""
    return bytes(_hash_eip191_message(encode_defunct(text=text)))


def typed_digest(typed_data: dict[str, Any]) -> bytes:
    """What a wallet signs for `eth_signTypedData_v4`."""
    return bytes(_hash_eip191_message(encode_typed_data(full_message=typed_data)))


class KeyWallet:
    """A wallet of one private key. `nonce` is the next transaction's; it counts up with each one signed."""

    def __init__(self, name: str, key: str, *, nonce: int = 0) -> None:
        self.name = name
        self.key = key
        self.nonce = nonce
        self.token = ""
        self._account = Account.from_key(key)
        self.address = str(self._account.address).lower()

    @classmethod
    def derived(cls, seed: int, name: str) -> "KeyWallet":
        """The wallet `name` of a rehearsal with this seed."""
        return cls(name, "0x" + keccak(text=f"rehearsal {seed} {name}").hex())

    def sign_digest(self, digest: bytes) -> str:
        return "0x" + bytes(Account.unsafe_sign_hash(digest, self.key).signature).hex()

    def sign_transaction(self, transaction: Transaction) -> str:
        fields = {
            "type": 2,
            "chainId": transaction["chain_id"],
            "nonce": self.nonce,
            "maxFeePerGas": MAX_FEE,
            "maxPriorityFeePerGas": TIP,
            "gas": int(transaction["gas"]) * GAS_MARGIN[0] // GAS_MARGIN[1],
            "value": int(transaction.get("value", 0)),
            "data": transaction["data"],
        }
        if transaction["to"]:
            fields["to"] = to_checksum_address(transaction["to"])
        self.nonce += 1
        return "0x" + bytes(self._account.sign_transaction(fields).raw_transaction).hex()


class ContractWallet:
    """A DemoWallet: `threshold` of its owners sign, any one of them sends its calls."""

    def __init__(self, name: str, address: str, owners: Sequence[KeyWallet], threshold: int) -> None:
        self.name = name
        self.address = address
        self.owners = owners
        self.threshold = threshold
        self.token = ""

    @staticmethod
    def creation(owners: Sequence[KeyWallet], threshold: int, chain_id: int) -> dict[str, Any]:
        """The unsigned transaction that deploys one."""
        code = abi.creation("DemoWallet", "(address[],uint256)", [owner.address for owner in owners], threshold)
        return {"chain_id": chain_id, "to": "", "data": code, "gas": 1_500_000}

    def sign_digest(self, digest: bytes) -> str:
        return "0x" + "".join(owner.sign_digest(digest)[2:] for owner in self.owners[: self.threshold])

    def sign_transaction(self, transaction: Transaction) -> str:
        inner = bytes.fromhex(transaction["data"][2:])
        return self.owners[0].sign_transaction(
            {
                "chain_id": transaction["chain_id"],
                "to": self.address,
                "data": abi.call_data("execute(address,bytes)", transaction["to"], inner),
                "gas": int(transaction["gas"]) + WRAP_GAS + 16 * len(inner),
            }
        )
