"""Idempotency keys: the same POST twice has one effect.

The answer is stored in the transaction of the effect, so there is no moment in which one exists without the other.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from django.conf import settings
from django.db import connection, transaction

from otc.core import clock
from otc.core.errors import DomainError, ErrorCode
from otc.core.models import IdempotencyRecord

KEY_MAX = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets: HTTP status, JSON body, and whether it is the stored one."""

    status: int
    body: Mapping[str, Any]
    replayed: bool


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """Who asks for what under which key. `scope` is the wallet, token or client address; `endpoint` the path asked for, with its
    ids filled in: the same key at another path is another request. `body` is what JSON can hold.
    """

    scope: str
    endpoint: str
    key: str
    body: Any

    def __post_init__(self) -> None:
        if not self.key:
            raise DomainError(
                ErrorCode.IDEMPOTENCY_KEY_MISSING,
                "Send an Idempotency-Key header: any text of your own up to 255 characters, new for each thing you create.",
                field="Idempotency-Key",
            )
        if len(self.key) > KEY_MAX or not self.key.isprintable():
            raise DomainError(
                ErrorCode.INVALID, "The Idempotency-Key is up to 255 printable characters.", field="Idempotency-Key"
            )

    @property
    def fingerprint(self) -> str:
        canonical = orjson.dumps(self.body, option=orjson.OPT_SORT_KEYS)
        return "0x" + hashlib.sha256(canonical).hexdigest()


def replay(request: IdempotentRequest) -> Answer | None:
    """The stored answer of this key, or None. Errors: IDEMPOTENCY_KEY_REUSED when it was stored for another body."""
    record = IdempotencyRecord.objects.filter(scope=request.scope, endpoint=request.endpoint, key=request.key).first()
    if record is None:
        return None
    if record.request_hash != request.fingerprint:
        raise DomainError(
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
            "This Idempotency-Key was used with another body: take a new key for a new request.",
            field="Idempotency-Key",
        )
    return Answer(record.status, record.body, replayed=True)


def idempotency_forget() -> int:
    """Deletes answers older than IDEMPOTENCY_SECONDS; returns how many."""
    oldest = clock.now() - timedelta(seconds=settings.IDEMPOTENCY_SECONDS)
    return IdempotencyRecord.objects.filter(created_at__lt=oldest).delete()[0]


def perform(request: IdempotentRequest, effect: Callable[[], tuple[int, Mapping[str, Any]]]) -> Answer:
    """Runs `effect` once for this key, in one transaction with the stored answer; a later call gets that answer.

    A DomainError out of `effect` stores nothing: the caller may mend the request and use the key again.
    Errors: IDEMPOTENCY_IN_FLIGHT while another request with this key runs; those of replay and of `effect`.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            name = f"{request.scope}\x1f{request.endpoint}\x1f{request.key}"
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 1))", [name])
            if not cursor.fetchone()[0]:
                raise DomainError(
                    ErrorCode.IDEMPOTENCY_IN_FLIGHT,
                    "A request with this Idempotency-Key is running: ask again in a second.",
                )
        stored = replay(request)
        if stored is not None:
            return stored
        status, body = effect()
        IdempotencyRecord.objects.create(
            scope=request.scope,
            endpoint=request.endpoint,
            key=request.key,
            request_hash=request.fingerprint,
            status=status,
            body=body,
        )
        return Answer(status, body, replayed=False)
