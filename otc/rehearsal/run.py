"""The rehearsal from its first call to its verdict."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count as naturals
from pathlib import Path

from otc.core import clock
from otc.rehearsal import allocations, checks, opening, plan, recount, report, settling, trading
from otc.rehearsal.progress import Console
from otc.rehearsal.stage import Cast, Hook, Stage
from otc.rehearsal.world import World


@dataclass(frozen=True, slots=True)
class Options:
    """`rows` and `list_file` are the same allocation list, `list_name` is how it is spoken of.

    `kill_worker` kills the Celery worker with SIGKILL, in the middle of the import, of trading, of slashing and of refunding.
    """

    seed: int
    rows: Sequence[allocations.Row]
    list_file: Path
    list_name: str
    kill_worker: Hook | None = None


def list_load(*, seed: int, given: Path | None, folder: Path) -> tuple[Path, list[allocations.Row], str]:
    """The list's file, its rows and its name: the given one, or one made from the seed and stored in `folder`.

    Errors: ListError when the given one can't be read, or is too short to trade from.
    """
    if given is None:
        rows = allocations.make(seed)
        path = folder / "allocations.csv.gz"
        allocations.write(path, rows)
        return path, rows, f"made from seed {seed}"
    rows = list(allocations.read(given))
    if len(rows) < plan.OFFERS:
        raise allocations.ListError(f"{given} has {len(rows)} rows: the rehearsal trades {plan.OFFERS} of them.")
    return given, rows, given.name


def rehearse(world: World, console: Console, options: Options) -> bool:
    """Plays everything and prints the verdict; whether every check held."""
    console.say(f"Allocation list: {options.list_name}")
    amounts = [amount for _, amount in options.rows]
    stage = Stage(Cast.of(options.seed), plan.make(options.seed, amounts), len(amounts), sum(amounts))
    world.node.hold_mining()
    _open(world, stage, options)
    _trade(world, stage, options)
    before = _settle(world, stage, options)
    return _judge(world, stage, before)


def _sample(seed: int, rows: Sequence[allocations.Row]) -> list[allocations.Row]:
    chance = random.Random(f"sample {seed}")  # noqa: S311 - a rehearsal repeats, it hides nothing
    return chance.sample(rows, opening.SAMPLES)


def _open(world: World, stage: Stage, options: Options) -> None:
    opening.fund_gas(world, stage)
    opening.deploy_contract_wallets(world, stage)
    opening.set_fee(world)
    opening.sign_in(world, stage)
    program = opening.open_program(world, stage)
    found = opening.import_list(world, stage, program, options.list_file, options.kill_worker)
    opening.prove_sample(world, found, _sample(options.seed, options.rows))
    opening.open_markets(world, stage, program)
    opening.deposit(world, stage)


def _trade(world: World, stage: Stage, options: Options) -> None:
    trading.post(world, stage, trading.EARLY, "Makers post offers")
    for number, pairs in zip(naturals(1), stage.plan.rounds(), strict=False):
        if number == 2 and options.kill_worker:  # noqa: PLR2004 - in the middle of trading
            options.kill_worker()
        trading.fill(world, stage, pairs, f"Takers fill, round {number}")
    trading.find_deals(world, stage)
    trading.kill_offers(world, stage)
    trading.uncover_offers(world, stage)
    trading.check_dead_offers(world, stage)


def _settle(world: World, stage: Stage, options: Options) -> list[checks.Check]:
    """Everything until all deals are closed; the checks that need money inside the contract."""
    start, deadline = settling.propose(world, stage)
    world.move_to(start + 1)
    settling.deliver(world, stage)
    world.node.move_to(deadline + 1)
    world.catch_up()
    settling.check_too_late(world, stage, deadline)
    settling.keeper_closes(
        world, stage, "The keeper slashes what is overdue", launches=True, interrupt=options.kill_worker
    )
    never = max(market.long_stop for market in stage.markets.values() if not market.plan.launches)
    world.move_to(never + 1)
    settling.keeper_closes(
        world, stage, "The keeper refunds what never launched", launches=False, interrupt=options.kill_worker
    )
    settling.finality(world)
    return checks.balances_agree(world, stage, _recount(world))


def _recount(world: World) -> recount.Recount:
    return recount.count(recount.logs_of(world.node, world.escrow))


def _judge(world: World, stage: Stage, before: list[checks.Check]) -> bool:
    settling.withdraw_all(world, stage)
    settling.finality(world)
    count = _recount(world)
    rows = {
        str(row["deal_id"]): row
        for market in stage.markets.values()
        for row in world.venue.pages("deals", market=market.market_id)
    }
    found = [
        *before,
        checks.deals_are_terminal(world, stage, count, rows),
        checks.payouts_agree(count, rows),
        checks.wallets_agree(world, stage, count),
        *checks.nothing_left(world, stage, count),
        checks.ledger_is_empty(world, stage),
    ]
    report.keeper_spending(world, count)
    console = world.console
    console.say("\nOutcomes")
    report.outcomes(console, stage, count)
    report.offers(console, stage)
    console.say("\nTransactions")
    report.spending(console, world.spent)
    console.say("\nChecks")
    holds = report.checks(console, found)
    console.say(f"\nOutcome hash  {report.outcome_hash(stage, count)}")
    seconds = clock.monotonic() - console.started
    console.say(f"{'All checks hold' if holds else 'NOT all checks hold'}, in {seconds:.0f} s.")
    return holds
