"""Writes many rows at the speed of the database: COPY with ids taken beforehand, so that rows can refer to each other at once."""

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

import orjson
from django.db import connection, models

from otc.core.fields import HexField

NULL = r"\N"
COPY_SIZE = 1 << 20  # characters handed to the server at once


def table_of(model: type[models.Model]) -> str:
    """The quoted name of a model's table."""
    return connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 - Django's documented model API


def next_ids(model: type[models.Model], count: int) -> list[int]:
    """`count` fresh primary keys of `model`, ascending."""
    if not count:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH s AS MATERIALIZED (SELECT pg_get_serial_sequence(%s, 'id')::regclass AS id)"
            " SELECT nextval(s.id) FROM s, generate_series(1, %s)",
            [table_of(model), count],
        )
        return [row[0] for row in cursor.fetchall()]


def copy_rows(model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Inserts `rows` of the fields `names` (attnames such as `chain_id`). Hex columns take 0x-hex `str`, JSON ones any JSON value."""
    columns = list(zip(*rows, strict=True))
    if not columns:
        return
    fields: list[Any] = [model._meta.get_field(name) for name in names]  # noqa: SLF001 - as above
    texts = [_texts(field, column) for field, column in zip(fields, columns, strict=True)]
    lines = "\n".join(map("\t".join, zip(*texts, strict=True)))
    target = ", ".join(connection.ops.quote_name(field.column) for field in fields)
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {table_of(model)} ({target}) FROM STDIN", StringIO(lines), size=COPY_SIZE)


def _texts(field: Any, values: Sequence[Any]) -> list[str]:
    """A column's values in COPY's text format. One loop per kind of field, not one call per value."""
    if isinstance(field, HexField | models.BinaryField):
        return [NULL if value is None else "\\\\x" + value[2:] for value in values]
    if isinstance(field, models.JSONField):
        # JSON has no raw tab or line break, only backslashes to double.
        return [orjson.dumps(value).decode().replace("\\", "\\\\") for value in values]
    if isinstance(field, models.BooleanField):
        return ["t" if value else "f" for value in values]
    if isinstance(field, models.CharField | models.TextField):
        return [_escaped(value) for value in values]
    return [NULL if value is None else str(value) for value in values]


def _escaped(text: str) -> str:
    if text.isalnum():
        return text
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def update_rows(
    model: type[models.Model], types: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]], *, key: str = "id"
) -> None:
    """Sets columns of many rows in one statement. `types`: (column, SQL type), the first is `key`; `rows` in that order."""
    if not rows:
        return
    arrays = ", ".join(f"%s::{kind}[]" for _, kind in types)
    names = ", ".join(name for name, _ in types)
    changes = ", ".join(f"{name} = v.{name}" for name, _ in types[1:])
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table_of(model)} t SET {changes} FROM unnest({arrays}) AS v({names}) WHERE t.{key} = v.{key}",  # noqa: S608 - names of ours
            [list(column) for column in zip(*rows, strict=True)],
        )
