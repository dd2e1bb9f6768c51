"""What is true of the escrow at a block, as flat keys and values: cheap to change, to take back, and to compare."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from escrow.contracts import bindings

Key = tuple[Any, ...]
Changes = dict[Key, tuple[Any, Any]]  # before, after; None: nothing


class DealFacts(NamedTuple):
    """A deal. `tranches`: (number, delivered, outcome), ascending. `hands`: (side, from, to, price), oldest first."""

    struct: bindings.Deal
    locked: int
    outcome: int = 0
    tranches: tuple[tuple[int, int, int], ...] = ()
    matched: str | None = None
    hands: tuple[tuple[int, str, str, int | None], ...] = ()
    phase: int = 0
    until: int = 0
    attested: int = 0
    evidence: str | None = None
    by: str | None = None
    bond: int = 0
    appeals: int = 0


class MarketFacts(NamedTuple):
    """A market that was created; the terms are set while they are proposed or final."""

    status: int
    settlement: bindings.SettlementTerms | None = None
    final_at: int = 0
    extended: bool = False
    confirmable_at: int = 0


class Facts:
    """`values` by key, none of them zero. `mark` is a fingerprint that every change keeps up: equal facts, equal marks.

    Keys: ("free", token, user), ("fees", token), ("external", token), ("locked", deal), ("allowed", token), ("market", id),
    ("deal", id), ("filled", offer), ("cancelled", offer), ("epoch", maker), ("nonces", maker, word),
    ("approved", seller, market, token), ("fee_bps",), ("paused_until",).
    """

    def __init__(self) -> None:
        self.values: dict[Key, Any] = {}
        self.open: dict[str, None] = {}  # ids of the deals without an outcome
        self.mark = 0
        self._before: dict[Key, Any] = {}  # since the last `close`

    def get(self, *key: Any) -> Any:
        return self.values.get(key, 0)

    def put(self, key: Key, value: Any) -> None:
        self._before.setdefault(key, self.values.get(key))
        self._set(key, value)

    def add(self, key: Key, amount: int) -> None:
        self.put(key, self.values.get(key, 0) + amount)

    def _set(self, key: Key, value: Any) -> None:
        before = self.values.get(key)
        if before:
            self.mark ^= hash((key, before))
        if value:
            self.mark ^= hash((key, value))
            self.values[key] = value
        elif before:
            del self.values[key]
        if key[0] == "deal":
            if value and not value.outcome:
                self.open[key[1]] = None
            else:
                self.open.pop(key[1], None)

    def close(self) -> Changes:
        """What changed since the last call."""
        changes = {key: (before, self.values.get(key)) for key, before in self._before.items()}
        self._before = {}
        return changes

    def take_back(self, changes: Mapping[Key, tuple[Any, Any]]) -> None:
        for key, (before, _) in changes.items():
            self._set(key, before)

    def take_up(self, changes: Mapping[Key, tuple[Any, Any]]) -> None:
        for key, (_, after) in changes.items():
            self._set(key, after)


def differences(expected: Mapping[Key, Any], found: Mapping[Key, Any]) -> list[str]:
    """One line for each key whose value differs."""
    keys: Iterable[Key] = sorted(expected.keys() | found.keys(), key=repr)
    return [
        f"{key}: expected {expected.get(key)}, found {found.get(key)}"
        for key in keys
        if expected.get(key) != found.get(key)
    ]
