"""One whole stack: PostgreSQL, Redis and the chain, what they hold, and the processes of ours that work on them.

`manage.py up` runs one in var/; a command with a private stack (`rehearse`, `bench`) runs another in a folder below it:

    with Stack(Layout.of("rehearse"), say=print, block_time=None) as stack:
        stack.start()
        ...  # stack.web_url, stack.rpc_url; the chain's time is the caller's
"""

import contextlib
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from otc.stack import anvil, assets, environment, node, ports, postgres, redis
from otc.stack.chain import Chain
from otc.stack.errors import StackError
from otc.stack.layout import PROJECT, Layout, write_json
from otc.stack.lock import StackLock, record, stop_leftovers
from otc.stack.supervisor import Say, Service, Supervisor

WORKER_PROCESSES = 3
WEB_WORKERS, WEB_THREADS = 2, 4
QUEUES = "default,chain,keeper"
CELERY = (sys.executable, "-m", "celery", "--app", "otc")
DEFAULT_PORT = 8000
# Safe and final depth. By the clock: deeper than the blocks that are lost when anvil is killed between two saves.
DEPTHS_BY_CLOCK = (2, 12)
DEPTHS_BY_HAND = (1, 3)
DEMO_HISTORY = 27 * 3600  # seconds: the demonstration's market with final terms needs a day of objection

Progress = Callable[[str, str, float], None]


def quiet(_step: str, _result: str, _seconds: float) -> None:
    """Shows no steps."""


