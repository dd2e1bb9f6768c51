"""Accounts, the browser sessions and the API tokens of those who signed in (otc.accounts.ethereum)."""

import hashlib
import secrets
from datetime import timedelta

import pghistory
from django.conf import settings
from django.contrib.auth import login
from django.db import transaction
from django.http import HttpRequest

from otc.accounts.models import AccessToken, SignInNonce, User
from otc.core import clock
from otc.core.errors import DomainError, ErrorCode
from otc.core.locks import lock_row, lock_rows
from otc.core.models import Chain

TOKEN_PREFIX = "flk_"  # noqa: S105 - a prefix, so that leaked tokens can be recognised


def session_open(*, request: HttpRequest, user: User) -> None:
    """Signs the browser of `request` in as `user`, under a new session key (no fixation)."""
    login(request, user)


def superuser_require(*, user: User) -> None:
    """`user` is a superuser who gets into the panel, and stays one for the rest of the transaction. Locks all of them, always in the
    same order: of two who act on each other at once the second comes too late. Errors: FORBIDDEN.
    """
    if user not in lock_rows(User.objects.filter(is_superuser=True, is_staff=True, is_active=True)):
        raise DomainError(
            ErrorCode.FORBIDDEN, "Only superusers change, close and open staff accounts: ask one to do it."
        )


@transaction.atomic
def account_active_set(*, user_id: int, active: bool, reason: str, by: User) -> User:
    """Closes an account (its tokens end, its sessions with the next request) or opens it again. Locks it.

    Of staff accounts only superusers do it, and nobody to their own: so one superuser always remains.
    Errors: INVALID without a reason, NOT_FOUND, FORBIDDEN, CONFLICT when it is so already.
    """
    if not reason.strip():
        raise DomainError(ErrorCode.INVALID, "Say why: it is kept.", field="reason")
    if User.objects.filter(pk=user_id, address=None).exists():
        superuser_require(user=by)
        if user_id == by.pk:
            raise DomainError(ErrorCode.FORBIDDEN, "Nobody closes their own account: ask another superuser to do it.")
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


@transaction.atomic
def account_chain_set(*, user_id: int, chain_id: int, reason: str) -> User:
    """Ties a wallet's account to the contract on another chain, and ends its tokens and sessions. Locks it.

    Errors: INVALID without a reason or for a chain not served, NOT_FOUND, CONFLICT when it is so already.
    """
    if not reason.strip():
        raise DomainError(ErrorCode.INVALID, "Say why: it is kept.", field="reason")
    if not Chain.objects.filter(chain_id=chain_id, active=True).exists():
        raise DomainError(ErrorCode.INVALID, f"Chain {chain_id} is not served here.", field="contract_chain_id")
    user = lock_row(User.objects.filter(pk=user_id, address__isnull=False))
    if user is None:
        raise DomainError(ErrorCode.NOT_FOUND, "There is no such wallet.")
    if user.contract_chain_id == chain_id:
        raise DomainError(ErrorCode.CONFLICT, f"The account is the contract's on chain {chain_id} already.")
    user.contract_chain_id = chain_id
    user.set_unusable_password()  # a new one: sessions go with the old
    with pghistory.context(reason=reason.strip()):
        user.save(update_fields=["contract_chain_id", "password"])
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
