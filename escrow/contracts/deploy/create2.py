"""Addresses that depend on what is deployed and on nothing else: CREATE2 (EIP-1014) through the deployment proxy that most chains have.

`address = keccak256(0xff ++ FACTORY ++ SALT ++ keccak256(init code))[12:]`. The proxy takes `salt ++ init code` as calldata, from
anyone. It got its own address from a transaction that is signed for all chains at once: nobody has the key of its sender.
"""

from typing import Final

from eth_utils.crypto import keccak

from otc.core.fields import to_checksum

FACTORY: Final = "0x4e59b44847b379578588920ca78fbf26c0b4956c"
FACTORY_CODE: Final = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe036016000816020823780358282"
    "34f58015156039578182fd5b8082525050506014600cf3"
)
# The transaction that makes it: a legacy one without a chain id, nonce 0, 100,000 gas at 100 gwei, a signature of twos.
FACTORY_SENDER: Final = "0x3fab184622dc19b6109349b94811493bf2a45362"
FACTORY_TRANSACTION: Final = (
    "0xf8a58085174876e800830186a08080b853604580600e600039806000f350fe"
    + FACTORY_CODE.hex()
    + "1ba0"
    + "22" * 32
    + "a0"
    + "22" * 32
)
FACTORY_MISSING: Final = (
    f"There is no deployment proxy at {to_checksum(FACTORY)} on this chain, and without it the escrow would not get the address it has "
    f"on the others. Anyone can put it there: send 0.01 of the chain's currency to {to_checksum(FACTORY_SENDER)} (100,000 gas at "
    f"100 gwei), then publish this transaction as it is, with eth_sendRawTransaction: {FACTORY_TRANSACTION}. It carries no chain id; "
    "a chain whose nodes refuse that (EIP-155) or that needs more gas must bring the proxy itself: ask its operator."
)
FACTORY_FOREIGN: Final = (
    f"What stands at {to_checksum(FACTORY)} on this chain is not the deployment proxy: nothing was sent."
)
# Fixed for ever: another salt is another address.
SALT: Final = keccak(text="Forelock escrow 1")


def create2_address(init_code: bytes, *, salt: bytes = SALT) -> str:
    """Where the factory puts `init_code`, lower case."""
    return "0x" + keccak(b"\xff" + bytes.fromhex(FACTORY[2:]) + salt + keccak(init_code))[12:].hex()


def factory_call(init_code: bytes, *, salt: bytes = SALT) -> str:
    """The calldata that makes the factory create it."""
    return "0x" + (salt + init_code).hex()
