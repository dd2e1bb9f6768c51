"""Asks the database whether all its invariants hold."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from escrow.checks.runs import verify_run
from escrow.checks.verify import NAMES, Verification
from otc.core.models import Chain


class Command(BaseCommand):
    help = "Asks for every invariant of the database at one moment, and names what breaks it. Exit status 1 when one is broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--chain", type=int, help="Only the chain of this id, and what belongs to none.")
        parser.add_argument("--json", action="store_true", help="One JSON object for each chain, and one for the rest.")

    def handle(self, *_args: Any, **options: Any) -> None:
        chains = Chain.objects.all()
        if options["chain"] is not None:
            chains = chains.filter(pk=options["chain"])
            if not chains:
                raise CommandError("No such chain is configured.")
        broken = 0
        for done in verify_run(chains=list(chains)):
            broken += sum(done.broken.values())
            self.stdout.write(_as_json(done) if options["json"] else _as_text(done))
        if broken:
            raise CommandError(f"{broken} violations", returncode=1)


def _as_json(done: Verification) -> str:
    return json.dumps(
        {
            "chain": done.chain.pk if done.chain is not None else None,
            "broken": done.broken,
            "violations": [asdict(violation) for violation in done.violations],
            "seconds": {name: round(seconds, 3) for name, seconds in done.seconds.items()},
        }
    )


def _as_text(done: Verification) -> str:
    lines = []
    for name, count in done.broken.items():
        lines.append(f"{name}: {count} times not so that {NAMES[name]}")
        lines += [f"    {item.key}: {item.found}" for item in done.violations if item.invariant == name]
    subject = done.chain if done.chain is not None else "What belongs to no chain"
    lines.append(
        f"{subject}: {len(done.seconds)} invariants, {len(done.broken)} broken, {sum(done.seconds.values()):.1f} s"
    )
    return "\n".join(lines)
