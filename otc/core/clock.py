"""The only place that asks for the time or waits.

Two clocks: ours (wall clock, for sessions and logs), and a chain's (the timestamp of its newest canonical block, kept on
`Chain.head_time`), by which everything on chain is judged: expiry, windows, deadlines.
"""

import time
from datetime import UTC, datetime

LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z


def now() -> datetime:
    """The current time, aware, UTC."""
    return datetime.now(UTC)


def unix_now() -> int:
    """The current time in unix seconds."""
    return int(time.time())


def monotonic() -> float:
    """Seconds that only grow: for measuring and time-outs."""
    return time.monotonic()


def wait(seconds: float) -> None:
    """Lets `seconds` pass. For loops outside transactions only."""
    time.sleep(seconds)


def from_unix(seconds: int) -> datetime:
    """A chain time as an aware datetime. A chain's uint40 outlives the calendar: later than year 9999 is its last second."""
    return datetime.fromtimestamp(min(seconds, LAST_SECOND), UTC)
