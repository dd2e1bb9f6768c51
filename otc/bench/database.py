"""A PostgreSQL of a bench's own, with as many fresh databases as it wants. Durable as in production: fsync is on."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg2
from django.core.management import call_command
from django.db import connection
from psycopg2 import sql

from otc.stack import postgres, processes
from otc.stack.layout import PROJECT, Layout

MIGRATED = "migrated"  # the template of fresh ones
SETTINGS = {**postgres.DURABLE, "shared_buffers": "256MB", "max_wal_size": "4GB"}


@dataclass(frozen=True, slots=True)
class BenchDatabase:
    """The running server. The settings' database is the one that `fresh` makes."""

    cluster: postgres.Cluster

    def fresh(self) -> None:
        """The settings' database anew: migrated, and empty."""
        connection.close()
        self._run(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.cluster.database)),
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(self.cluster.database), sql.Identifier(MIGRATED)
            ),
            sql.SQL("CHECKPOINT"),
        )

    def _run(self, *statements: sql.Composable) -> None:
        session = psycopg2.connect(self.cluster.url_of("postgres"), connect_timeout=3)
        session.autocommit = True
        try:
            with session.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            session.close()

    def migrate(self) -> None:
        """Makes the template."""
        self._run(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.cluster.database)),
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(MIGRATED)),
            sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.cluster.database)),
        )
        call_command("migrate", verbosity=0)
        connection.close()
        self._run(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                sql.Identifier(self.cluster.database), sql.Identifier(MIGRATED)
            )
        )


@contextmanager
def bench_database() -> Iterator[BenchDatabase]:
    """Starts the server in the bench's folder, where the settings of `manage.py bench` look for it."""
    layout = Layout.of("bench")
    layout.make()
    cluster = postgres.Cluster(data=layout.postgres, sockets=layout.sockets / "pg", settings=SETTINGS)
    cluster.create()
    log = layout.log / "postgres.log"
    with log.open("wb") as out:
        process = processes.start(
            cluster.command(),
            log=out,
            cwd=PROJECT,
            user=postgres.unprivileged_user(),
            death_signal=signal.SIGQUIT,
        )
    try:
        processes.wait_until(cluster.ready, seconds=30, what="PostgreSQL", process=process, log=log)
        made = BenchDatabase(cluster)
        made.migrate()
        yield made
    finally:
        connection.close()
        processes.stop(process, number=postgres.STOP_SIGNAL, seconds=30)
