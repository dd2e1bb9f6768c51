"""A long run: `python -m tests.support.differential.deep --seconds 600 [--seed 0] [--steps 400]`.

Ends with 1 at the first difference, whose seed and shortest sequence it prints, or when a function was never accepted or refused.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import django

from tests.support.anvil import Anvil
from tests.support.differential.coverage import owed, table
from tests.support.differential.trial import Trial
from tests.support.differential.world import MismatchError, World

TRIALS_A_NODE = 25  # a node remembers every block


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.differential.deep")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="the first; each trial takes the next")
    parser.add_argument("--steps", type=int, default=400, help="of a trial")
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()  # the fold's models
    from tests.support.differential.fold import Folded

    began, seed = time.monotonic(), given.seed
    counts: Counter[tuple[str, str]] = Counter()
    errors: Counter[tuple[str, str]] = Counter()
    while time.monotonic() - began < given.seconds:
        with tempfile.TemporaryDirectory(prefix="forelock-deep-") as folder:
            anvil = Anvil(Path(folder))
            anvil.start()
            try:
                world = World(anvil)
                for _ in range(TRIALS_A_NODE):
                    if time.monotonic() - began >= given.seconds:
                        break
                    Trial(world, given.steps, Folded()).run(seed)
                    seed += 1
            except MismatchError as failure:
                print(failure)  # noqa: T201  # a command
                return 1
            finally:
                anvil.stop()
            counts += world.counts
            errors += world.errors
    seconds = time.monotonic() - began
    done, refused = counts.total(), sum(n for (_name, how), n in counts.items() if how == "refused")
    print(table(counts))  # noqa: T201  # as above
    print(  # noqa: T201  # as above
        f"{seed - given.seed} trials (seeds {given.seed} to {seed - 1}), {done} actions in {seconds:.0f} s: "
        f"{done / seconds:.0f}/s, {1 - refused / done:.0%} accepted, {len(errors)} pairs of function and error"
    )
    missing = owed(counts)
    print(*missing, sep="\n")  # noqa: T201  # as above
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