class Stack:
    """Starts in `start`, is gone after `stop` (or the end of its `with`). `external` are the settings that point elsewhere.

    `block_time` in seconds makes blocks by the clock; None makes one for each transaction. `progress` hears of every step:
    name, result, seconds. Every failure that can be expected is a StackError.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        say: Say,
        progress: Progress = quiet,
        block_time: int | None = 1,
        external: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.layout = layout
        self.say = say
        self.progress = progress
        self.external = dict(external or {})
        self.port = port
        self.web_url = ""
        self._port = 0
        self.contracts: Any = None
        self.chain = Chain(layout, block_time=block_time, say=say)
        self.cluster = postgres.Cluster(data=layout.postgres, sockets=layout.sockets / "pg")
        self.env = {**os.environ, **environment.embedded(layout), **self.external}
        self._lock = StackLock(layout)
        self.supervisor = Supervisor(logs=layout.log, cwd=PROJECT, env=self.env, say=say, changed=self._record)

    @property
    def rpc_url(self) -> str:
        return self.external.get("RPC_URL") or self.chain.url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def _record(self, pids: dict[str, int]) -> None:
        # A stack that was refused must not forget the processes of the one that runs.
        if self._lock.held:
            record(self.layout, pids)

    # ------------------------------------------------------------ starting

    def reserve(self, *, fresh: bool) -> None:
        """Locks the folder, stops what a killed stack left running, deletes its data with `fresh`, and chooses the web port.

        Quick, so that a refusal is told before anything is made. `start` does it, unless it was done before.
        """
        self.layout.make()
        self._lock.take()
        left = stop_leftovers(self.layout)
        if left:
            self.say(f"The last stack was killed; stopped what it left running: {', '.join(left)}.")
        if fresh:
            self.layout.delete()
            self.layout.make()
            self.env.update({**environment.embedded(self.layout), **self.external})
        self._port = self._choose_port()

    def start(self, *, fresh: bool = False, seed: bool = False) -> None:
        """Brings everything up, in order. `os.environ` gets the settings, so that Django in this process sees this stack."""
        if not self._lock.held:
            self.reserve(fresh=fresh)
        self.chain.begins_ago = DEMO_HISTORY if seed else 0
        self.start_servers()
        self.prepare_data()
        self.start_processes()
        self._lock.note(self.web_url)
        write_json(self.layout.run / "env.json", self.settings())
        if seed:
            self.seed()

    def settings(self) -> dict[str, str]:
        """The environment that other commands need to join this stack."""
        names = {*environment.embedded(self.layout), *environment.EXTERNAL}
        return {name: self.env[name] for name in sorted(names) if name in self.env}

    def start_servers(self) -> None:
        """PostgreSQL, Redis and the chain, those that are not elsewhere."""
        with self.step("PostgreSQL") as done:
            done(self._start_postgres())
        with self.step("Redis") as done:
            done(self._start_redis())
        with self.step("chain") as done:
            done(self._start_chain())
        self.env["RPC_URL"] = self.rpc_url
        os.environ.update({**self.settings(), "RPC_URL": self.rpc_url})

    def _start_postgres(self) -> str:
        if "DATABASE_URL" in self.external:
            return "as DATABASE_URL says"
        self.cluster.create()
        self.supervisor.start(
            Service(
                name="postgres",
                command=self.cluster.command,
                ready=lambda _output: self.cluster.ready(),
                user=postgres.unprivileged_user(),
                stop_signal=postgres.STOP_SIGNAL,
                stop_seconds=30,
            )
        )
        self.cluster.create_database()
        return "embedded, on a private socket"

    def _start_redis(self) -> str:
        if "REDIS_URL" in self.external:
            return "as REDIS_URL says"
        socket = self.layout.sockets / "redis.sock"
        self.supervisor.start(
            Service(
                name="redis",
                command=lambda: redis.command(folder=self.layout.redis, socket=socket, durable=True),
                ready=lambda _output: redis.ready(redis.url(socket)),
            )
        )
        return f"{Path(redis.binary()).name}, on a private socket"

    def _start_chain(self) -> str:
        if "RPC_URL" in self.external:
            if not anvil.ready(self.rpc_url):
                raise StackError(
                    f"Nothing answers at RPC_URL={self.rpc_url}: start the node, or unset it for the embedded chain."
                )
            return "as RPC_URL says"
        self.chain.choose_port()
        self.supervisor.start(self.chain.service())
        self.supervisor.every(self.chain.save_interval, self.chain.save)
        return f"anvil, {self.chain.url}"

    # ------------------------------------------------------------ data

    def prepare_data(self) -> None:
        """Migrates and deploys the contracts. Django is set up here at the latest."""
        import django

        django.setup()
        with self.step("database") as done:
            done(migrate())
        with self.step("contracts") as done:
            done(self._deploy())

    def seed(self) -> None:
        """Fills the demonstration through the public API; what is there stays. A failure is said, and the venue runs on without."""
        from django.core.management import CommandError, call_command

        if self.contracts is None:
            return
        with self.step("demo data") as done:
            try:
                call_command("seed_demo", base_url=self.web_url, rpc_url=self.rpc_url, verbosity=0)
                done("ready")
            except CommandError as error:
                done("incomplete")
                self.say(str(error))

    def _deploy(self) -> str:
        from otc.stack.demo import demo_deploy  # models: Django must be set up

        if int(anvil.rpc(self.rpc_url, "eth_chainId"), 16) != anvil.CHAIN_ID:
            return "none on this chain by itself: see `manage.py deploy_escrow --help`"
        safe, final = DEPTHS_BY_CLOCK if self.chain.block_time is not None else DEPTHS_BY_HAND
        self.contracts = demo_deploy(rpc_url=self.rpc_url, safe_depth=safe, final_depth=final)
        if "RPC_URL" not in self.external and not self.contracts.kept:
            # From here on the database relies on this chain.
            self.chain.save()
        kept = "kept at" if self.contracts.kept else "deployed at"
        return f"{kept} {self.contracts.escrow}"

    # ------------------------------------------------------------ our own processes

    def start_processes(self) -> None:
        """Celery's worker and beat, and the web server, starting side by side; `web_url` is its address."""
        self.web_url = f"http://127.0.0.1:{self._port}"
        results = {"worker": f"{WORKER_PROCESSES} processes", "beat": "ticking", "web": self.web_url}
        for service in (self.worker(), self.beat(), self._web(self._port)):
            self.supervisor.launch(service)
        for name, result in results.items():
            with self.step(name) as done:
                self.supervisor.wait(name)
                done(result)

    def worker(self) -> Service:
        """Celery's worker, for who runs a stack without the rest."""
        return Service(
            name="worker",
            command=lambda: [
                *(*CELERY, "worker", "--loglevel=INFO", f"--concurrency={WORKER_PROCESSES}", f"--queues={QUEUES}"),
                *("--without-mingle", "--without-gossip", f"--hostname={self.layout.root.name}@%h"),
            ],
            ready=lambda output: " ready." in output,
            # Redis goes down at the same moment, and without it a patient end never comes.
            death_signal=signal.SIGKILL,
            stop_seconds=20,
        )

    def beat(self) -> Service:
        """Celery's clock, as above."""
        pidfile = self.layout.run / "beat.pid"
        return Service(
            name="beat",
            command=lambda: [*CELERY, "beat", "--loglevel=INFO", f"--pidfile={pidfile}"],
            # A killed beat leaves it, and the next one would refuse.
            prepare=lambda: pidfile.unlink(missing_ok=True),
            ready=lambda output: "beat: Starting" in output,
            death_signal=signal.SIGKILL,
        )

    def _web(self, port: int) -> Service:
        return Service(
            name="web",
            command=lambda: [
                *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws", "--no-metrics"),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--workers", str(WEB_WORKERS), "--blocking-threads", str(WEB_THREADS)),
                *("--respawn-failed-workers", "--workers-kill-timeout", "5", "--access-log"),
                "otc.wsgi:application",
            ],
            ready=lambda _output: is_ready(self.web_url),
            stop_seconds=10,
        )

    def _choose_port(self) -> int:
        if self.port is None:
            port = ports.next_free(DEFAULT_PORT)
            if port != DEFAULT_PORT:
                self.say(f"Port {DEFAULT_PORT} is in use: the web server takes {port}.")
            return port
        if self.port == 0:
            return ports.any_free()
        if not ports.is_free(self.port):
            raise StackError(f"Port {self.port} is in use: stop what listens there, or name another with --port.")
        return self.port

    # ------------------------------------------------------------ stopping

    def stop(self) -> None:
        """Stops everything that this stack started; saves the chain first."""
        try:
            self.supervisor.stop(before={"chain": self.chain.save})
        finally:
            self._lock.release()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Reports a step with its result and duration."""
        began = time.monotonic()
        results: list[str] = []
        yield results.append
        self.progress(name, results[0] if results else "ready", time.monotonic() - began)


def prepare_files(
    *, dev: bool, step: Callable[[str], contextlib.AbstractContextManager[Callable[[str], None]]]
) -> None:
    """Node packages and static files, each only when something of it changed."""
    with step("Node packages") as done:
        done("installed" if node.install(PROJECT, dev=dev) else "up to date")
    with step("assets") as done:
        built, collected = assets.build(PROJECT), assets.collect(PROJECT)
        done("built" if built or collected else "up to date")


def migrate() -> str:
    """Brings the database to the newest schema; what was done, in words."""
    from django.core.management import call_command
    from django.db import OperationalError, connection
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connection)
        count = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        if count:
            call_command("migrate", interactive=False, verbosity=0)
    except OperationalError as error:
        raise StackError(f"The database does not answer: {str(error).strip()}") from error
    finally:
        connection.close()
    return f"{count} migrations applied" if count else "up to date"


def is_ready(url: str) -> bool:
    """True once the web server says that it can do its job."""
    try:
        urllib.request.urlopen(f"{url}/readyz", timeout=5).close()  # noqa: S310  # our own address
    except OSError:  # no answer, or one that says "not yet"
        return False
    return True
