"""Fixtures of every layer: real PostgreSQL, real Redis, real anvil, each started once and only when a test asks for it.

PostgreSQL is one server per run with one database per xdist worker, anvil one process per worker. The settings of a run are
tests/settings.py. `tests/unit` uses none of these.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from otc.stack import machine, processes, redis
from tests.support import run
from tests.support.anvil import Anvil
from tests.support.postgres import Server

WITHOUT_SERVERS = {"unit", "contracts"}
SERVER = pytest.StashKey[Server]()


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _needs_database(config: pytest.Config) -> bool:
    tests = Path(__file__).parent
    paths = [(config.invocation_params.dir / arg.partition("::")[0]).resolve() for arg in config.args]
    layers = {path.relative_to(tests).parts[:1] for path in paths if path.is_relative_to(tests)}
    return not layers or not layers <= {(layer,) for layer in WITHOUT_SERVERS}


def pytest_configure(config: pytest.Config) -> None:
    run.create()
    config.stash[SERVER] = Server(run.folder())


def pytest_sessionstart(session: pytest.Session) -> None:
    # Workers end at different times, so a server they share is the controller's.
    distributed = getattr(session.config.option, "numprocesses", None)
    if distributed and not _is_worker(session.config) and _needs_database(session.config):
        session.config.stash[SERVER].start()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not _is_worker(config) and SERVER in config.stash:
        config.stash[SERVER].stop()
        run.delete()


@pytest.fixture(scope="session")
def worker_folder(request: pytest.FixtureRequest) -> Path:
    """A folder for the servers of this xdist worker."""
    workerinput = getattr(request.config, "workerinput", {"workerid": "alone"})
    folder = run.folder() / workerinput["workerid"]
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Server:
    """The run's PostgreSQL server, up."""
    server = request.config.stash[SERVER]
    if not _is_worker(request.config):
        server.start()
    return server


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    postgres_server: Server,  # the database is made on it
    django_db_modify_db_settings_parallel_suffix: None,
) -> None:
    """pytest-django's hook before it makes the test database: the server must run by then."""


@pytest.fixture(scope="session")
def anvil_process(worker_folder: Path) -> Iterator[Anvil]:
    """This worker's anvil. Its state belongs to whoever asked last: tests take `anvil` instead."""
    process = Anvil(worker_folder)
    process.start()
    yield process
    process.stop()


@pytest.fixture
def anvil(anvil_process: Anvil) -> Iterator[Anvil]:
    """This worker's anvil, given back as it was found: chain state, pool and clock."""
    before = anvil_process.snapshot()
    yield anvil_process
    anvil_process.rpc("anvil_dropAllTransactions")
    anvil_process.automine(on=True)
    anvil_process.revert(before)


@pytest.fixture(scope="session")
def ens_data() -> Path:
    """The folder of the ENS airdrop: allocations.csv.gz, its published root and sample proofs."""
    found = machine.ens_data()
    if found is None:
        pytest.skip(machine.NO_ENS_DATA)
    return found


@pytest.fixture(scope="session")
def redis_url(worker_folder: Path) -> Iterator[str]:
    """This worker's Redis, as django-redis spells its address."""
    socket, log = worker_folder / "redis.sock", worker_folder / "redis.log"
    with log.open("wb") as out:
        process = processes.start(
            redis.command(folder=worker_folder, socket=socket, durable=False),
            log=out,
            cwd=worker_folder,
            death_signal=signal.SIGKILL,
        )
    address = redis.url(socket)
    processes.wait_until(lambda: redis.ready(address), seconds=20, what="Redis", process=process, log=log)
    yield address
    processes.stop(process)
