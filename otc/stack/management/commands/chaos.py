"""The real stack under faults, seed after seed: heals, drains and checks every invariant after each."""

import json
import signal
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from otc.core import clock
from otc.rehearsal.node import NodeError
from otc.stack.errors import StackError
from otc.stack.layout import Layout
from otc.stack.stack import prepare_files


class Command(BaseCommand):
    help = "Kills, stops, empties and deceives a stack of its own while people trade on it, and checks all invariants after each seed."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seeds", type=int, default=1, metavar="N", help="How many seeds; default 1.")
        parser.add_argument("--seed", type=int, default=1, metavar="S", help="The first of them; default 1.")
        parser.add_argument("--minutes", type=float, metavar="M", help="Begin no further seed after so many minutes.")
        parser.add_argument("--json", action="store_true", help="The report as JSON on standard output.")

    def handle(self, *, seeds: int, seed: int, minutes: float | None, **options: Any) -> None:
        from otc.chaos.report import Report
        from otc.chaos.run import keep_logs, play, unreached
        from otc.chaos.stage import ChaosError, Stage

        # Whoever asks for the end: the stack ends with this process, in order.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        out = self.stderr if options["json"] else self.stdout
        report = Report(say=out.write)
        until = clock.monotonic() + 60 * minutes if minutes is not None else None
        try:
            stage = Stage(Layout.of("chaos"), say=out.write)
            prepare_files(dev=False, step=stage.stack.step)
            with stage:
                for number in range(seed, seed + seeds):
                    if until is not None and clock.monotonic() > until:
                        break
                    result = play(stage, number)
                    report.add(result)
                    if result.violations:
                        out.write(f"  Logs: {keep_logs(stage, number)}")
                report.unreached = unreached(stage)
        except (ChaosError, NodeError, StackError) as error:
            raise CommandError(f"Chaos stopped: {error}") from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json(), indent=1))
        else:
            report.tell()
        if report.violations:
            raise CommandError(f"{report.violations} of {len(report.results)} seeds broke an invariant.")
