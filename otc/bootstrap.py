"""Makes .venv from the hash-pinned lock and goes on inside it. Standard library only: loaded before any package exists.

What is installed is told by a stamp file in .venv: for each lock the SHA-256 of its text. A matching stamp costs no call of pip.
FORELOCK_BOOTSTRAP=0 turns all of it off, for an image whose packages were installed by other means.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

DEV_COMMANDS = frozenset({"test", "lint"})
RUNTIME, DEV = "requirements.lock", "requirements-dev.lock"
STAMP = "forelock.json"
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")


class BootstrapError(Exception):
    """One sentence for a person: what is missing and what to do."""


def enter(root: str, command: str) -> None:
    """Notes the time of the start in FORELOCK_STARTED. Returns inside .venv with every package of the lock that `command` needs; ends the process with a sentence otherwise.

    Called by another interpreter, it replaces this process by .venv's on the same command line.
    """
    if os.environ.get("FORELOCK_BOOTSTRAP") == "0":
        return
    os.environ.setdefault("FORELOCK_STARTED", str(time.time()))
    lock = DEV if command in DEV_COMMANDS else RUNTIME
    inside = Path(sys.prefix).resolve() == (Path(root) / ".venv").resolve()
    if inside and installed(Path(root), lock):
        return
    try:
        python = ensure(Path(root), lock)
    except BootstrapError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nStopped. The next start goes on where this one ended.")
    os.execv(python, [str(python), *sys.argv])  # noqa: S606 - going on inside .venv is the point


def ensure(root: Path, lock: str) -> Path:
    """The Python of .venv, with everything of `lock` installed. BootstrapError when that can't be had."""
    venv = root / ".venv"
    if installed(root, lock):
        return python_of(venv)
    with _alone(root):
        # Another start may have done it while this one waited.
        if not installed(root, lock):
            started = time.monotonic()
            if not _works(venv):
                _make(venv)
            _install(venv, root / lock)
            _write_stamp(root, lock)
            print(f"Packages are ready ({time.monotonic() - started:.0f} s).", flush=True)
    return python_of(venv)


def python_of(venv: Path) -> Path:
    return venv / "bin" / "python"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_stamp(venv: Path) -> dict[str, str]:
    """Digest by lock name; empty for a missing or damaged stamp."""
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in stamp.items()} if isinstance(stamp, dict) else {}


def installed(root: Path, lock: str) -> bool:
    """True when the stamp says that .venv holds this very lock. The dev lock holds all of the runtime one."""
    venv = root / ".venv"
    stamp = read_stamp(venv)
    names = {lock, DEV} if (root / DEV).exists() else {lock}
    return python_of(venv).exists() and any(stamp.get(name) == digest(root / name) for name in names)


def _write_stamp(root: Path, lock: str) -> None:
    # Only the newest install is true: installing one lock may have replaced packages of the other.
    path = root / ".venv" / STAMP
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({lock: digest(root / lock)}), encoding="utf-8")
    partial.replace(path)


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Holds off other starts of the same folder while packages are installed."""
    var = root / "var"
    var.mkdir(exist_ok=True)
    with (var / "bootstrap.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another start is installing packages: waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _works(venv: Path) -> bool:
    """True for a whole .venv of this Python version."""
    if not python_of(venv).exists():
        return False
    probe = "import pip, sys; print('%d.%d' % sys.version_info[:2])"
    result = subprocess.run([str(python_of(venv)), "-c", probe], capture_output=True, text=True, check=False)
    return result.returncode == 0 and result.stdout.strip() == "{}.{}".format(*sys.version_info[:2])


def _make(venv: Path) -> None:
    if venv.exists():
        print(f"The folder {venv.name} is incomplete or of another Python: making it anew.", flush=True)
        shutil.rmtree(venv)
    print(f"Making {venv.name} with Python {sys.version.split()[0]} …", flush=True)
    # The interpreter behind a foreign virtual environment makes a venv that does not depend on it.
    base = getattr(sys, "_base_executable", "") or sys.executable
    made = subprocess.run([base, "-m", "venv", str(venv)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        shutil.rmtree(venv, ignore_errors=True)
        said = (made.stdout + made.stderr).strip().splitlines()
        hint = (
            "this Python lacks venv: install it (on Debian and Ubuntu `apt-get install python3-venv`) and start again"
            if "ensurepip" in made.stdout + made.stderr
            else "check the free space and your rights there"
        )
        raise BootstrapError(
            f"The folder {venv} could not be made: {hint}. Python said: {said[-1] if said else 'nothing'}"
        )


def _install(venv: Path, lock: Path) -> None:
    """Installs `lock`, every file checked against its hash."""
    total = len(re.findall(r"^[A-Za-z0-9][\w.\-]*==", lock.read_text(encoding="utf-8"), re.MULTILINE))
    print(f"Installing the {total} packages of {lock.name} (each checked against its hash) …", flush=True)
    command = [
        str(python_of(venv)),
        *PIP,
        "install",
        "--require-hashes",
        "--no-deps",
        "--progress-bar=off",
        "-r",
        str(lock),
    ]
    show = _progress(total)
    tail: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            show(line)
            tail = [*tail[-30:], line.rstrip()]
    if pip.returncode != 0:
        raise BootstrapError(_explain(lock.name, tail))


def _progress(total: int) -> Callable[[str], None]:
    """Shows one line that moves on a terminal, and a line per tenth elsewhere."""
    terminal = sys.stdout.isatty()
    seen = 0

    def show(line: str) -> None:
        nonlocal seen
        found = re.match(r"(?:Collecting|Requirement already satisfied:) ([\w.\-\[\]]+)", line)
        if found:
            seen += 1
            name = found[1].partition("==")[0]
            if terminal:
                print(f"\r  {seen:>3}/{total} {name:<40.40}", end="", flush=True)
            elif seen % max(total // 10, 1) == 0:
                print(f"  {seen}/{total}", flush=True)
        elif line.startswith("Installing collected packages"):
            print(("\r" if terminal else "") + f"  unpacking {'':<40}", flush=True)

    return show


def _explain(lock: str, tail: list[str]) -> str:
    errors = [line for line in tail if line.startswith("ERROR:")]
    said = (errors or tail or ["nothing"])[0].removeprefix("ERROR: ")
    text = "\n".join(tail).lower()
    if "hash" in text and "do not match" in text:
        advice = "a package differs from the one this project was tested with, so nothing of it was run: report it"
    elif "no space left" in text:
        advice = "the disk is full: free some space and start the same command again"
    elif "no matching distribution" in text or "connection" in text or "timed out" in text or "resolve" in text:
        advice = "check the network (and the package index in pip's configuration), then start the same command again"
    else:
        advice = "start the same command again; if it stays, delete the folder .venv first"
    return f"The packages of {lock} could not be installed: {advice}. pip said: {said}"
