"""Reads chains without Celery: once up to the head, or anew."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from escrow.chain.watcher import Outcome, watch_step
from escrow.services.rebuild import chain_forget
from otc.core.locks import advisory_lock
from otc.core.models import Chain


class Command(BaseCommand):
    help = "Reads every active chain up to its head and says how far it came. Workers do the same by themselves."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--chain", type=int, help="Only the chain of this id.")
        parser.add_argument(
            "--reindex",
            action="store_true",
            help="First forget all that was read, and a halt with it, and read the chain again from its first block.",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        chains = Chain.objects.filter(active=True)
        if options["chain"] is not None:
            chains = chains.filter(pk=options["chain"])
        if not chains:
            raise CommandError("No such chain is configured: see Chain in the admin, or `manage.py deploy_escrow`.")
        for chain in chains:
            with advisory_lock(f"escrow.chain:{chain.pk}") as got:
                if not got:
                    raise CommandError(f"A worker is reading {chain} right now: try again in a few seconds.")
                self._read(chain, reindex=options["reindex"])

    def _read(self, chain: Chain, *, reindex: bool) -> None:
        if reindex:
            chain_forget(chain_id=chain.pk)
        result = watch_step(chain.pk)
        while result.behind:
            self.stdout.write(f"{chain}: {result.outcome} {result.detail}", ending="\r")
            result = watch_step(chain.pk)
        if result.outcome in {Outcome.HALTED, Outcome.WAITING}:
            raise CommandError(f"{chain}: {result.outcome}: {result.detail}")
        chain.refresh_from_db()
        self.stdout.write(f"{chain}: read up to block {chain.head_number}, final up to {chain.final_number}")
