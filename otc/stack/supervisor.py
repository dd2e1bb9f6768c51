"""Keeps services running: starts them in order, starts again what dies, stops all in the opposite order.

It knows only the processes that it started, each the leader of its own process group.
"""

import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from otc.stack import processes
from otc.stack.errors import StackError

TICK_SECONDS = 0.2
FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 30.0
# A service that ran this long was well: its next death starts the back-off anew.
WELL_SECONDS = 60.0
KEPT_LOGS = 3
LARGEST_LOG = 20_000_000  # bytes

Say = Callable[[str], None]


@dataclass(frozen=True)
class Service:
    """A program to keep running. `ready` gets what it wrote since its start; `started` runs after each start, once it is ready."""

    name: str
    command: Callable[[], Sequence[str]]
    ready: Callable[[str], bool]
    prepare: Callable[[], None] = lambda: None
    started: Callable[[], None] = lambda: None
    user: str = ""
    stop_signal: int = signal.SIGTERM
    # What the kernel sends when the supervisor is killed, if not the stop signal.
    death_signal: int = 0
    stop_seconds: float = 15.0
    start_seconds: float = 60.0


@dataclass
class _Running:
    service: Service
    process: processes.Process
    since: float
    log: Path
    log_start: int
    backoff: float = FIRST_BACKOFF
    ready: bool = False
    restart_at: float | None = None

    def output(self) -> str:
        with self.log.open("rb") as file:
            file.seek(self.log_start)
            return file.read().decode(errors="replace")


@dataclass
class _Job:
    every: Callable[[], float]
    run: Callable[[], object]
    due: float = field(default_factory=time.monotonic)


