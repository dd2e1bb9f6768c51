from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from escrow.contracts import build


class Command(BaseCommand):
    help = "Compiles the contracts and writes the committed artifacts and bindings."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail when a committed file differs")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            files = build.drift() if options["check"] else build.write()
        except build.BuildError as error:
            raise CommandError(str(error)) from error
        names = ", ".join(path.name for path in files)
        if options["check"] and files:
            raise CommandError(f"differs from the sources: {names}. Run `manage.py build_contracts` and commit.")
        self.stdout.write(f"written: {names}" if files else "up to date")
        for name in build.CODE_ROOM:
            self.stdout.write(f"{name}: {build.code_size(name):,} of {build.CODE_LIMIT:,} bytes")
