"""A long run: `python -m tests.sim.deep watcher --steps 1000000 [--seed 0]`, or `keeper`.

Runs seed after seed until so many steps are made. Ends with 1 when a seed failed; prints each that did, and how to see it again.
"""

import argparse
import functools
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime

import django

Run = tuple[int, Counter[str], Exception | None]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.deep")
    parser.add_argument("what", choices=["watcher", "keeper"])
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0, help="the first; each run takes the next")
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    logging.disable(logging.CRITICAL)
    with nullcontext() if given.what == "watcher" else _database():
        return _run(given)


def _run(given: argparse.Namespace) -> int:
    counts: Counter[str] = Counter()
    say = functools.partial(print, flush=True)
    failed, seed = [], given.seed
    began, cpu = time.monotonic(), time.process_time()
    for seed, found, error in _runs(given.what, given.seed):
        deepest = max(counts["deepest"], found["deepest"])
        counts += found
        counts["deepest"] = deepest
        if error is not None:
            failed.append(seed)
            say(f"seed {seed}: {type(error).__name__}: {error}")
            say("\n".join(getattr(error, "__notes__", [])))
        if counts["steps"] >= given.steps:
            break
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    say(
        f"{datetime.now(UTC):%Y-%m-%d}: seeds {given.seed} to {seed}, {counts['steps']:,} steps, {len(failed)} violations"
    )
    say(
        f"{counts['steps'] / cpu:,.0f} steps/s of processor time ({cpu:.0f} s), {counts['steps'] / seconds:,.0f}/s of the clock"
    )
    say(", ".join(f"{what} {count:,}" for what, count in sorted(counts.items()) if what != "steps"))
    return 1 if failed else 0


def _runs(what: str, seed: int) -> Iterator[Run]:
    """One seed after another."""
    from tests.sim.keeper_world import KeeperWorld
    from tests.sim.world import World, replayed

    make = World if what == "watcher" else KeeperWorld
    while True:
        world, error = None, None
        with nullcontext() if what == "watcher" else _taken_back():
            try:
                with replayed(what, seed):
                    world = make(seed)
                    world.run()
            except Exception as failure:  # noqa: BLE001 - every failure of a seed is a finding, and the next seed is run
                error = failure
        yield seed, world.counts if world is not None else Counter(), error
        seed += 1


@contextmanager
def _taken_back() -> Iterator[None]:
    """Nothing of it stays in the database."""
    from django.db import transaction

    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def _database() -> Iterator[None]:
    """A PostgreSQL server of this run, migrated."""
    from django.db import connection

    from tests.support import run
    from tests.support.postgres import Server

    run.create()
    server = Server(run.folder())
    server.start()
    try:
        connection.creation.create_test_db(verbosity=0, serialize=False)
        yield
        connection.close()
    finally:
        server.stop()
        run.delete()


if __name__ == "__main__":
    sys.exit(main())
