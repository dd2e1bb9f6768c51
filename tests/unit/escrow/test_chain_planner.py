"""The planner against a world that is known: two branches, a window of ours on one of them, a node on either."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escrow.chain.planner import Extend, Halt, Header, Remote, Rewind, TipWindow, Wait, plan_step


def branch(name: str, length: int, *, fork_of: list[Header] | None = None, fork_at: int = 0) -> list[Header]:
    """Headers 0..length-1, the first `fork_at` shared with `fork_of`."""
    headers = list(fork_of[:fork_at]) if fork_of else []
    for number in range(len(headers), length):
        parent = headers[-1].hash if headers else "0x00"
        headers.append(Header(number, f"{name}{number}", parent, 1000 + number))
    return headers


def remote_of(chain: list[Header], head: int, *, final: int) -> Remote:
    return Remote(chain[head], final, {header.number: header for header in chain[: head + 1]})


def window_of(chain: list[Header], tip: int, *, final: int, start: int = 0) -> TipWindow:
    return TipWindow(start, final, tuple(chain[max(final, start) : tip + 1]))


MAIN = branch("m", 60)


def test_nothing_read_yet_starts_at_the_first_block():
    window = TipWindow(5, -1, ())
    assert plan_step(window, remote_of(MAIN, 40, final=30), limit=10) == Extend(5, 14, live=False)
    assert plan_step(window, remote_of(MAIN, 40, final=8), limit=10) == Extend(5, 8, live=False)
    assert plan_step(window, remote_of(MAIN, 40, final=4), limit=10) == Extend(5, 14, live=True)
    assert isinstance(plan_step(window, remote_of(MAIN, 4, final=0), limit=10), Wait)


def test_level_waits():
    assert plan_step(window_of(MAIN, 20, final=17), remote_of(MAIN, 20, final=17), limit=10) == Wait("level")


def test_lower_head_of_the_same_branch_is_a_lagging_node_not_a_reorg():
    step = plan_step(window_of(MAIN, 20, final=15), remote_of(MAIN, 17, final=14), limit=10)
    assert isinstance(step, Wait)
    assert "lags" in step.reason


def test_head_below_our_final_block_says_nothing_whatever_its_hash():
    other = branch("x", 60)
    step = plan_step(window_of(MAIN, 20, final=15), remote_of(other, 10, final=8), limit=10)
    assert isinstance(step, Wait)


def test_fork_above_final_rewinds_to_the_common_block():
    other = branch("x", 60, fork_of=MAIN, fork_at=18)
    step = plan_step(window_of(MAIN, 20, final=15), remote_of(other, 22, final=19), limit=10)
    assert step == Rewind(MAIN[17])


def test_fork_right_above_the_final_block_still_rewinds():
    other = branch("x", 60, fork_of=MAIN, fork_at=16)
    assert plan_step(window_of(MAIN, 20, final=15), remote_of(other, 20, final=17), limit=10) == Rewind(MAIN[15])


def test_fork_below_final_halts():
    other = branch("x", 60, fork_of=MAIN, fork_at=15)
    step = plan_step(window_of(MAIN, 20, final=15), remote_of(other, 20, final=17), limit=10)
    assert isinstance(step, Halt)
    assert "block 15 was final" in step.reason


def test_another_first_block_halts_even_before_anything_was_final():
    other = branch("x", 60)
    step = plan_step(window_of(MAIN, 3, final=-1), remote_of(other, 5, final=0), limit=10)
    assert isinstance(step, Halt)


def test_lower_head_on_another_branch_rewinds():
    other = branch("x", 60, fork_of=MAIN, fork_at=17)
    step = plan_step(window_of(MAIN, 20, final=15), remote_of(other, 18, final=14), limit=10)
    assert step == Rewind(MAIN[16])


def test_heights_that_were_not_shown_are_asked_again():
    other = branch("x", 60, fork_of=MAIN, fork_at=18)
    remote = Remote(other[22], 19, {20: other[20]})
    assert isinstance(plan_step(window_of(MAIN, 20, final=15), remote, limit=10), Wait)


@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
def test_repeated_steps_reach_the_head_and_never_leave_a_gap_above_final(limit):
    head, remote_final = 57, 50
    window, seen = TipWindow(3, -1, ()), []
    for _ in range(200):
        step = plan_step(window, remote_of(MAIN, head, final=remote_final), limit=limit)
        if isinstance(step, Wait):
            break
        assert isinstance(step, Extend)
        assert step.live == (step.first > remote_final)
        seen += range(step.first, step.last + 1)
        window = window_of(MAIN, step.last, final=min(step.last, remote_final), start=3)
    assert seen == list(range(3, head + 1))


@given(
    fork_at=st.integers(1, 40),
    tip=st.integers(1, 40),
    head=st.integers(1, 59),
    final=st.integers(0, 40),
    remote_final=st.integers(0, 59),
    limit=st.integers(1, 50),
)
def test_every_step_is_safe(fork_at, tip, head, final, remote_final, limit):
    """Whatever the node says: never read beyond its head, never leave a gap, never touch what is final."""
    final = min(final, tip)
    other = branch("x", 60, fork_of=MAIN, fork_at=fork_at)
    window = window_of(MAIN, tip, final=final)
    step = plan_step(window, remote_of(other, head, final=min(remote_final, head)), limit=limit)
    forked = min(tip, head) >= fork_at
    if isinstance(step, Extend):
        assert not forked
        assert step.first == tip + 1
        assert step.first <= step.last <= min(head, tip + limit)
        assert step.live == (step.first > max(final, min(remote_final, head)))
        assert step.live or step.last <= max(final, min(remote_final, head))
    elif isinstance(step, Rewind):
        assert forked
        assert step.to == MAIN[fork_at - 1]
        assert final <= step.to.number < tip
    elif isinstance(step, Halt):
        assert forked
        assert fork_at <= final <= head
    else:
        assert head < final or (not forked and head <= tip)
