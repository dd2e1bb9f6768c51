"""Writes outbox rows. A row stands in the same transaction as the change it tells of, or not at all."""

from collections.abc import Mapping
from typing import Any

from django.db import connection

from otc.core.models import OutboxEvent


def outbox_add(*, type: str, aggregate: str, payload: Mapping[str, Any], depth: str = "") -> OutboxEvent:  # noqa: A002
    """Appends one event; its `sequence` is the next of the aggregate. Locks the aggregate until commit."""
    assert connection.in_atomic_block, "an outbox row belongs to the transaction of its change"  # noqa: S101
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [aggregate])
    last = (
        OutboxEvent.objects.filter(aggregate=aggregate).order_by("-sequence").values_list("sequence", flat=True).first()
    )
    return OutboxEvent.objects.create(
        type=type, aggregate=aggregate, sequence=(last or 0) + 1, depth=depth, payload=dict(payload)
    )
