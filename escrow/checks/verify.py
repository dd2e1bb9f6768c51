"""All invariants of the database at once, at one moment."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from django.db import connection

from escrow.checks.folds import deals_not_their_fold, deals_not_their_shares
from escrow.checks.invariants import QUERIES, Invariant
from otc.core import clock
from otc.core.models import Chain
from otc.core.snapshots import snapshot

SHOWN = 20  # violations told of each invariant; all are counted

Fold = Callable[[Chain], Iterator[tuple[str, str]]]
# Invariants that no query can tell: name, what holds, and what breaks it, as (key, what was found).
FOLDS: list[tuple[str, str, Fold]] = [
    ("deals.fold", "a deal's row is the fold of its canonical events", deals_not_their_fold),
    ("deals.shares", "an open deal's account holds the shares of its unsettled tranches", deals_not_their_shares),
]
NAMES = {invariant.name: invariant.says for invariant in QUERIES} | {name: says for name, says, _ in FOLDS}


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where an invariant doesn't hold."""

    invariant: str
    key: str
    found: str


@dataclass(slots=True)
class Verification:
    """Of one chain, or of what belongs to none. `seconds` by invariant; `broken` counts all, `violations` shows SHOWN of each."""

    chain: Chain | None
    seconds: dict[str, float] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)


def verify(chains: Sequence[Chain]) -> list[Verification]:
    """All invariants of these chains, then those of no chain, at one moment. Reads only."""
    with snapshot():
        return [_verify(chain) for chain in (*chains, None)]


def _verify(chain: Chain | None) -> Verification:
    done = Verification(chain)
    for invariant in QUERIES:
        if invariant.of_chain is (chain is not None):
            _note(done, invariant.name, partial(_query, invariant, chain))
    if chain is not None:
        for name, _, broken in FOLDS:
            _note(done, name, partial(_counted, broken, chain))
    return done


def _note(done: Verification, name: str, look: Callable[[], tuple[int, list[tuple[str, str]]]]) -> None:
    began = clock.monotonic()
    count, shown = look()
    done.seconds[name] = clock.monotonic() - began
    if count:
        done.broken[name] = count
        done.violations += [Violation(name, key, found) for key, found in shown]


def _query(invariant: Invariant, chain: Chain | None) -> tuple[int, list[tuple[str, str]]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) OVER (), broken.* FROM ({invariant.sql}) AS broken(key, found) LIMIT {SHOWN}",  # noqa: S608 - ours
            {"chain": chain.pk if chain is not None else None},
        )
        rows = cursor.fetchall()
    return (int(rows[0][0]) if rows else 0), [(key, found or "nothing") for _, key, found in rows]


def _counted(broken: Fold, chain: Chain) -> tuple[int, list[tuple[str, str]]]:
    found = broken(chain)
    shown = list(islice(found, SHOWN))
    return len(shown) + sum(1 for _ in found), shown
