"""Logs to events, and events to JSON members."""

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from escrow.contracts import bindings


def decode(topics: Sequence[str], data: str) -> bindings.Event | None:
    """The event, or None when the contract's ABI has none of this topic. Errors: ValueError when malformed."""
    if not topics or topics[0] not in bindings.EVENTS:
        return None
    return bindings.decode_event(topics, data)


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
