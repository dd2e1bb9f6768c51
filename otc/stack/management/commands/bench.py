"""`manage.py bench NAME [--json]`: measures one thing, prints figures against their bars, exits 1 when a bar doesn't hold."""

import importlib
import inspect
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

# by name, so that the kernel imports no bench: module of `run(**options) -> list[Row]`
BENCHES = {
    "checks": "otc.bench.checks",
    "gas": "otc.bench.gas",
    "live": "otc.bench.live",
    "settle": "otc.bench.settle",
    "index": "otc.bench.index",
}


class Command(BaseCommand):
    help = "Measures one thing, and says whether the figures hold their bars."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", choices=sorted(BENCHES))
        parser.add_argument("--json", action="store_true", help="the rows as JSON")
        parser.add_argument("--deals", type=int, default=10_000, help="settle: how many deals fall due at once")
        parser.add_argument("--with-ponder", action="store_true", help="index: ponder 0.16.10 from npm as a peer")

    def handle(self, *_args: Any, **options: Any) -> None:
        report = importlib.import_module("otc.bench.report")
        run = importlib.import_module(BENCHES[options["name"]]).run
        known = inspect.signature(run).parameters
        rows: list[Any] = run(**{name: value for name, value in options.items() if name in known})
        self.stdout.write(report.as_json(rows) if options["json"] else report.as_table(rows))
        broken = [row.name for row in rows if not row.holds]
        if broken:
            self.stderr.write(f"bars that do not hold: {', '.join(broken)}")
            raise SystemExit(1)
