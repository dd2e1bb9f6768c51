"""Rebuilds a chain's state from its events and compares."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from escrow.checks.runs import replay_run
from escrow.domain.deals import FoldError
from escrow.services.replay import Replay
from otc.core.errors import DomainError
from otc.core.models import Chain


class Command(BaseCommand):
    help = (
        "Rebuilds all that is derived from a chain's stored events beside the live state, prints the hash of both, and exits 1 "
        "when they differ, after putting the rebuilt state in place."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--chain", type=int, required=True, help="The id of the chain's row.")
        parser.add_argument("--check", action="store_true", help="Only compare: change nothing.")
        parser.add_argument("--json", action="store_true", help="One JSON object.")

    def handle(self, *_args: Any, **options: Any) -> None:
        chain = Chain.objects.filter(pk=options["chain"]).first()
        if chain is None:
            raise CommandError(f"There is no chain {options['chain']}.", returncode=2)
        try:
            done = replay_run(chain=chain, install=not options["check"])
        except (DomainError, FoldError) as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(_as_json(done) if options["json"] else _as_text(done))
        if not done.same:
            names = ", ".join(done.live.differing(done.rebuilt))
            kept = "the rebuilt state is in place" if done.installed else "nothing was changed"
            raise CommandError(f"{done.chain}: differs in {names}; {kept}", returncode=1)


def _as_json(done: Replay) -> str:
    return json.dumps(
        {
            "chain": done.chain.pk,
            "events": done.events,
            "before": done.live.hash,
            "after": done.rebuilt.hash,
            "differing": done.live.differing(done.rebuilt),
            "installed": done.installed,
            "seconds": round(done.seconds, 3),
            "locked_seconds": round(done.locked_seconds, 3),
        }
    )


def _as_text(done: Replay) -> str:
    lines = [
        f"{done.chain}: {done.events} events folded in {done.seconds:.1f} s",
        f"before {done.live.hash}",
        f"after  {done.rebuilt.hash}",
    ]
    if done.installed:
        lines.append(f"put in place in {done.locked_seconds:.1f} s, during which the reader waited")
    return "\n".join(lines)
