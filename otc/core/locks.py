"""Locks, in one place, so that their order is one.

Order within a transaction (take from the top, never upwards):
1. advisory lock of a chain's writer (session level, held by the watcher's step)
2. rows: Chain, Market, Offer (by id), MakerFunds (by id), Deal (by id), Signer, Intent (by id)
Rows are locked `FOR NO KEY UPDATE`: inserts that only reference them go on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from zlib import crc32

from django.db import connection, models

ModelT = TypeVar("ModelT", bound=models.Model)


def lock_rows(queryset: models.QuerySet[ModelT]) -> list[ModelT]:
    """Locks the rows of `queryset` in primary-key order and returns them fresh. Needs a transaction."""
    return list(queryset.order_by("pk").select_for_update(no_key=True, of=("self",)))


def lock_row(queryset: models.QuerySet[ModelT]) -> ModelT | None:
    """Locks the first row of `queryset`, or None when there is none. Needs a transaction."""
    rows = lock_rows(queryset[:1]) if not queryset.query.is_sliced else lock_rows(queryset)
    return rows[0] if rows else None


@contextmanager
def advisory_lock(name: str) -> Iterator[bool]:
    """A session-level PostgreSQL lock by name; yields whether it was got (never waits). Released at the end or with the
    connection, so a killed process frees it.
    """
    key = crc32(name.encode())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [0x0F0E, key - 2**31])
        got = bool(cursor.fetchone()[0])
    try:
        yield got
    finally:
        if got:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [0x0F0E, key - 2**31])
