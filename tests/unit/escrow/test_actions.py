"""When an action is due, at every boundary, by a table and by the definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escrow.domain.actions import (
    CANCEL_PROPOSED,
    CANCELLED,
    NONE,
    OPEN,
    PROPOSED,
    Phase,
    Schedule,
    market_phase,
    refundable,
    tradable,
)

START, WINDOW, PERIOD = 1_000, 100, 30


def terms(*, tranches: int = 1, period: int = 0, start: int = START, window: int = WINDOW) -> Schedule:
    return Schedule(start=start, window=window, tranches=tranches, period=period)


@pytest.mark.parametrize(
    ("now", "can_deliver", "due"),
    [
        (999, False, 0),
        (1_000, True, 0),
        (1_001, True, 0),
        (1_099, True, 0),
        (1_100, True, 0),
        (1_101, False, 1),
        (9_999, False, 1),
    ],
)
def test_one_tranche_is_delivered_inside_its_window_and_slashed_after(now, can_deliver, due):
    assert terms().deliverable(0, now=now) is can_deliver
    assert len(terms().slashable(now=now)) == due


@pytest.mark.parametrize(
    ("now", "due"), [(1_100, 0), (1_101, 1), (1_130, 1), (1_131, 2), (1_160, 2), (1_161, 3), (10**9, 3)]
)
def test_tranches_fall_due_one_after_the_other(now, due):
    assert terms(tranches=3, period=PERIOD).slashable(now=now) == range(due)


@given(
    start=st.integers(0, 2**40),
    window=st.integers(0, 2**32),
    tranches=st.integers(2, 64),
    period=st.integers(1, 10**7),
    late=st.integers(-(10**9), 10**9),
)
def test_slashable_is_every_tranche_whose_deadline_passed(start, window, tranches, period, late):
    of = terms(start=start, window=window, tranches=tranches, period=period)
    now = max(0, start + window + late)
    assert list(of.slashable(now=now)) == [i for i in range(tranches) if now > of.deadline(i)]


@pytest.mark.parametrize(
    ("status", "final_at", "now", "phase", "refunds"),
    [
        (NONE, None, 10**6, Phase.UNCREATED, False),
        (OPEN, None, 5_000, Phase.OPEN, False),
        (OPEN, None, 5_001, Phase.VOID, True),
        (CANCEL_PROPOSED, None, 5_000, Phase.CANCEL_PROPOSED, False),
        (CANCEL_PROPOSED, None, 5_001, Phase.VOID, True),
        (CANCELLED, None, 0, Phase.CANCELLED, True),
        (PROPOSED, 4_000, 3_999, Phase.PROPOSED, False),
        (PROPOSED, 4_000, 4_000, Phase.FINAL, False),
        (PROPOSED, 4_000, 5_001, Phase.FINAL, False),
        (PROPOSED, 6_000, 5_001, Phase.PROPOSED, False),
    ],
)
def test_phase_of_a_market(status, final_at, now, phase, refunds):
    assert market_phase(status=status, final_at=final_at, long_stop=5_000, now=now) is phase
    assert refundable(status=status, long_stop=5_000, now=now) is refunds
    assert tradable(status=status, long_stop=5_000, now=now) is (phase is Phase.OPEN)
