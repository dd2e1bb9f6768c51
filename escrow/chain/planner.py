"""What to do next about a chain, from what we have and what a node says. Pure: no I/O, no clock, no database."""

from collections.abc import Mapping
from dataclasses import dataclass

LIVE_MAX = 200  # blocks in one live step, each with a header and a question of its own


@dataclass(frozen=True, slots=True)
class Header:
    """A block header. Hashes are lower-case 0x-hex, `timestamp` is unix seconds."""

    number: int
    hash: str
    parent_hash: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class TipWindow:
    """What we hold: our canonical headers from the newest final one up to the tip, ascending.

    Above `final` the headers are without gaps. Empty headers: nothing was read yet, `start` is the first block to read.
    `final` is the newest block that we have called final; it never goes down. -1: none.
    """

    start: int
    final: int
    headers: tuple[Header, ...]

    @property
    def tip(self) -> Header | None:
        return self.headers[-1] if self.headers else None


@dataclass(frozen=True, slots=True)
class Remote:
    """What one node says, in one look: its head, and its headers at heights of our window.

    `final` is the height that counts as final by the chain's policy (tag, depth, quorum); `final_hash` the block there, where it
    is known: the branch we read must hold it.
    """

    head: Header
    final: int
    headers: Mapping[int, Header]
    final_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Depths:
    """Heights after a step. Up to `safe` facts may unlock what can be undone, up to `final` obligations. -1: none.

    `history` is the height that the node called final: what is not above it when a chain is first read is nobody's news.
    """

    safe: int
    final: int
    history: int


@dataclass(frozen=True, slots=True)
class Extend:
    """Read blocks `first`..`last`. `live`: they are not final yet, so every header is kept and logs are asked by block hash."""

    first: int
    last: int
    live: bool


@dataclass(frozen=True, slots=True)
class Staged:
    """History that was read and checked ahead of the fold: all of it from the tip up to `tip`, with so many logs. None: nothing."""

    tip: Header | None
    logs: int

    def reaches(self, number: int) -> bool:
        return self.tip is not None and self.tip.number >= number


@dataclass(frozen=True, slots=True)
class Rewind:
    """Blocks above `to` (one of ours) are no longer canonical."""

    to: Header


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do now, at this node."""

    reason: str


@dataclass(frozen=True, slots=True)
class Halt:
    """What we called final has changed: a person must look."""

    reason: str


Step = Extend | Rewind | Wait | Halt


# The cases, in the order in which they are told apart. `ours` is our tip, `theirs` the node's block at the same height
# (at its head's height when its head is lower).
#
#   1. We have nothing:            the node has `start`         → Extend from there
#                                  the node is not there yet    → Wait
#   2. Node's head below our final block                        → Wait: a lagging node has nothing to say on what we hold
#   3. theirs.hash == ours.hash:   its head is above our tip    → Extend
#                                  its head is our tip          → Wait: we are level
#                                  its head is lower            → Wait: a lagging node, not a reorg
#   4. theirs.hash != ours.hash:   some block of our window, final or above, is also theirs
#                                                               → Rewind to the highest such block
#                                  the node did not show the heights that would tell
#                                                               → Wait: ask again
#                                  even our final block is another one
#                                                               → Halt
#
# A rewind only drops what is ours; the next look extends along the node's branch. So a node that answers from a stale
# branch costs a moment's flicker of facts that are merely seen, and never one that is final.
def plan_step(window: TipWindow, remote: Remote, *, limit: int) -> Step:
    """The next step. `limit` ≥ 1 is the most blocks to read in one step.

    `remote.headers` must hold the node's header at our tip's height (or at its head's, when lower), and when that
    differs from ours, its headers at all heights of our window up to its head.
    """
    tip = window.tip
    if tip is None:
        return _begin(window, remote, limit)
    if remote.head.number < window.final:
        return Wait(f"the node lags: its head {remote.head.number} is below our final block {window.final}")
    height = min(tip.number, remote.head.number)
    ours = {header.number: header for header in window.headers}
    theirs = remote.headers.get(height)
    if theirs is None or height not in ours:
        return Wait(f"the node did not show block {height}")
    if theirs.hash != ours[height].hash:
        return _rewind(window, remote, height)
    if remote.head.number > tip.number:
        return _extend(tip.number + 1, window.final, remote, limit)
    return Wait("level" if remote.head.number == tip.number else f"the node lags: its head is {remote.head.number}")


def depths(window: TipWindow, remote: Remote, tip: Header, *, safe_depth: int) -> Depths:
    """How deep facts lie once `tip` is our newest block. Final never goes down, and never above what we hold."""
    final = max(window.final, min(remote.final, tip.number))
    safe = max(final, min(remote.head.number - safe_depth, tip.number), -1)
    return Depths(safe, final, remote.final)


def _begin(window: TipWindow, remote: Remote, limit: int) -> Step:
    if remote.head.number < window.start:
        return Wait(f"the node is at block {remote.head.number}, before the first block {window.start}")
    return _extend(window.start, window.final, remote, limit)


def _extend(first: int, final: int, remote: Remote, limit: int) -> Extend:
    """A range lies on one side of the final height: below it needs no window, above it every header is kept."""
    boundary = max(final, remote.final)
    if first <= boundary:
        return Extend(first, min(first + limit - 1, boundary, remote.head.number), live=False)
    return Extend(first, min(first + min(limit, LIVE_MAX) - 1, remote.head.number), live=True)


def _rewind(window: TipWindow, remote: Remote, height: int) -> Step:
    for header in reversed(window.headers):
        if header.number > height:
            continue
        theirs = remote.headers.get(header.number)
        if theirs is None:
            return Wait(f"the node did not show block {header.number}")
        if theirs.hash == header.hash:
            return Rewind(header)
        if header.number <= window.final:
            return Halt(f"block {header.number} was final as {header.hash}, and the node now has {theirs.hash} there")
    # Our window starts above its final block only before anything was final: then the first block itself has changed.
    first = window.headers[0]
    return Halt(f"block {first.number}, the first we read, is now {remote.headers[first.number].hash}")
