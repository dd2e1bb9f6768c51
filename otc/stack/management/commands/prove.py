"""`manage.py prove WHAT`: machine-checked evidence about the contract; docs/verification.md says what each figure means."""

import importlib
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from otc.stack.errors import StackError

# by name, so that the kernel imports no prover
PROOFS = {
    "halmos": "otc.proof.halmos",
    "slither": "otc.proof.slither",
    "mutation": "otc.proof.mutation",
    "invariants": "otc.proof.invariants",
}
OPTIONS = {
    "halmos": ("only", "seconds", "figures"),
    "slither": ("figures",),
    "mutation": ("only", "sample", "seed", "every", "figures"),
    "invariants": ("figures",),
}


class Command(BaseCommand):
    help = "Checks the contract by machine: symbolically, statically, by mutating it, by long random runs."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=[*PROOFS, "all"])
        parser.add_argument("--only", default="", help="halmos, mutation: what has this in its name")
        parser.add_argument("--seconds", type=int, default=300, help="halmos: limit of one check, of the processor")
        parser.add_argument("--sample", type=int, default=40, help="mutation: how many mutants")
        parser.add_argument("--seed", type=int, default=1, help="mutation: which sample")
        parser.add_argument("--all", dest="every", action="store_true", help="mutation: every mutant")
        parser.add_argument("--figures", action="store_true", help="write the figures into docs/verification.md")
        parser.add_argument("--write", action="store_true", help="halmos: write the generated checks, and run nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["write"]:
            symbolic = importlib.import_module("otc.proof.symbolic")
            abi, rights = symbolic.committed_abi(), symbolic.committed_abi(symbolic.RIGHTS)
            symbolic.GENERATED.write_text(symbolic.source(abi, rights), encoding="utf-8")
            symbolic.PARTS.write_text(symbolic.parts_source(abi), encoding="utf-8")
            return
        names = list(PROOFS) if options["what"] == "all" else [options["what"]]
        failed = []
        for name in names:
            self._say(f"== {name}")
            prove = importlib.import_module(PROOFS[name]).run
            try:
                status = prove(self._say, **{option: options[option] for option in OPTIONS[name]})
            except StackError as error:
                raise CommandError(str(error)) from error
            if status != 0:
                failed.append(name)
        if failed:
            raise SystemExit(f"does not hold: {', '.join(failed)}")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
