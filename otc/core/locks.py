"""Locks, in one place, so that their order is one.

Order within a transaction (take from the top, never upwards):
1. advisory lock of a chain's writer (session level, held by the watcher's step)
2. rows: Chain, Market, Offer (by id), MakerFunds (by id), Deal (by id), Signer, Intent (by id)
3. an outbox aggregate (`otc.core.outbox`), last
Rows are locked `FOR NO KEY UPDATE`: inserts that only reference them go on.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar
from zlib import crc32

from django.db import InterfaceError, OperationalError, connection, models

ModelT = TypeVar("ModelT", bound=models.Model)

# First key of the two-key advisory locks: tells ours from those of other programs on the same database.
SPACE = 0x0F0E


def lock_rows(queryset: models.QuerySet[ModelT]) -> list[ModelT]:
    """Locks the rows of `queryset` in primary-key order and returns them fresh. Needs a transaction."""
    return list(_locking(queryset))


def lock_row(queryset: models.QuerySet[ModelT]) -> ModelT | None:
    """Locks the one row that `queryset` names and returns it fresh; None when there is none. Needs a transaction.

    Of several rows it locks the one with the lowest primary key.
    """
    return _locking(queryset).first()


def _locking(queryset: models.QuerySet[ModelT]) -> models.QuerySet[ModelT]:
    return queryset.order_by("pk").select_for_update(no_key=True, of=("self",))


@contextmanager
def advisory_lock(name: str) -> Iterator[bool]:
    """A session-level PostgreSQL lock by name; yields whether it was got (never waits). Released at the end or with the
    connection, so a killed process frees it. Needs a connection of its own: no transaction pooling in between.
    """
    keys = [SPACE, crc32(name.encode()) - 2**31]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", keys)
        got = bool(cursor.fetchone()[0])
    try:
        yield got
    finally:
        if got:
            # A connection that died meanwhile has let go by itself.
            with suppress(OperationalError, InterfaceError), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", keys)
