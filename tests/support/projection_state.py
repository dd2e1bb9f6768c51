"""The state of a chain as sets of plain rows: two of these are equal, or the difference says what is wrong."""

from typing import Any

from escrow.checks.state import state_parts
from otc.core.models import Chain


def projection_state(chain: Chain) -> dict[str, set[tuple[Any, ...]]]:
    chain.refresh_from_db()
    state = {}
    for name, rows in state_parts(chain).items():
        found = list(rows)
        state[name] = set(found)
        assert len(found) == len(state[name]), name
    return state
