"""The contract's hashes, computed without a chain: market id, offer hash (EIP-712), deal id and deal hash.

All are lower-case 0x-hex. They equal the contract's views of the same names; tests/contracts/vectors.json holds both to it.
"""

from functools import lru_cache

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from escrow.contracts.bindings import Deal, MarketTerms, Offer

NAME = "Forelock"
VERSION = "1"
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
OFFER_TYPE = (
    "Offer(address maker,address taker,uint8 side,bytes32 market,address payToken,uint256 units,uint256 payment,"
    "uint256 collateral,uint256 minFill,uint256 maxFeeBps,uint256 expiry,uint256 epoch,uint256 salt,bytes32 ref)"
)
OFFER_TYPEHASH = keccak(text=OFFER_TYPE)


def market_id(terms: MarketTerms) -> str:
    return "0x" + keccak(encode([MarketTerms.ABI_TYPE], [terms.abi_tuple()])).hex()


@lru_cache(maxsize=64)
def domain_separator(chain_id: int, contract: str) -> bytes:
    kinds = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
    values = [keccak(text=DOMAIN_TYPE), keccak(text=NAME), keccak(text=VERSION), chain_id, contract]
    return keccak(encode(kinds, values))


def offer_hash(offer: Offer, *, chain_id: int, contract: str) -> str:
    """What the maker signs, and the key of `filled`."""
    struct_hash = keccak(OFFER_TYPEHASH + encode([Offer.ABI_TYPE], [offer.abi_tuple()]))
    return "0x" + keccak(b"\x19\x01" + domain_separator(chain_id, contract) + struct_hash).hex()


def deal_id(offer_hash: str, filled_before: int) -> str:
    """The id of the fill that found `filled_before` units of the offer filled."""
    return "0x" + keccak(bytes.fromhex(offer_hash[2:]) + filled_before.to_bytes(32)).hex()


def deal_hash(deal: Deal) -> str:
    """What `deals[id]` holds while the deal is open and untouched; its lowest bit is the progress flag."""
    digest = bytearray(keccak(encode([Deal.ABI_TYPE], [deal.abi_tuple()])))
    digest[-1] &= 0xFE
    return "0x" + digest.hex()
