"""The whole job on a private stack: list, markets, 200 wallets, deals, deliveries, slashes, refunds, and the books at the end."""

import os
import signal
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from otc.rehearsal.allocations import ListError
from otc.rehearsal.client import ApiError, PreparationError, Venue
from otc.rehearsal.node import Node, NodeError, TransactionError
from otc.rehearsal.progress import Console
from otc.rehearsal.run import Options, list_load, rehearse
from otc.rehearsal.world import Surprise, World
from otc.stack import processes
from otc.stack.errors import StackError
from otc.stack.layout import Layout
from otc.stack.stack import Stack, prepare_files

FAILURES = (ApiError, NodeError, PreparationError, StackError, Surprise, TransactionError)
RESTART_SECONDS = 30


class Command(BaseCommand):
    help = "Plays the whole product through its public API on a chain of its own, and checks every figure at the end."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--allocations", type=Path, metavar="FILE", help="address,amount as CSV, gzip or not; default: a made one."
        )
        parser.add_argument("--seed", type=int, default=1, help="Everything follows from it; default 1.")
        parser.add_argument(
            "--kill-worker", action="store_true", help="Kill the Celery worker in the middle of each part."
        )

    def handle(self, *, allocations: Path | None, seed: int, kill_worker: bool, **_options: Any) -> None:
        if allocations is not None and not allocations.is_file():
            raise CommandError(f"There is no file {allocations}.")
        console = Console(sys.stdout)
        # Whoever asks for the end: the stack ends with this process, in order.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        layout = Layout.of("rehearse")
        try:
            list_file, rows, list_name = list_load(seed=seed, given=allocations, folder=layout.root)
        except ListError as error:
            raise CommandError(str(error)) from error
        with Stack(layout, say=console.say, progress=self._progress, block_time=None, port=0) as stack:
            try:
                prepare_files(dev=False, step=stack.step)
                stack.start(fresh=True)
                stack.supervisor.in_background()
                options = Options(
                    seed=seed,
                    rows=rows,
                    list_file=list_file,
                    list_name=list_name,
                    kill_worker=(lambda: _kill_worker(stack, console)) if kill_worker else None,
                )
                world = World(Venue(stack.web_url), Node(stack.rpc_url), console)
                try:
                    holds = rehearse(world, console, options)
                finally:
                    world.close()
            except FAILURES as error:
                raise CommandError(f"The rehearsal stopped: {error}\nLogs: {layout.log}") from error
        if not holds:
            raise CommandError("The rehearsal failed: see the checks above.")

    def _progress(self, step: str, result: str, seconds: float) -> None:
        self.stdout.write(f"  {step:<14} {result:<58} {seconds:5.1f} s")
        self.stdout.flush()


def _kill_worker(stack: Stack, console: Console) -> None:
    """SIGKILL to Celery's worker: the supervisor finds it dead and starts another."""
    processes.wait_until(lambda: "worker" in stack.supervisor.pids(), seconds=RESTART_SECONDS, what="worker")
    pid = stack.supervisor.pids()["worker"]
    os.kill(pid, signal.SIGKILL)
    console.say(f"kill -9 {pid}, the worker")
