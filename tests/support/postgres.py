"""One throw-away PostgreSQL server per test run."""

import signal
from pathlib import Path

from otc.stack import postgres, processes
from tests.support import run


class Server:
    """A PostgreSQL server of this run, without any of the syncing that keeps data over a crash."""

    def __init__(self, folder: Path) -> None:
        self.cluster = postgres.Cluster(data=folder / "pgdata", sockets=run.sockets(), settings=postgres.THROWAWAY)
        self.process: processes.Process | None = None

    def start(self) -> None:
        """Starts it, unless it runs already. Ready when this returns."""
        if self.process is not None:
            return
        self.cluster.create()
        log = run.folder() / "postgres.log"
        with log.open("wb") as out:
            self.process = processes.start(
                self.cluster.command(),
                log=out,
                cwd=run.folder(),
                user=postgres.unprivileged_user(),
                death_signal=signal.SIGQUIT,
            )
        processes.wait_until(self.cluster.ready, seconds=30, what="PostgreSQL", process=self.process, log=log)

    def stop(self) -> None:
        """Drops it at once: nothing in it is kept."""
        if self.process is not None:
            processes.stop(self.process, number=signal.SIGQUIT, seconds=10)
            self.process = None
