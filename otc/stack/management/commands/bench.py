"""`manage.py bench NAME [--json]`: measures one thing, prints figures against their bars, exits 1 when a bar doesn't hold."""

import importlib
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

# by name, so that the kernel imports no bench: module of `run() -> list[Row]`
BENCHES = {
    "checks": "otc.bench.checks",
    "gas": "otc.bench.gas",
    "live": "otc.bench.live",
}


class Command(BaseCommand):
    help = "Measures one thing, and says whether the figures hold their bars."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", choices=sorted(BENCHES))
        parser.add_argument("--json", action="store_true", help="the rows as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        report = importlib.import_module("otc.bench.report")
        run = importlib.import_module(BENCHES[options["name"]]).run
        rows: list[Any] = run()
        self.stdout.write(report.as_json(rows) if options["json"] else report.as_table(rows))
        broken = [row.name for row in rows if not row.holds]
        if broken:
            self.stderr.write(f"bars that do not hold: {', '.join(broken)}")
            raise SystemExit(1)
