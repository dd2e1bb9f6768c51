"""Runs the tests: `manage.py test [layer ...] [pytest arguments]`."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from otc.stack import testing


class Command(BaseCommand):
    help = (
        "Runs every test layer that this machine can run and says what it left out. Layers: "
        f"{', '.join(testing.LAYERS)}. Everything else goes to pytest: `manage.py test db -k deposit`."
    )
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Takes the arguments as they are: most of them are pytest's."""
        if {"-h", "--help"} & set(argv[2:]):
            self.print_help(argv[0], argv[1])
            return
        sys.exit(testing.run(argv[2:]))

    def handle(self, *args: Any, **_options: Any) -> None:
        sys.exit(testing.run([str(each) for each in args]))
