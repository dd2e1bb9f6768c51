"""The provers' own environments: they want other packages than the project, so each has a venv below var/proof."""

import hashlib
import subprocess
import sys
from pathlib import Path

from otc.stack.errors import StackError
from otc.stack.layout import PROJECT, Layout


def folder(tool: str) -> Path:
    """Where the tool keeps its things."""
    return Layout.of().root / "proof" / tool


def lock(tool: str) -> Path:
    return PROJECT / f"requirements-proof-{tool}.lock"


def ready(tool: str) -> Path:
    """The folder of the tool's programs, installed from its hash-pinned lock. StackError when that fails."""
    venv = folder(tool) / "venv"
    stamp = venv / "lock.sha256"
    wanted = hashlib.sha256(lock(tool).read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return venv / "bin"
    stamp.unlink(missing_ok=True)
    _run([sys.executable, "-m", "venv", "--clear", str(venv)], tool)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--require-hashes", "-r", str(lock(tool))], tool)
    stamp.write_text(wanted, encoding="utf-8")
    return venv / "bin"


def _run(command: list[str], tool: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError(f"{tool} could not be installed: check the network. It said:\n{done.stderr[-2000:]}")
