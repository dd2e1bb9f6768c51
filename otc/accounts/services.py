"""Sign-In with Ethereum (EIP-4361), the browser sessions and the API tokens that it gives."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import pghistory
from django.conf import settings
from django.contrib.auth import login
from django.db import transaction
from django.http import HttpRequest
from eth_account.messages import encode_defunct
from siwe import ISO8601Datetime, SiweMessage

from otc.accounts.models import AccessToken, SignInNonce, User
from otc.core import clock, signatures
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import to_checksum
from otc.core.locks import lock_row
from otc.core.models import Chain

STATEMENT = "Sign in to Forelock. This costs nothing and moves nothing."
TOKEN_PREFIX = "flk_"  # noqa: S105 - a prefix, so that leaked tokens can be recognised
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
    which asks the node and so stands before the transaction. Errors: SIGN_IN_REFUSED with the rule, CHAIN_UNAVAILABLE.
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
        signatures.verify(chain=chain, signer=address, digest=digest, signature=signatures.with_v_27(signature))
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
        return user


def session_open(*, request: HttpRequest, user: User) -> None:
    """Signs the browser of `request` in as `user`, under a new session key (no fixation)."""
    login(request, user)


@transaction.atomic
def account_active_set(*, user_id: int, active: bool, reason: str) -> User:
    """Closes an account (its tokens end, its sessions with the next request) or opens it again. Locks it.

    Errors: INVALID without a reason, NOT_FOUND, CONFLICT when it is so already.
    """
    if not reason.strip():
        raise DomainError(ErrorCode.INVALID, "Say why: it is kept.", field="reason")
    user = lock_row(User.objects.filter(pk=user_id))
    if user is None:
        raise DomainError(ErrorCode.NOT_FOUND, "There is no such account.")
    if user.is_active == active:
        raise DomainError(ErrorCode.CONFLICT, f"The account is {'open' if active else 'closed'} already.")
    user.is_active = active
    with pghistory.context(reason=reason.strip()):
        user.save(update_fields=["is_active"])
    if not active:
        AccessToken.objects.filter(user=user).delete()
    return user


def _digest(token: str) -> str:
    return "0x" + hashlib.sha256(token.encode()).hexdigest()


def token_issue(*, user: User) -> tuple[str, AccessToken]:
    """A new bearer token for `user`, shown this once, and its row."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    row = AccessToken.objects.create(
        digest=_digest(token),
        user=user,
        expires_at=clock.now() + timedelta(seconds=settings.ACCESS_TOKEN_SECONDS),
    )
    return token, row


def token_user(*, token: str) -> User | None:
    """The active user of an unexpired token, or None."""
    row = AccessToken.objects.select_related("user").filter(digest=_digest(token), expires_at__gt=clock.now()).first()
    return row.user if row is not None and row.user.is_active else None


def token_revoke(*, token: str) -> None:
    """Forgets the token; unknown ones are ignored."""
    AccessToken.objects.filter(digest=_digest(token)).delete()


def expired_forget() -> int:
    """Deletes nonces and tokens that can no longer be used; returns how many."""
    now = clock.now()
    nonces, _ = SignInNonce.objects.filter(issued_at__lt=now - timedelta(seconds=settings.SIWE_NONCE_SECONDS)).delete()
    tokens, _ = AccessToken.objects.filter(expires_at__lt=now).delete()
    return nonces + tokens
