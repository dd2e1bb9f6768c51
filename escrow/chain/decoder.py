"""Logs to events, and events to JSON members."""

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from escrow.contracts.events import EVENTS, Event


def decode(topics: Sequence[str], data: str) -> Event | None:
    """The event, or None when the contracts' ABIs have none of this topic. Errors: ValueError when malformed."""
    kind = EVENTS.get(topics[0]) if topics else None
    return None if kind is None else kind.decode(topics, data)


@cache
def _fields_of(kind: type[Any]) -> tuple[tuple[str, ...], Callable[[Any], Any]]:
    names = tuple(field.name for field in fields(kind))
    return names, attrgetter(*names) if len(names) > 1 else lambda value: (getattr(value, names[0]),)


def as_json(value: Any) -> Any:
    """An event or struct as JSON members by name; integers as decimal strings."""
    kind = type(value)
    if kind is int:
        return str(value)
    if kind is str or kind is bool:
        return value
    if not is_dataclass(value):
        raise TypeError(f"no JSON form for {kind.__name__}")
    names, getter = _fields_of(kind)  # type: ignore[arg-type]
    if not names:
        return {}
    return {name: as_json(item) for name, item in zip(names, getter(value), strict=True)}
