"""Sign-In with Ethereum (EIP-4361) and the tokens it gives."""

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from eth_account.messages import encode_defunct
from pydantic import ValidationError
from siwe import ISO8601Datetime, SiweMessage

from otc.accounts.models import AccessToken, SignInNonce, User
from otc.core import clock, signatures
from otc.core.errors import DomainError, ErrorCode
from otc.core.models import Chain

STATEMENT = "Sign in to Forelock. This costs nothing and moves nothing."
TOKEN_PREFIX = "flk_"  # noqa: S105 - a prefix, so that leaked tokens can be recognised


def nonce_issue() -> str:
    """A fresh nonce of 24 letters and digits, good for SIWE_NONCE_SECONDS."""
    return SignInNonce.objects.create(nonce=secrets.token_hex(12)).nonce


def message_compose(*, address: str, chain_id: int, domain: str, uri: str, nonce: str) -> str:
    """The EIP-4361 text that a wallet signs. `address` in EIP-55 form."""
    issued = clock.now()
    return SiweMessage(
        domain=domain,
        address=address,
        statement=STATEMENT,
        uri=uri,
        version="1",
        chain_id=chain_id,
        nonce=nonce,
        issued_at=ISO8601Datetime.from_datetime(issued),
        expiration_time=ISO8601Datetime.from_datetime(issued + timedelta(seconds=settings.SIWE_NONCE_SECONDS)),
    ).prepare_message()


def _refuse(detail: str, field: str = "message") -> DomainError:
    return DomainError(ErrorCode.SIGN_IN_REFUSED, detail, field=field)


def sign_in(*, message: str, signature: bytes, domain: str) -> User:
    """The user who signed `message` for `domain`. Uses up its nonce.

    Checks domain, nonce (ours, fresh, unused), times, chain (one of ours), then the signature (EOA, else EIP-1271: asks the
    node, so before the transaction). Errors: SIGN_IN_REFUSED with the rule, CHAIN_UNAVAILABLE.
    """
    try:
        parsed = SiweMessage.from_message(message)
    except (ValueError, ValidationError) as error:
        raise _refuse("This is no EIP-4361 message: ask /auth/nonce for one and sign it unchanged.") from error
    chain = Chain.objects.filter(chain_id=parsed.chain_id, active=True).first()
    if chain is None:
        raise _refuse(f"Chain {parsed.chain_id} is not served here: switch the wallet to one of the venue's chains.")
    if parsed.domain != domain:
        raise _refuse(f"The message is for {parsed.domain}, this is {domain}. Never sign messages for another site.")
    now = clock.now()
    expires = parsed.expiration_time
    not_before = parsed.not_before
    if expires is None or ISO8601Datetime(expires).to_datetime() <= now:
        raise _refuse("The message has expired: ask for a new one and sign it within five minutes.")
    if not_before is not None and ISO8601Datetime(not_before).to_datetime() > now:
        raise _refuse("The message is not valid yet.")
    address = str(parsed.address).lower()
    try:
        digest = signatures.personal_digest(encode_defunct(text=message))
        signatures.verify(chain=chain, signer=address, digest=digest, signature=signature)
    except DomainError as error:
        if error.code is ErrorCode.SIGNATURE_INVALID:
            raise _refuse(f"The signature is not {parsed.address}'s over this message.", "signature") from error
        raise
    with transaction.atomic():
        oldest = now - timedelta(seconds=settings.SIWE_NONCE_SECONDS)
        used = SignInNonce.objects.filter(nonce=parsed.nonce, used_at=None, issued_at__gt=oldest).update(used_at=now)
        if not used:
            raise _refuse("The nonce is unknown, used or too old: ask /auth/nonce for a new one.")
        return User.objects.for_wallet(address)


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
