"""A long run: `python -m tests.support.differential.deep --seconds 600 [--seed 0] [--steps 400]`, both escrows in turn.

Ends with 1 at the first difference, whose seed and shortest sequence it prints, or when a function was never accepted or refused.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import django

from tests.support.anvil import Anvil
from tests.support.differential.coverage import owed, table
from tests.support.differential.driver import Driver
from tests.support.differential.rights_driver import RightsDriver
from tests.support.differential.rights_world import RightsWorld
from tests.support.differential.trial import Trial
from tests.support.differential.world import MismatchError, World

TRIALS_A_NODE = 4  # a node remembers every block
KINDS: tuple[tuple[type[World], type[Driver]], ...] = ((World, Driver), (RightsWorld, RightsDriver))


@dataclass
class Tally:
    """What came of the trials with one escrow."""

    trials: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)

    def shown(self, kind: type[World]) -> list[str]:
        """Prints it; returns the functions that are owed."""
        done, refused = self.counts.total(), sum(n for (_name, how), n in self.counts.items() if how == "refused")
        print(f"\n{kind.contract}\n{table(self.counts, kind.functions)}")  # noqa: T201  # a command
        print(  # noqa: T201  # as above
            f"{self.trials} trials, {done} actions, {1 - refused / max(1, done):.0%} accepted, {len(self.errors)} pairs of function and error"
        )
        return [f"{kind.contract}: {line}" for line in owed(self.counts, kind.functions)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.differential.deep")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="the first; each trial takes the next")
    parser.add_argument("--steps", type=int, default=400, help="of a trial")
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()  # the fold's models
    from tests.support.differential.fold import Folded

    began, seed, turn = time.monotonic(), given.seed, 0
    tallies = [Tally(), Tally()]
    while time.monotonic() - began < given.seconds:
        (world_kind, driver), tally = KINDS[turn % 2], tallies[turn % 2]
        turn += 1
        with tempfile.TemporaryDirectory(prefix="forelock-deep-") as folder:
            anvil = Anvil(Path(folder))
            anvil.start()
            try:
                world = world_kind(anvil)
                for _ in range(TRIALS_A_NODE):
                    if time.monotonic() - began >= given.seconds:
                        break
                    Trial(world, given.steps, Folded(), driver).run(seed)
                    seed += 1
                    tally.trials += 1
            except MismatchError as failure:
                print(failure)  # noqa: T201  # a command
                return 1
            finally:
                anvil.stop()
            tally.counts += world.counts
            tally.errors += world.errors
    seconds = time.monotonic() - began
    print(f"seeds {given.seed} to {seed - 1}, {seconds:.0f} s")  # noqa: T201  # as above
    missing = [line for (kind, _), tally in zip(KINDS, tallies, strict=True) for line in tally.shown(kind)]
    print(*missing, sep="\n")  # noqa: T201  # as above
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
