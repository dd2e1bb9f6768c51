"""Who signed: an EOA's ECDSA signature first, then a contract wallet's EIP-1271. The one place of `otc` that asks a node."""

import logging
import re
from enum import StrEnum

import requests
from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import SignableMessage, _hash_eip191_message
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError as KeyValidationError
from requests.exceptions import RequestException

from otc.core.errors import DomainError, ErrorCode
from otc.core.models import Chain

ECDSA_LENGTH = 65
SIGNATURE_MAX = 4096
SECP256K1_HALF_N = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
ERC1271_MAGIC = bytes.fromhex("1626ba7e")
RPC_TIMEOUT = 5  # seconds; a person waits for the answer
CALL_GAS = 3_000_000  # a Safe with many owners needs a tenth of it
REVERTED = 3  # JSON-RPC code that nodes give to a revert
FAILED_IN_CODE = re.compile(r"revert|out of gas|invalid opcode|invalid jump|stack (under|over)flow", re.IGNORECASE)

log = logging.getLogger(__name__)


def recover(digest: bytes, signature: bytes) -> str | None:
    """The address (lower-case hex) whose key signed `digest`, or None. 65 bytes, v 27/28, low s only, as the contract."""
    if len(signature) != ECDSA_LENGTH or signature[64] not in {27, 28}:
        return None
    if int.from_bytes(signature[32:64]) > SECP256K1_HALF_N:
        return None
    try:
        vrs = (signature[64] - 27, int.from_bytes(signature[:32]), int.from_bytes(signature[32:64]))
        return Signature(vrs=vrs).recover_public_key_from_msg_hash(digest).to_address().lower()
    except (BadSignature, KeyValidationError, ValueError):
        return None


def with_v_27(signature: bytes) -> bytes:
    """Some hardware wallets write the recovery id as 0/1; contracts and we want 27/28."""
    if len(signature) == ECDSA_LENGTH and signature[64] in {0, 1}:
        return signature[:64] + bytes([signature[64] + 27])
    return signature


def contract_accepts(*, chain: Chain, wallet: str, digest: bytes, signature: bytes) -> bool:
    """EIP-1271 of `wallet` on `chain`, asked of its first endpoint that answers. Errors: CHAIN_UNAVAILABLE."""
    data = "0x" + (ERC1271_MAGIC + encode(["bytes32", "bytes"], [digest, signature])).hex()
    for url in chain.rpc_urls:
        try:
            if _ask(url, "eth_getCode", wallet, "latest") == "0x":
                return False
            answer = _ask(url, "eth_call", {"to": wallet, "data": data, "gas": hex(CALL_GAS)}, "latest")
        except ExecutionError:
            return False
        except (RequestException, ValueError):
            log.warning("%s: an endpoint did not answer whether %s accepts a signature", chain, wallet, exc_info=True)
            continue
        return answer == "0x" + ERC1271_MAGIC.hex().ljust(64, "0")
    raise DomainError(
        ErrorCode.CHAIN_UNAVAILABLE,
        f"No endpoint of {chain.name} answers, so the wallet contract could not be asked. Try again.",
    )


class ExecutionError(Exception):
    """The wallet's code ran and failed: its way to say no."""


def _ask(url: str, method: str, *params: object) -> str:
    """One JSON-RPC call with a hex answer. Plain HTTP on purpose: web3 would follow a reverting wallet's OffchainLookup to any
    address it names (EIP-3668), and repeat calls while a person waits. Errors: ExecutionError, RequestException, ValueError.
    """
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    response = requests.post(url, json=body, timeout=RPC_TIMEOUT, allow_redirects=False)
    answer = response.json()
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict) and (error.get("code") == REVERTED or FAILED_IN_CODE.search(str(error.get("message")))):
        raise ExecutionError(str(error.get("message")))
    result = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(result, str):
        raise ValueError(f"{method} answered {str(answer)[:200]}")  # noqa: TRY004 - one error for a bad answer
    return result


class SignedBy(StrEnum):
    """What vouches for a signature: the address's key, which is the same on every chain, or its contract on one chain."""

    KEY = "key"
    CONTRACT = "contract"


def verify(*, chain: Chain, signer: str, digest: bytes, signature: bytes) -> SignedBy:
    """Returns when `signature` over `digest` is `signer`'s, on `chain` if by its contract. May ask the node: never inside a
    transaction.

    Errors: SIGNATURE_INVALID, CHAIN_UNAVAILABLE.
    """
    if len(signature) > SIGNATURE_MAX:
        raise DomainError(
            ErrorCode.SIGNATURE_INVALID, f"A signature is at most {SIGNATURE_MAX} bytes.", field="signature"
        )
    if recover(digest, signature) == signer:
        return SignedBy.KEY
    if contract_accepts(chain=chain, wallet=signer, digest=digest, signature=signature):
        return SignedBy.CONTRACT
    raise DomainError(
        ErrorCode.SIGNATURE_INVALID,
        f"This signature is not {signer}'s over these terms. Sign again with that wallet, on chain {chain.chain_id}.",
        field="signature",
    )


def personal_digest(message: SignableMessage) -> bytes:
    """The EIP-191 hash that wallets sign for `message`."""
    return bytes(_hash_eip191_message(message))


def sign_digest(digest: bytes, private_key: str) -> bytes:
    """65-byte signature of a digest, for scripts that act as a wallet (rehearsal, seeds)."""
    return bytes(Account.unsafe_sign_hash(digest, private_key).signature)