class Supervisor:
    """Runs services. `start` and `stop` belong to one thread; `check` may run in another (`in_background`)."""

    def __init__(
        self,
        *,
        logs: Path,
        cwd: Path,
        env: Mapping[str, str],
        say: Say,
        changed: Callable[[dict[str, int]], None] = lambda _pids: None,
    ) -> None:
        self.logs = logs
        self.cwd = cwd
        self.env = env
        self.say = say
        self._changed = changed
        self._running: list[_Running] = []
        self._jobs: list[_Job] = []
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self.longest_backoff = LONGEST_BACKOFF
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------ starting

    def start(self, service: Service) -> None:
        """Starts `service` and waits until it is ready. StackError with the end of its log when it doesn't get there."""
        self.launch(service)
        self.wait(service.name)

    def launch(self, service: Service) -> None:
        """Starts `service` without waiting: `wait` must follow before the first `check`."""
        log = rotate(self.logs / f"{service.name}.log")
        service.prepare()
        with self._lock:
            self._running.append(_Running(service, self._spawn(service, log), time.monotonic(), log, 0))
            self._tell()

    def wait(self, name: str) -> None:
        """Waits until the launched service is ready. StackError with the end of its log when it doesn't get there."""
        running = next(each for each in self._running if each.service.name == name)
        service = running.service
        processes.wait_until(
            lambda: service.ready(running.output()),
            seconds=service.start_seconds,
            what=service.name,
            process=running.process,
            log=running.log,
        )
        service.started()
        running.ready = True

    def every(self, seconds: Callable[[], float], run: Callable[[], object]) -> None:
        """Has `run` called between checks, `seconds()` after its last end; what it returns is nobody's. It must not raise for what may happen."""
        self._jobs.append(_Job(seconds, run, time.monotonic() + seconds()))

    def pids(self) -> dict[str, int]:
        """Process id by service, of those that run."""
        with self._lock:
            return {each.service.name: each.process.pid for each in self._running if each.process.poll() is None}

    def well(self) -> bool:
        """Whether every service runs and has answered since its last start."""
        with self._lock:
            return all(each.ready and each.process.poll() is None for each in self._running)

    def _spawn(self, service: Service, log: Path) -> processes.Process:
        with log.open("ab") as out:
            return processes.start(
                list(service.command()),
                log=out,
                cwd=self.cwd,
                env=self.env,
                user=service.user,
                death_signal=service.death_signal or service.stop_signal,
            )

    def _tell(self) -> None:
        self._changed(self.pids())

    # ------------------------------------------------------------ keeping

    def check(self) -> None:
        """One look at every service: notices deaths, starts again what is due, runs the jobs that are due."""
        with self._lock:
            if self._stopping.is_set():
                return
            for running in self._running:
                self._check_one(running)
                trim(running)
        for job in self._jobs:
            if time.monotonic() >= job.due and not self._stopping.is_set():
                job.run()
                job.due = time.monotonic() + job.every()

    def _check_one(self, running: _Running) -> None:
        now = time.monotonic()
        if running.restart_at is not None:
            if now >= running.restart_at:
                self._restart(running)
            return
        code = running.process.poll()
        if code is not None:
            self._bury(running, f"ended ({how_it_ended(code)})")
        elif not running.ready:
            self._check_start(running, now)
        elif now - running.since > WELL_SECONDS:
            running.backoff = FIRST_BACKOFF

    def _check_start(self, running: _Running, now: float) -> None:
        if running.service.ready(running.output()):
            running.service.started()
            running.ready = True
            self.say(f"{running.service.name} runs again (process {running.process.pid}).")
        elif now - running.since > running.service.start_seconds:
            processes.stop(running.process, number=running.service.stop_signal, seconds=running.service.stop_seconds)
            self._bury(running, f"did not answer in {running.service.start_seconds:.0f} s")

    def _bury(self, running: _Running, why: str) -> None:
        # Whatever the dead leader left in its group would hold its sockets and do its work twice.
        processes.signal_group(running.process.pid, signal.SIGKILL)
        running.ready = False
        running.restart_at = time.monotonic() + running.backoff
        self.say(f"{running.service.name} {why}: starting it again in {running.backoff:g} s. Its log: {running.log}")
        running.backoff = min(running.backoff * 2, self.longest_backoff)
        self._tell()

    def _restart(self, running: _Running) -> None:
        running.restart_at = None
        running.since = time.monotonic()
        running.log_start = running.log.stat().st_size if running.log.exists() else 0
        try:
            running.service.prepare()
            running.process = self._spawn(running.service, running.log)
        except (OSError, StackError) as error:
            running.restart_at = time.monotonic() + running.backoff
            self.say(f"{running.service.name} can't be started: {error}")
            running.backoff = min(running.backoff * 2, self.longest_backoff)
            return
        self._tell()

    def watch(self, stop: threading.Event) -> None:
        """Checks until `stop` is set."""
        while not stop.wait(TICK_SECONDS):
            self.check()

    def in_background(self) -> None:
        """Checks in a thread until `stop`."""

        def run() -> None:
            self.watch(self._stopping)
            # The kernel signals a child when the thread that started it ends: not before the ordered stop.
            self._stopped.wait()

        self._thread = threading.Thread(target=run, name="supervisor", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------ stopping

    def stop(self, *, before: Mapping[str, Callable[[], object]] | None = None) -> None:
        """Stops everything, last started first, and returns when all of it is gone. `before[name]` runs before that service ends."""
        self._stopping.set()
        with self._lock:
            for running in reversed(self._running):
                if running.process.poll() is None:
                    with contextlib.suppress(Exception):
                        (before or {}).get(running.service.name, lambda: None)()
                processes.stop(
                    running.process, number=running.service.stop_signal, seconds=running.service.stop_seconds
                )
            self._running.clear()
            self._tell()
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def kill(self) -> None:
        """Kills everything at once; data survives as after a power cut."""
        self._stopping.set()
        for running in list(self._running):
            processes.signal_group(running.process.pid, signal.SIGKILL)


def how_it_ended(code: int) -> str:
    """An exit status in words."""
    if code >= 0:
        return f"status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def trim(running: _Running) -> None:
    """Empties a log that has grown too large, after copying it to `.1`: its program goes on writing to the same file."""
    if running.log.exists() and running.log.stat().st_size > LARGEST_LOG:
        shutil.copyfile(running.log, running.log.with_name(f"{running.log.name}.1"))
        os.truncate(running.log, 0)
        running.log_start = 0


def rotate(log: Path) -> Path:
    """Moves `log` to `log.1`, that to `log.2` and so on, KEPT_LOGS of them; returns `log`, now free."""
    log.parent.mkdir(parents=True, exist_ok=True)
    for number in range(KEPT_LOGS - 1, -1, -1):
        older = log.with_name(f"{log.name}.{number}") if number else log
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    return log
