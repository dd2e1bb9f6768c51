"""Ponder 0.16.10 as a peer of the indexer's bench: installed from npm into var/ when asked for, run as its users run it.

`peers/ponder` is the whole project: one contract, one handler that stores a row for each event, into the same PostgreSQL as the others. Measured from
the start of `ponder start` until it says that it is ready, its own start included: a second or two.
"""

import os
import shutil
import socket
import subprocess
from http import HTTPStatus
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from otc.bench.activity import Facts
from otc.bench.anvil import Anvil
from otc.core import clock
from otc.stack import node, processes
from otc.stack.errors import StackError
from otc.stack.layout import PROJECT, Layout

PROJECT_OF_IT = Path(__file__).parent / "peers" / "ponder"
READY_SECONDS = 300.0
ROWS = """
SELECT block_number, log_index, decode(substr(transaction_hash, 3), 'hex'), decode(substr(address, 3), 'hex'),
       concat_ws(',', topic0, topic1, topic2, topic3), decode(substr(data, 3), 'hex') FROM ponder_sync.logs ORDER BY 1, 2
"""


def ready() -> Path:
    """The folder of the project with its packages. StackError when npm fails."""
    folder = Layout.of("bench").root / "ponder"
    shutil.copytree(PROJECT_OF_IT, folder, dirs_exist_ok=True)
    if not (folder / "node_modules" / ".bin" / "ponder").exists():
        done = subprocess.run(
            [*node.npm_command(), "install", "--no-audit", "--no-fund", "--no-package-lock"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"ponder could not be installed: check the network. It said:\n{done.stderr[-2000:]}")
    return folder


def run(folder: Path, chain: Anvil, facts: Facts, *, database: str, first: int, last: int) -> float:
    """Seconds until the blocks `first` to `last` are indexed. `database`: its URL, without any schema of ponder's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        **os.environ,
        "PEER_ABI": str(PROJECT / "escrow/contracts/artifacts/OTCEscrow.json"),
        "PEER_DATABASE": database,
        "PEER_CHAIN": str(int(chain.rpc("eth_chainId"), 16)),
        "PEER_RPC": chain.url,
        "PEER_ESCROW": facts.escrow,
        "PEER_FIRST": str(first),
        "PEER_LAST": str(last),
        "PONDER_TELEMETRY_DISABLED": "true",
    }
    program = folder / "node_modules" / "ponder" / "dist" / "esm" / "bin" / "ponder.js"
    command = [
        *node.node_command(),
        str(program),
        "start",
        "--schema",
        "peer",
        "--port",
        str(port),
        "--hostname",
        "127.0.0.1",
    ]
    log = folder / "ponder.log"
    begun = clock.monotonic()
    with log.open("wb") as out:
        process = processes.start(command, log=out, cwd=folder, env=environment)
    try:
        processes.wait_until(lambda: _says_ready(port), seconds=READY_SECONDS, what="ponder", process=process, log=log)
        return clock.monotonic() - begun
    finally:
        processes.stop(process)


def _says_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (URLError, OSError):
        return False
