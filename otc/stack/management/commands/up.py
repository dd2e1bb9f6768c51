"""Runs the whole venue on this machine."""

import contextlib
import os
import signal
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from otc.core.fields import to_checksum
from otc.stack import anvil, environment
from otc.stack.layout import Layout
from otc.stack.stack import Stack, prepare_files

ADMIN = "admin"


class Interrupted(BaseException):
    """A signal asked for the end. Not an Exception: nothing on the way up may swallow it."""


class Command(BaseCommand):
    help = "Starts PostgreSQL, Redis, a chain, workers and the web server, each only if the environment names none; Ctrl-C stops them."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--fresh", action="store_true", help="Delete the data of the last time (in var/) and start over."
        )
        parser.add_argument("--empty", action="store_true", help="No demonstration data: a venue without markets.")
        parser.add_argument("--port", type=int, help="Port of the web server; default 8000, or the next free one.")

    def handle(self, *, fresh: bool, empty: bool, port: int | None, **_options: Any) -> None:
        began = float(os.environ.pop("FORELOCK_STARTED", time.time()))
        external = {name: os.environ[name] for name in environment.EXTERNAL if name in environment.given}
        stack = Stack(Layout.of(), say=self.say, progress=self.progress, external=external, port=port)
        stop = threading.Event()
        try:
            _on_signals(self._interrupt)
            stack.reserve(fresh=fresh)
            prepare_files(dev=False, step=self.step)
            stack.start(seed=not empty)
            admin = self._admin(stack)
            self._welcome(stack, admin, time.time() - began)
            stack.supervisor.watch(stop)
        except Interrupted:
            self.say("Stopping (Ctrl-C again: at once).")
        finally:
            _on_signals(lambda *_: self._kill(stack))
            stack.stop()
        self.say("Stopped. `python3 manage.py up` goes on with the same data.")

    # ------------------------------------------------------------ what is said

    def say(self, text: str) -> None:
        self.stdout.write(f"{time.strftime('%H:%M:%S')} {text}")
        self.stdout.flush()

    def progress(self, step: str, result: str, seconds: float) -> None:
        self.stdout.write(f"  {step:<14} {result:<58} {seconds:5.1f} s")
        self.stdout.flush()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        began = time.monotonic()
        results: list[str] = []
        yield results.append
        self.progress(name, results[-1] if results else "ready", time.monotonic() - began)

    def _welcome(self, stack: Stack, admin: str, seconds: float) -> None:
        lines = [
            "",
            f"Forelock is up at {stack.web_url} (healthy in {seconds:.1f} s).",
            f"Admin: {stack.web_url}/admin/  {admin}",
        ]
        if "RPC_URL" not in stack.external:
            lines += [
                f"Chain: {stack.rpc_url}, chain id {anvil.CHAIN_ID}. Give these keys to a wallet; the whole world knows them:",
                *(f"  {role:<11}{to_checksum(anvil.address(role))}  {anvil.key(role)}" for role in anvil.ROLES),
            ]
        lines += [f"Logs: {stack.layout.log}/. Ctrl-C stops everything.", ""]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()

    @staticmethod
    def _admin(stack: Stack) -> str:
        """Makes the administrator of the embedded database; what to log in with, in words."""
        from django.db import connection

        from otc.accounts.models import User

        if "DATABASE_URL" in stack.external:
            return "(accounts are made with `manage.py createsuperuser`)"
        password = stack.layout.secret("ADMIN_PASSWORD")
        if not User.objects.filter(username=ADMIN).exists():
            User.objects.create_superuser(ADMIN, password)
        connection.close()
        return f"{ADMIN} / {password}"

    # ------------------------------------------------------------ signals

    @staticmethod
    def _interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted

    @staticmethod
    def _kill(stack: Stack) -> None:
        stack.supervisor.kill()
        os._exit(130)


def _on_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)
