from datetime import UTC, datetime

from otc.core import clock


def test_times_are_aware_and_agree():
    assert clock.now().tzinfo is UTC
    assert abs(clock.now().timestamp() - clock.unix_now()) <= 1
    assert clock.monotonic() <= clock.monotonic()


def test_a_chain_time_is_a_date_even_past_the_calendar():
    assert clock.from_unix(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert clock.from_unix(2**40 - 1) == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
