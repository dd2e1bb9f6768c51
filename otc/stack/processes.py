"""Starting, recognising and stopping programs of our own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from otc.stack.errors import StackError

LAUNCHER = Path(__file__).with_name("launch.py")
POLL_SECONDS = 0.03

Process = subprocess.Popen[bytes]


def launch_command(command: Sequence[str], *, user: str = "", death_signal: int = signal.SIGTERM) -> list[str]:
    """`command` through launch.py: it gets `death_signal` when this process dies, and runs as `user` if one is named."""
    prefix = [
        sys.executable,
        "-I",
        "-S",
        str(LAUNCHER),
        "--parent",
        str(os.getpid()),
        "--signal",
        str(int(death_signal)),
    ]
    if user:
        prefix += ["--user", user]
    return [*prefix, "--", *command]


def start(
    command: Sequence[str],
    *,
    log: IO[bytes],
    cwd: Path,
    env: Mapping[str, str] | None = None,
    user: str = "",
    death_signal: int = signal.SIGTERM,
) -> Process:
    """Starts `command` in a process group of its own, output into `log`. Returns at once."""
    return subprocess.Popen(
        launch_command(command, user=user, death_signal=death_signal),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=dict(env) if env is not None else None,
        start_new_session=True,
    )


def signal_group(pid: int, number: int) -> None:
    """Signals the process group led by `pid`; a group that is gone is fine."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return
    except PermissionError:
        # macOS answers so for a group of zombies.
        return


def group_exists(pid: int) -> bool:
    """True while the process group `pid` has a member that is not yet gone."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # see signal_group
    return True


def stop(process: Process, *, number: int = signal.SIGTERM, seconds: float = 10.0) -> None:
    """Asks the leader to end, waits up to `seconds`, then kills whatever is left of its group."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
    signal_group(process.pid, signal.SIGKILL)


def identity(pid: int) -> str | None:
    """What tells this process from a later one with the same number: its start time. None when there is no such process."""
    try:
        if sys.platform == "linux":
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
            fields = stat.rpartition(")")[2].split()
            return None if fields[0] == "Z" else fields[19]
        started = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    except (OSError, IndexError):
        return None
    return started.stdout.strip() or None


def wait_until(
    ready: Callable[[], bool],
    *,
    seconds: float,
    what: str,
    process: Process | None = None,
    log: Path | None = None,
) -> None:
    """Polls `ready` until it holds.

    StackError when `seconds` pass or `process` ends first; it quotes the last lines of `log`.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > deadline:
            why = (
                f"ended with status {process.returncode}" if process and ended else f"did not answer in {seconds:.0f} s"
            )
            raise StackError(f"{what} {why}.{_last_lines(log)}")
        time.sleep(POLL_SECONDS)


def _last_lines(log: Path | None, count: int = 8) -> str:
    if log is None or not log.exists():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    quoted = "\n".join(f"    {line}" for line in lines)
    return f" The end of {log}:\n{quoted}" if lines else f" Its log {log} is empty."
