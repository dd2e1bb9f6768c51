"""Writes outbox rows, and reads them in order as they become visible.

A row stands in the same transaction as the change it tells of, or not at all. Listeners are woken after the commit, not by it: PostgreSQL lets
transactions that notify commit one at a time (docs/decisions/outbox-order.md). A wake-up that is lost costs a listener its idle time.

Ids come from a sequence, so rows become visible in another order than that of their ids: the transaction with id 7 may commit
after the one with id 8, or never. A reader that remembers "up to 8" must not pass 7. So a writer, before it takes its first id,
leaves a mark: a shared advisory lock, kept to the end of its transaction, named by the id above which its rows will be. A reader asks in this
order: (1) the last id given out, (2) the marks, (3) rows up to the lowest of these. A writer whose mark is not there at (2) has
ended, and its rows are visible at (3), or takes its ids after (1), and they are above. Only transactions that write to the outbox hold a
reader back, however long others run.
"""

import select
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Max

from otc.core.models import OutboxEvent

CHANNEL = "outbox"
MARK = 0x0F0F  # first key of the marks, as locks.SPACE is of other advisory locks
BATCH = 500  # rows read at once
HELD_BACK_SECONDS = 0.02  # until rows behind a mark are looked for again, should their writer roll back in silence

LEAVE_MARK = """
SELECT pg_advisory_xact_lock_shared(%s, ((last_value - (NOT is_called)::int) & 2147483647)::int)
  FROM core_outboxevent_id_seq
"""
LAST_ID = "SELECT last_value - (NOT is_called)::int FROM core_outboxevent_id_seq"
# The marks hold 31 bits of an id that is not above the last one.
LOWEST_MARK = """
SELECT min(%s - ((%s - objid::bigint) & 2147483647)) FROM pg_locks
 WHERE locktype = 'advisory' AND classid = %s AND objsubid = 2
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def outbox_add(*, type: str, aggregate: str, payload: Mapping[str, Any], depth: str = "") -> OutboxEvent:  # noqa: A002
    """Appends one event; its `sequence` is the next of the aggregate. Locks the aggregate until commit."""
    assert connection.in_atomic_block, "an outbox row belongs to the transaction of its change"  # noqa: S101
    outbox_lock(aggregate)
    _begin()
    last = (
        OutboxEvent.objects.filter(aggregate=aggregate).order_by("-sequence").values_list("sequence", flat=True).first()
    )
    return OutboxEvent.objects.create(
        type=type, aggregate=aggregate, sequence=(last or 0) + 1, depth=depth, payload=dict(payload)
    )


def outbox_lock(name: str) -> None:
    """Waits until nobody else holds `name`, an aggregate or what stands for several; held until commit, the last of a transaction's locks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


class NewEvent(NamedTuple):
    """An event to append; the members of `outbox_add`."""

    type: str
    aggregate: str
    payload: Mapping[str, Any]
    depth: str = ""


def outbox_add_locked(events: Sequence[NewEvent]) -> None:
    """Appends many events in three statements. The caller holds the row lock of every aggregate, or has just inserted its row, or
    holds `outbox_lock` on what stands for them: that, and not a lock per aggregate here, keeps the sequences apart.
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
    _begin()
    OutboxEvent.objects.bulk_create(rows, batch_size=1000)


def _begin() -> None:
    """Leaves this transaction's mark, and has the listeners woken once when it has committed."""
    with connection.cursor() as cursor:
        cursor.execute(LEAVE_MARK, [MARK])
    if all(callback is not _wake for _, callback, *_ in connection.run_on_commit):
        transaction.on_commit(_wake, robust=True)


def _wake() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


# ---------------------------------------------------------------- reading


class Page(NamedTuple):
    """Rows in the order of their ids. `held_back`: there may be more above, which a transaction under way keeps back."""

    rows: list[OutboxEvent]
    held_back: bool


def outbox_read(*, after: int, limit: int = BATCH) -> Page:
    """The next rows above the id `after`, of which none will ever be passed over by going on from the last one.

    Call outside of transactions: three statements, each of which must see what was committed before it.
    """
    with connection.cursor() as cursor:
        cursor.execute(LAST_ID)
        last = int(cursor.fetchone()[0])
        cursor.execute(LOWEST_MARK, [last, last, MARK])
        mark = cursor.fetchone()[0]
    upto = last if mark is None else int(mark)
    rows = list(OutboxEvent.objects.filter(id__gt=after, id__lte=upto).order_by("id")[:limit])
    return Page(rows, held_back=upto < last)


def outbox_listen(*, after: int, idle_seconds: float = 1.0) -> Iterator[list[OutboxEvent]]:
    """Rows above the id `after` in the order of their ids, in batches, as soon as they are visible; endless.

    A lost connection raises; the caller starts again with the last id it has handled. Without news it yields an empty batch each
    `idle_seconds`, so that the caller may stop. Takes this thread's database connection for itself.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")
    raw = connection.connection
    try:
        while True:
            raw.notifies.clear()
            rows, held_back = outbox_read(after=after)
            if rows:
                after = rows[-1].id
                yield rows
                continue
            if not raw.notifies:
                readable, _, _ = select.select([raw], [], [], HELD_BACK_SECONDS if held_back else idle_seconds)
                raw.poll()
                if not readable and not held_back:
                    yield []
    finally:
        if not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute(f"UNLISTEN {CHANNEL}")
