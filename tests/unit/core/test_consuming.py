"""A worker that gets nothing for long connects anew, and no other."""

import pytest
from celery import signals
from celery.worker import state

from otc import consuming
from otc.core import clock


class Timer:
    """Celery's, run by hand."""

    def __init__(self):
        self.every, self.run, self.cancelled = None, None, False

    def call_repeatedly(self, every, run):
        self.every, self.run = every, run
        return self

    def cancel(self):
        self.cancelled = True


class Consumer:
    def __init__(self):
        self.timer = Timer()


@pytest.fixture
def now(monkeypatch):
    moment = [1_000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: moment[0])
    return moment


@pytest.fixture
def started(now):
    consumer = Consumer()
    step = consuming.ConnectsAnew(consumer)
    step.start(consumer)
    yield consumer.timer
    step.stop(consumer)
    assert consumer.timer.cancelled


def test_one_that_hears_nothing_connects_anew(started, now):
    now[0] += consuming.DEAF_SECONDS
    started.run()
    now[0] += 1
    with pytest.raises(ConnectionError, match="no task was received in 10 s"):
        started.run()


def test_one_that_hears_a_task_goes_on(started, now):
    now[0] += consuming.DEAF_SECONDS
    signals.task_received.send(sender=None, request=None)
    now[0] += consuming.DEAF_SECONDS
    started.run()


def test_one_that_is_at_work_goes_on(started, now, monkeypatch):
    monkeypatch.setattr(state, "reserved_requests", {"a request"})
    now[0] += 10 * consuming.DEAF_SECONDS
    started.run()


def test_a_new_connection_has_its_time(now):
    consumer = Consumer()
    step = consuming.ConnectsAnew(consumer)
    now[0] += 100
    step.start(consumer)
    consumer.timer.run()
