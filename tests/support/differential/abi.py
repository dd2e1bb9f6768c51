"""The model's values as the contract's: hashes, signatures, calldata, events, errors, storage words."""

import dataclasses
from functools import lru_cache
from types import ModuleType
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from escrow.contracts import bindings, hashing, rights_bindings, words
from escrow.contracts.events import EVENTS
from otc.stack import anvil
from points.domain import merkle
from tests.support import model
from tests.support.differential import signing

KEYS = dict(zip(anvil.ADDRESSES, anvil.KEYS, strict=True))
TYPES = {
    "Resale": "Resale(bytes32 deal,uint8 side,uint256 price,bool listerPays,address taker,uint256 expiry,uint256 epoch,"
    "uint256 salt)",
    "Close": "Close(bytes32 deal,uint256 toBuyer,uint256 toSeller,uint256 deadline)",
    "Attestation": "Attestation(bytes32 deal,uint256 units,bytes32 evidence,uint256 validUntil)",
}
PERMIT = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
TOKEN_NAME = "WEIRD"  # what the token calls itself
TOKEN_ERRORS = (
    "ERC20InsufficientBalance(address,uint256,uint256)",
    "ERC20InsufficientAllowance(address,uint256,uint256)",
    "ERC721NonexistentToken(uint256)",
    "ERC721InsufficientApproval(address,uint256)",
    "ERC721IncorrectOwner(address,uint256,address)",
    "ERC1155InsufficientBalance(address,uint256,uint256,uint256)",
    "ERC1155MissingApprovalForAll(address,address)",
    "ERC1155InvalidReceiver(address)",
)
ERRORS = bindings.ERRORS | rights_bindings.ERRORS


def _declared(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    name, kinds = text[:-1].split("(")
    return name, tuple((str(place), kind) for place, kind in enumerate(kinds.split(",")))


ERRORS |= {"0x" + keccak(text=text)[:4].hex(): _declared(text) for text in TOKEN_ERRORS}


def to_binding(struct: Any) -> Any:
    return getattr(bindings, type(struct).__name__)(*struct)


class ChainNames:
    """The model's names for structs: the contract's hashes."""

    def __init__(self, escrow: str) -> None:
        self._escrow = escrow
        self.key = lru_cache(maxsize=4096)(self._key)

    def _key(self, struct: tuple) -> str:
        kind, value = type(struct).__name__, to_binding(struct)
        if kind == "MarketTerms":
            return hashing.market_id(value)
        if kind == "Offer":
            return hashing.offer_hash(value, chain_id=anvil.CHAIN_ID, contract=self._escrow)
        if kind == "Deal":
            return hashing.deal_hash(value)
        body = keccak(keccak(text=TYPES[kind]) + encode([value.ABI_TYPE], [value.abi_tuple()]))
        return "0x" + keccak(b"\x19\x01" + hashing.domain_separator(anvil.CHAIN_ID, self._escrow) + body).hex()

    def deal_id(self, offer: str, filled_before: int) -> str:
        return hashing.deal_id(offer, filled_before)

    @staticmethod
    def leaf(right: int) -> str:
        return words.hexed(merkle.id_leaf(right))

    @staticmethod
    def parent(one: str, other: str) -> str:
        return words.hexed(merkle.node(words.raw(one), words.raw(other)))


# ---------------------------------------------------------------------- calls


@lru_cache(maxsize=8192)
def sign(signer: str, digest: str) -> bytes:
    return signing.sign(bytes.fromhex(KEYS[signer][2:]), bytes.fromhex(digest[2:]))


def permit_digest(permit: model.Permit, owner: str) -> str:
    kinds = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
    name, version = keccak(text=TOKEN_NAME), keccak(text="1")
    domain = keccak(encode(kinds, [keccak(text=hashing.DOMAIN_TYPE), name, version, anvil.CHAIN_ID, permit.token]))
    fields = [owner, permit.spender, permit.amount, permit.nonce, permit.deadline]
    body = keccak(keccak(text=PERMIT) + encode(["address", "address", "uint256", "uint256", "uint256"], fields))
    return "0x" + keccak(b"\x19\x01" + domain + body).hex()


def _argument(contract: ModuleType, value: Any) -> Any:
    if value is None:
        return b""
    if isinstance(value, model.Signature):
        return sign(value.signer, value.content)
    if isinstance(value, list):
        return [_argument(contract, item) for item in value]
    if isinstance(value, tuple):
        return getattr(contract, type(value).__name__)(*(_argument(contract, item) for item in value))
    return value


def calldata(contract: ModuleType, function: str, caller: str, arguments: tuple) -> str:
    """The call of an escrow as 0x-hex. `contract`: its bindings."""
    if function == "multicall":
        return bindings.encode_multicall(
            [bytes.fromhex(calldata(contract, name, caller, tuple(rest))[2:]) for name, *rest in arguments[0]]
        )
    if function == "deposit_with_permit":
        *plain, permit = arguments
        signature = sign(permit.signer, permit_digest(permit, caller))
        r, s = ("0x" + signature[start : start + 32].hex() for start in (0, 32))
        return bindings.encode_deposit_with_permit(*plain, permit.deadline, signature[64], r, s)
    return getattr(contract, f"encode_{function}")(*(_argument(contract, value) for value in arguments))


def token_calldata(function: str, arguments: tuple) -> str:
    """A call of a token's, by its holder or its issuer. `function`: with its types."""
    kinds = function[:-1].split("(")[1].split(",")
    return "0x" + (keccak(text=function)[:4] + encode(kinds, arguments)).hex()


# ---------------------------------------------------------------------- answers


def event_of(log: dict[str, Any]) -> model.Event:
    decoded = EVENTS[log["topics"][0]].decode(log["topics"], log["data"])
    fields = {}
    for field in dataclasses.fields(decoded):
        value = getattr(decoded, field.name)
        fields[field.name] = dataclasses.astuple(value) if dataclasses.is_dataclass(value) else value
    return model.Event(type(decoded).__name__, fields)


def refusal_of(data: str) -> tuple:
    """Name and arguments of the error in revert data."""
    found = words.revert_reason(data, ERRORS) if len(data) >= 10 else None
    return (data,) if found is None else (found.name, *found.args.values())
