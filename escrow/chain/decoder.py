"""Logs to events."""

from collections.abc import Sequence

from escrow.contracts.events import EVENTS, Event


def decode(topics: Sequence[str], data: str) -> Event | None:
    """The event, or None when the contracts' ABIs have none of this topic. Errors: ValueError when malformed."""
    kind = EVENTS.get(topics[0]) if topics else None
    return None if kind is None else kind.decode(topics, data)
