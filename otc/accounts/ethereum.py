"""Sign-In with Ethereum (EIP-4361). A module of its own: what reads such messages takes as long to load as half of all else, and only the
web needs it.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from eth_account.messages import encode_defunct
from siwe import ISO8601Datetime, SiweMessage

from otc.accounts.models import SignInNonce, User
from otc.core import clock, signatures
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import to_checksum
from otc.core.models import Chain

STATEMENT = "Sign in to Forelock. This costs nothing and moves nothing."
# Ours have about 350 characters. The grammar's parser takes time that grows faster than its input.
MESSAGE_MAX = 1000


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a wallet signs to sign in: `message` is the EIP-4361 text, `nonce` is in it."""

    nonce: str
    message: str


def challenge_issue(*, address: str, chain_id: int, domain: str, uri: str) -> Challenge:
    """A fresh text for `address` to sign, good once and for SIWE_NONCE_SECONDS. Errors: INVALID for a chain not served."""
    if not Chain.objects.filter(chain_id=chain_id, active=True).exists():
        raise DomainError(ErrorCode.INVALID, f"Chain {chain_id} is not served here.", field="chain_id")
    row = SignInNonce.objects.create(nonce=secrets.token_hex(12))
    issued = clock.now()
    message = SiweMessage(
        domain=domain,
        address=to_checksum(address),
        statement=STATEMENT,
        uri=uri,
        version="1",
        chain_id=chain_id,
        nonce=row.nonce,
        issued_at=ISO8601Datetime.from_datetime(issued),
        expiration_time=ISO8601Datetime.from_datetime(issued + timedelta(seconds=settings.SIWE_NONCE_SECONDS)),
    )
    return Challenge(row.nonce, message.prepare_message())


def _refuse(detail: str, field: str = "message") -> DomainError:
    return DomainError(ErrorCode.SIGN_IN_REFUSED, detail, field=field)


def _parse(message: str) -> SiweMessage:
    """Errors: SIGN_IN_REFUSED for anything but the one spelling of an EIP-4361 message."""
    refusal = "This is no EIP-4361 message: ask /api/v1/auth/nonce for one and sign it unchanged."
    if len(message) > MESSAGE_MAX:
        raise _refuse(refusal)
    try:
        # The library's regular expression splits, its grammar checks each part; what it lets through must also be written
        # back exactly as it came, so that no two readings of the signed text exist.
        parsed = SiweMessage.from_message(message, abnf=False)
        if parsed.prepare_message() != message:
            raise _refuse(refusal)
    except ValueError as error:  # pydantic's ValidationError is one
        raise _refuse(refusal) from error
    return parsed


def _require_current(parsed: SiweMessage, *, domain: str) -> Chain:
    """The message is for us and for now. Returns its chain. Errors: SIGN_IN_REFUSED."""
    if parsed.domain != domain:
        raise _refuse(f"The message is for {parsed.domain}, this is {domain}. Never sign messages for another site.")
    chain = Chain.objects.filter(chain_id=parsed.chain_id, active=True).first()
    if chain is None:
        raise _refuse(f"Chain {parsed.chain_id} is not served here: switch the wallet to one of the venue's chains.")
    now = clock.now()
    if parsed.expiration_time is None or datetime.fromisoformat(parsed.expiration_time) <= now:
        raise _refuse("The message has expired: ask for a new one and sign it within five minutes.")
    if parsed.not_before is not None and datetime.fromisoformat(parsed.not_before) > now:
        raise _refuse("The message is not valid yet.")
    return chain


def sign_in(*, message: str, signature: bytes, domain: str) -> User:
    """The user who signed `message` for `domain`. Uses up its nonce.

    Checks shape, domain, chain (one of ours), times, nonce (ours, fresh, unused), then the signature: an EOA's, else EIP-1271,
    which asks the node and so stands before the transaction. The first contract that signs in ties the account to its chain.
    Errors: SIGN_IN_REFUSED with the rule, CHAIN_UNAVAILABLE.
    """
    parsed = _parse(message)
    chain = _require_current(parsed, domain=domain)
    stale = _refuse("The nonce is unknown, used or too old: ask /api/v1/auth/nonce for a new one.")
    oldest = clock.now() - timedelta(seconds=settings.SIWE_NONCE_SECONDS)
    fresh = SignInNonce.objects.filter(nonce=parsed.nonce, used_at=None, issued_at__gt=oldest)
    if not fresh.exists():
        raise stale
    address = str(parsed.address).lower()
    digest = signatures.personal_digest(encode_defunct(text=message))
    try:
        by = signatures.verify(chain=chain, signer=address, digest=digest, signature=signatures.with_v_27(signature))
    except DomainError as error:
        if error.code is ErrorCode.SIGNATURE_INVALID:
            raise _refuse(f"The signature is not {parsed.address}'s over this message.", "signature") from error
        raise
    with transaction.atomic():
        if not fresh.update(used_at=clock.now()):
            raise stale  # somebody was faster with the same signature
        user = User.objects.for_wallet(address)
        if not user.is_active:
            raise _refuse("This account is closed. Money in escrow stays yours: withdraw from the contract directly.")
        if by is signatures.SignedBy.CONTRACT:
            _require_chain(user, chain.chain_id)
        return user


def _require_chain(user: User, chain_id: int) -> None:
    """A contract on chain `chain_id` may speak for the account: the first one that does ties it. Errors: SIGN_IN_REFUSED."""
    User.objects.filter(pk=user.pk, contract_chain_id=None).update(contract_chain_id=chain_id)
    user.refresh_from_db(fields=["contract_chain_id"])
    if not user.speaks_on(chain_id):
        raise _refuse(
            f"This account is the wallet contract's on chain {user.contract_chain_id}; the contract that signed is on chain "
            f"{chain_id}, where its owners may be others. Switch the wallet to chain {user.contract_chain_id} and sign in again."
        )
