"""Checks that need no test: style, types, import rules, migrations, settings, and that generated files are current."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from otc.stack import linting


class Command(BaseCommand):
    help = "Runs ruff, mypy, import-linter, Django's checks, and compares generated files with what they are made from."
    requires_system_checks = ()

    def handle(self, **_options: Any) -> None:
        sys.exit(linting.run())
