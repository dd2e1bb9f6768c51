"""Writes outbox rows. A row stands in the same transaction as the change it tells of, or not at all."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Max

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


class NewEvent(NamedTuple):
    """An event to append; the members of `outbox_add`."""

    type: str
    aggregate: str
    payload: Mapping[str, Any]
    depth: str = ""


def outbox_add_locked(events: Sequence[NewEvent]) -> None:
    """Appends many events in two statements. The caller holds the row lock of every aggregate, or has just inserted its row:
    that lock, and not one per aggregate here, keeps the sequences apart.
    """
    assert connection.in_atomic_block, "an outbox row belongs to the transaction of its change"  # noqa: S101
    aggregates = {event.aggregate for event in events}
    if not aggregates:
        return
    last = dict(
        OutboxEvent.objects.filter(aggregate__in=aggregates)
        .order_by()
        .values_list("aggregate")
        .annotate(last=Max("sequence"))
    )
    rows = []
    for event in events:
        last[event.aggregate] = last.get(event.aggregate, 0) + 1
        rows.append(
            OutboxEvent(
                type=event.type,
                aggregate=event.aggregate,
                sequence=last[event.aggregate],
                depth=event.depth,
                payload=dict(event.payload),
            )
        )
    OutboxEvent.objects.bulk_create(rows, batch_size=1000)
