"""A worker that gets no tasks any more connects to the broker anew.

When Redis goes down and comes back, the transport and the client library under it each connect again, and now and then one waits at a connection
that the other has left: the worker stands there, connected and deaf, for ever. Beat has something for every queue at least every five seconds,
so a worker with nothing in hand and nothing received for longer is one of those, or has no beat. Connecting anew costs it nothing.
"""

from typing import Any

from celery import bootsteps, signals
from celery.worker import state

from otc.core import clock

DEAF_SECONDS = 10.0
LOOK_SECONDS = 2.0


class ConnectsAnew(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Part of the worker's consumer; starts with every connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._heard = clock.monotonic()
        signals.task_received.connect(self._hear)

    def _hear(self, **_about: Any) -> None:
        self._heard = clock.monotonic()

    def start(self, parent: Any) -> None:
        self._hear()
        self._timer = parent.timer.call_repeatedly(LOOK_SECONDS, self.look)

    def stop(self, _parent: Any) -> None:
        self._timer.cancel()

    def look(self) -> None:
        """Errors: ConnectionError, on which the consumer begins again with a new connection."""
        if not state.reserved_requests and clock.monotonic() - self._heard > DEAF_SECONDS:
            raise ConnectionError(f"no task was received in {DEAF_SECONDS:.0f} s")
