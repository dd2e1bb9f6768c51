"""Importing an allocation list: the file is read and checked outside any transaction, with progress that all can see, and its rows
are stored in one: all or nothing.
"""

import io
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile, GzipFile
from typing import BinaryIO, Final, cast

from django.db import connection, transaction

from otc.core import clock, locks
from otc.core.outbox import NewEvent, outbox_add_locked
from points.domain import merkle
from points.domain.allocations import LINE_MAX, AllocationRows, FileRefused
from points.models import AllocationList
from points.services.allocation_lists import file_sha256
from points.services.list_trees import tree_store

State = AllocationList.State
TEXT_MAX: Final = 256 * 1024 * 1024  # bytes after decompression
BUFFER: Final = 256 * 1024
GZIP_MAGIC: Final = b"\x1f\x8b"
PROGRESS_SECONDS: Final = 1.0
LINES_PER_LOOK: Final = 2000  # lines between looks at the clock
COPY_ROWS: Final = 50_000  # a statement: seconds, far from the statement time-out
ATTEMPTS_MAX: Final = 5


def lists_pending() -> list[int]:
    """Ids of lists that wait for an import, or whose import may have died; oldest first."""
    pending = AllocationList.objects.filter(state__in=[State.UPLOADED, State.IMPORTING])
    return list(pending.order_by("pk").values_list("pk", flat=True))


def list_import(*, list_id: int) -> bool:
    """Imports a pending list, from the beginning when an earlier import died. Returns whether this call ended it.

    Held by an advisory lock per list, so a second caller returns at once, and a killed one frees it. Several transactions: never
    call it inside one. The list ends READY with rows, total and root, or REFUSED with the first hundred errors.
    """
    with locks.advisory_lock(f"allocation-list:{list_id}") as got:
        if not got:
            return False
        found = AllocationList.objects.filter(pk=list_id, state__in=[State.UPLOADED, State.IMPORTING]).first()
        if found is None:
            return False
        if found.attempts >= ATTEMPTS_MAX:
            detail = f"The import stopped {ATTEMPTS_MAX} times without an end. Upload the file again, or in parts."
            _refuse(found, errors=[(0, detail)], error_count=1)
            return True
        found.state, found.attempts, found.bytes_read = State.IMPORTING, found.attempts + 1, 0
        found.save(update_fields=["state", "attempts", "bytes_read"])
        try:
            rows = _read(found)
        except FileRefused as refusal:
            _refuse(found, errors=[(refusal.line, refusal.detail)], error_count=1)
            return True
        if rows.error_count:
            _refuse(found, errors=rows.errors, error_count=rows.error_count)
        else:
            root = tree_store(merkle.build(rows.leaves))
            _store(found, rows=rows, root=root)
        return True


# ---------------------------------------------------------------- reading


def _read(found: AllocationList) -> AllocationRows:
    """Reads the whole file. Errors: FileRefused."""
    rows = AllocationRows()
    shown = clock.monotonic()
    with found.file.open("rb") as file:
        if file_sha256(file) != found.file_sha256:
            raise FileRefused(0, "The stored file is not the one that was uploaded. Upload it again: that replaces it.")
        file.seek(0)
        raw = cast("BinaryIO", file)
        for number, line in _lines(raw):
            rows.add_line(number, line)
            if number % LINES_PER_LOOK == 0 and clock.monotonic() - shown >= PROGRESS_SECONDS:
                shown = clock.monotonic()
                _show_progress(found, bytes_read=min(raw.tell(), found.file_size), row_count=len(rows.addresses))
    if not rows.addresses and not rows.error_count:
        raise FileRefused(0, "The file has no rows.")
    _show_progress(found, bytes_read=found.file_size, row_count=len(rows.addresses))
    return rows


def _lines(raw: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Numbered lines, decompressed where the file is gzip. Memory and time are bounded whatever the file holds."""
    packed = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    raw.seek(0)
    text = io.BufferedReader(GzipFile(fileobj=raw), BUFFER) if packed else raw
    number = size = 0
    try:
        while line := text.readline(LINE_MAX + 1):
            number += 1
            size += len(line)
            if size > TEXT_MAX:
                raise FileRefused(number, f"The file holds more than {TEXT_MAX // 2**20} MiB of text: split it.")
            yield number, line
    except (EOFError, BadGzipFile, zlib.error) as error:
        raise FileRefused(number, f"The compressed file is damaged after this line: {error}.") from error


def _show_progress(found: AllocationList, *, bytes_read: int, row_count: int) -> None:
    AllocationList.objects.filter(pk=found.pk).update(bytes_read=bytes_read, row_count=row_count)


# ---------------------------------------------------------------- ending


@transaction.atomic
def _store(found: AllocationList, *, rows: AllocationRows, root: str) -> None:
    """All rows and the end state, together."""
    # Locked first: whoever took the list over meanwhile (after a lost connection) has another number of attempts.
    current = locks.lock_row(AllocationList.objects.filter(pk=found.pk))
    if current is None or current.state != State.IMPORTING or current.attempts != found.attempts:
        return
    with connection.cursor() as cursor:
        for start in range(0, len(rows.addresses), COPY_ROWS):
            lines = (
                f"{found.pk}\t{position}\t\\\\x{rows.addresses[position].hex()}\t{rows.amounts[position]}\n"
                for position in range(start, min(start + COPY_ROWS, len(rows.addresses)))
            )
            cursor.copy_expert(
                "COPY points_allocationrow (list_id, position, address, amount) FROM STDIN", io.StringIO("".join(lines))
            )
    current.state, current.root, current.total = State.READY, root, rows.total
    current.row_count, current.bytes_read = len(rows.addresses), current.file_size
    current.errors, current.error_count, current.finished_at = [], 0, clock.now()
    current.save()
    outbox_add_locked([_event(current)])


@transaction.atomic
def _refuse(found: AllocationList, *, errors: list[tuple[int, str]], error_count: int) -> None:
    current = locks.lock_row(AllocationList.objects.filter(pk=found.pk))
    if current is None or current.state not in {State.UPLOADED, State.IMPORTING}:
        return
    current.state, current.row_count, current.finished_at = State.REFUSED, 0, clock.now()
    current.errors, current.error_count = [{"line": line, "detail": detail} for line, detail in errors], error_count
    current.save()
    outbox_add_locked([_event(current)])


def _event(done: AllocationList) -> NewEvent:
    return NewEvent(
        type="allocation_list.imported" if done.state == State.READY else "allocation_list.refused",
        aggregate=f"allocation_list:{done.pk}",
        payload={"id": done.pk, "state": str(done.state), "row_count": done.row_count, "root": done.root},
    )
