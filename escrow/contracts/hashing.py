"""The contract's hashes, computed without a chain: market id, deal id and deal hash, and what wallets sign (EIP-712).

All are lower-case 0x-hex. They equal the contract's views of the same names; tests/contracts/vectors.json holds both to it.
"""

from dataclasses import fields
from functools import lru_cache
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from escrow.contracts.bindings import Attestation, Close, Deal, MarketTerms, Offer, Resale

NAME = "Forelock"
VERSION = "1"
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
OFFER_TYPE = (
    "Offer(address maker,address taker,uint8 side,bytes32 market,address payToken,uint256 units,uint256 payment,"
    "uint256 collateral,uint256 minFill,uint256 maxFeeBps,uint256 expiry,uint256 epoch,uint256 salt,bytes32 ref)"
)
RESALE_TYPE = (
    "Resale(bytes32 deal,uint8 side,uint256 price,bool listerPays,address taker,uint256 expiry,uint256 epoch,"
    "uint256 salt)"
)
CLOSE_TYPE = "Close(bytes32 deal,uint256 toBuyer,uint256 toSeller,uint256 deadline)"
ATTESTATION_TYPE = "Attestation(bytes32 deal,uint256 units,bytes32 evidence,uint256 validUntil)"

Signed = Offer | Resale | Close | Attestation
TYPES: dict[type[Signed], str] = {
    Offer: OFFER_TYPE,
    Resale: RESALE_TYPE,
    Close: CLOSE_TYPE,
    Attestation: ATTESTATION_TYPE,
}
TYPE_HASHES = {kind: keccak(text=text) for kind, text in TYPES.items()}


def market_id(terms: MarketTerms) -> str:
    return "0x" + keccak(encode([MarketTerms.ABI_TYPE], [terms.abi_tuple()])).hex()


@lru_cache(maxsize=64)
def domain_separator(chain_id: int, contract: str) -> bytes:
    kinds = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
    values = [keccak(text=DOMAIN_TYPE), keccak(text=NAME), keccak(text=VERSION), chain_id, contract]
    return keccak(encode(kinds, values))


def offer_hash(offer: Offer, *, chain_id: int, contract: str) -> str:
    """What the maker signs, and the key of `filled`."""
    return signed_hash(offer, chain_id=chain_id, contract=contract)


def resale_hash(resale: Resale, *, chain_id: int, contract: str) -> str:
    """What the party signs who sells its place in a deal."""
    return signed_hash(resale, chain_id=chain_id, contract=contract)


def close_hash(close: Close, *, chain_id: int, contract: str) -> str:
    """What both parties sign to end a deal."""
    return signed_hash(close, chain_id=chain_id, contract=contract)


def attestation_hash(attestation: Attestation, *, chain_id: int, contract: str) -> str:
    """What the attestor signs."""
    return signed_hash(attestation, chain_id=chain_id, contract=contract)


def signed_hash(struct: Signed, *, chain_id: int, contract: str) -> str:
    """The EIP-712 digest of any of them."""
    struct_hash = keccak(TYPE_HASHES[type(struct)] + encode([struct.ABI_TYPE], [struct.abi_tuple()]))
    return "0x" + keccak(b"\x19\x01" + domain_separator(chain_id, contract) + struct_hash).hex()


def typed_data(struct: Signed, *, chain_id: int, contract: str) -> dict[str, Any]:
    """The request body of eth_signTypedData_v4. Big numbers are decimal strings, as every wallet reads them."""
    name, members = _members(TYPES[type(struct)])
    message: dict[str, Any] = {}
    for member, field in zip(members, fields(struct), strict=True):
        value = getattr(struct, field.name)
        message[member["name"]] = str(value) if member["type"] == "uint256" else value
    return {
        "types": {"EIP712Domain": _members(DOMAIN_TYPE)[1], name: members},
        "primaryType": name,
        "domain": {"name": NAME, "version": VERSION, "chainId": chain_id, "verifyingContract": contract},
        "message": message,
    }


def _members(text: str) -> tuple[str, list[dict[str, str]]]:
    """(name, members) of a type string."""
    name, _, rest = text.rstrip(")").partition("(")
    pairs = [part.split(" ") for part in rest.split(",")]
    return name, [{"name": member, "type": kind} for kind, member in pairs]


def deal_id(offer_hash: str, filled_before: int) -> str:
    """The id of the fill that found `filled_before` units of the offer filled."""
    return "0x" + keccak(bytes.fromhex(offer_hash[2:]) + filled_before.to_bytes(32)).hex()


def deal_hash(deal: Deal) -> str:
    """What `deals[id]` holds while the deal is open and untouched; its lowest bit is the progress flag."""
    digest = bytearray(keccak(encode([Deal.ABI_TYPE], [deal.abi_tuple()])))
    digest[-1] &= 0xFE
    return "0x" + digest.hex()
