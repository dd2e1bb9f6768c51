"""Compares the contract with the database."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from escrow.chain.reconcile import Report
from escrow.checks.runs import reconcile_run
from otc.core.errors import DomainError
from otc.core.models import Chain


class Command(BaseCommand):
    help = "Compares contract storage with ledger and projections at the newest block that was read. Exit status 1 on a difference."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--chain", type=int, help="Only the chain of this id.")
        parser.add_argument("--json", action="store_true", help="One JSON object per chain.")

    def handle(self, *_args: Any, **options: Any) -> None:
        chains = Chain.objects.filter(active=True)
        if options["chain"] is not None:
            chains = chains.filter(pk=options["chain"])
        if not chains:
            raise CommandError("No such chain is configured.")
        drifted = 0
        for chain in chains:
            try:
                report = reconcile_run(chain=chain)
            except DomainError as error:
                raise CommandError(error.detail, returncode=2) from error
            drifted += len(report.drifts)
            self._print(chain, report, as_json=options["json"])
        if drifted:
            raise CommandError(f"{drifted} differences", returncode=1)

    def _print(self, chain: Chain, report: Report, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(asdict(report)))
            return
        for drift in report.drifts:
            self.stdout.write(f"{chain}: {drift.what} {drift.key}: contract {drift.contract}, here {drift.ours}")
        for told in report.strangers:
            self.stdout.write(
                f"{chain}: {told.what} {told.key}: {told.contract}, where {told.ours} is owed. Not a payment token: its own doing"
            )
        self.stdout.write(
            f"{chain}: {report.checked} facts compared at block {report.block_number}, {len(report.drifts)} differ"
        )
