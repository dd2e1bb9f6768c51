"""One stack per folder: the lock of the running one, and what a killed one left behind."""

import fcntl
import os
import signal
import time
from typing import IO, Any

from otc.stack import processes
from otc.stack.errors import StackError
from otc.stack.layout import Layout, read_json, write_json

LEFTOVER_SECONDS = 10


def holder(layout: Layout) -> dict[str, Any] | None:
    """`{pid, started, url}` of the live stack in `layout`, None when there is none (a stale file of a killed one counts as none)."""
    known = read_json(layout.root / "up.json")
    if not known or processes.identity(int(known.get("pid", 0))) != known.get("started"):
        return None
    return known


class StackLock:
    """Held for as long as this process runs the stack of a layout; the system releases it if the process dies."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._file: IO[str] | None = None

    @property
    def held(self) -> bool:
        return self._file is not None

    def take(self) -> None:
        """StackError when another process has it."""
        file = (self.layout.root / "up.lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            other = holder(self.layout) or {}
            where = f" at {other['url']}" if other.get("url") else ""
            raise StackError(
                f"Forelock already runs from {self.layout.root}{where} (process {other.get('pid', 'unknown')}): "
                "use that one, or stop it with Ctrl-C in its terminal first."
            ) from None
        self._file = file
        self.note("")

    def note(self, url: str) -> None:
        """Writes who holds the lock, and the address of its web server once there is one."""
        pid = os.getpid()
        write_json(self.layout.root / "up.json", {"pid": pid, "started": processes.identity(pid), "url": url})

    def release(self) -> None:
        if self._file is not None:
            (self.layout.root / "up.json").unlink(missing_ok=True)
            (self.layout.run / "env.json").unlink(missing_ok=True)
            self._file.close()
            self._file = None


def record(layout: Layout, pids: dict[str, int]) -> None:
    """Notes which processes belong to the stack, so that the next start knows them if this one is killed."""
    write_json(
        layout.run / "pids.json", {name: {"pid": pid, "started": processes.identity(pid)} for name, pid in pids.items()}
    )


def stop_leftovers(layout: Layout) -> list[str]:
    """Stops what a killed stack left running; the names of it.

    Only groups whose leader was recorded: the leader lives and has the recorded start time, or is gone and its group is not
    (no new process gets the number of a group that exists).
    """
    path = layout.run / "pids.json"
    left = {}
    for name, known in read_json(path).items():
        pid, now = int(known["pid"]), processes.identity(int(known["pid"]))
        if (now is not None and now == known.get("started")) or (now is None and processes.group_exists(pid)):
            left[name] = pid
    for pid in left.values():
        processes.signal_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while any(processes.identity(pid) for pid in left.values()) and time.monotonic() < deadline:
        time.sleep(processes.POLL_SECONDS)
    for pid in left.values():
        processes.signal_group(pid, signal.SIGKILL)
    path.unlink(missing_ok=True)
    return sorted(left)
