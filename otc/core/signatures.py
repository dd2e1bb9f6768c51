"""Who signed: an EOA's ECDSA signature first, then a contract wallet's EIP-1271. The one place of `otc` that asks a node."""

from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import SignableMessage, _hash_eip191_message
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError as KeyValidationError
from requests.exceptions import RequestException
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractLogicError, Web3Exception

from otc.core.errors import DomainError, ErrorCode
from otc.core.models import Chain

ECDSA_LENGTH = 65
SIGNATURE_MAX = 4096
SECP256K1_HALF_N = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
ERC1271_MAGIC = bytes.fromhex("1626ba7e")
RPC_TIMEOUT = 5  # seconds; a person waits for the answer


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
    data = ERC1271_MAGIC + encode(["bytes32", "bytes"], [digest, signature])
    for url in chain.rpc_urls:
        w3 = Web3(HTTPProvider(url, request_kwargs={"timeout": RPC_TIMEOUT}))
        try:
            to = Web3.to_checksum_address(wallet)
            if not w3.eth.get_code(to):
                return False
            answer = w3.eth.call({"to": to, "data": "0x" + data.hex()})  # type: ignore[typeddict-item]
        except ContractLogicError:
            return False
        except (RequestException, Web3Exception, ValueError):
            continue
        return len(answer) == 32 and bytes(answer[:4]) == ERC1271_MAGIC and not any(answer[4:])  # noqa: PLR2004 - one word
    raise DomainError(
        ErrorCode.CHAIN_UNAVAILABLE,
        f"No endpoint of {chain.name} answers, so the wallet contract could not be asked. Try again.",
    )


def verify(*, chain: Chain, signer: str, digest: bytes, signature: bytes) -> None:
    """Returns when `signature` over `digest` is `signer`'s. May ask the node: never inside a transaction.

    Errors: SIGNATURE_INVALID, CHAIN_UNAVAILABLE.
    """
    if len(signature) > SIGNATURE_MAX:
        raise DomainError(
            ErrorCode.SIGNATURE_INVALID, f"A signature is at most {SIGNATURE_MAX} bytes.", field="signature"
        )
    if recover(digest, signature) == signer:
        return
    if contract_accepts(chain=chain, wallet=signer, digest=digest, signature=signature):
        return
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
