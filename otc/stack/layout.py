"""Where a stack keeps its things: one folder, `var/` for `up`, a folder below it for a private stack. Nothing else is ever deleted."""

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otc.stack.errors import StackError

PROJECT = Path(__file__).resolve().parents[2]
# A unix socket's path has room for 107 bytes; the longest of ours is this.
LONGEST_SOCKET = "/pg/.s.PGSQL.5432.lock"
# What `--fresh` deletes, below the root of a stack. The ports stay: wallets were told of them.
OURS = ("postgres", "postgres.partial", "redis", "anvil", "media", "log", "run", "beat", "secrets.json")


@dataclass(frozen=True)
class Layout:
    """The paths of one stack."""

    root: Path

    @classmethod
    def of(cls, name: str = "") -> "Layout":
        """The stack of `up` for an empty name, else the private one of that name. FORELOCK_VAR puts the data elsewhere."""
        var = Path(os.environ.get("FORELOCK_VAR") or PROJECT / "var").resolve()
        return cls(var / name if name else var)

    @property
    def run(self) -> Path:
        """Short-lived: lock, pids, the state of the running stack."""
        return self.root / "run"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def redis(self) -> Path:
        return self.root / "redis"

    @property
    def anvil(self) -> Path:
        return self.root / "anvil"

    @property
    def sockets(self) -> Path:
        """The folder of the unix sockets: `run`, or a short one beside the system's temporary files where that is too deep."""
        if len(str(self.run) + LONGEST_SOCKET) < 107:  # noqa: PLR2004  # see LONGEST_SOCKET
            return self.run
        name = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"forelock-{os.geteuid()}-{name}"

    def make(self) -> None:
        """Makes the folders; private to the user of this process, as they hold keys and data."""
        for folder in (self.root, self.run, self.log, self.redis, self.anvil, self.sockets):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.run, self.sockets):
            if folder.stat().st_uid != os.geteuid():
                raise StackError(f"The folder {folder} belongs to another user: delete it, or start as that user.")
            folder.chmod(0o700)

    def delete(self) -> None:
        """Deletes this stack's data, and nothing that it did not make."""
        for name in OURS:
            path = self.root / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        if self.sockets != self.run:
            shutil.rmtree(self.sockets, ignore_errors=True)

    def secret(self, name: str) -> str:
        """A random secret of this stack, made on first use and kept readable to its owner alone."""
        path = self.root / "secrets.json"
        known = read_json(path)
        if name not in known:
            known[name] = secrets.token_urlsafe(36 if name == "SECRET_KEY" else 12)
            write_json(path, known)
        return str(known[name])


def read_json(path: Path) -> dict[str, Any]:
    """The object in `path`; empty when it is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes `content` whole or not at all, readable to its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as out:
        json.dump(content, out, indent=2)
    partial.replace(path)
