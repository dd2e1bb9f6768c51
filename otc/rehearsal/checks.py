"""What must hold in the end, each with its figures."""

from collections import Counter
from dataclasses import dataclass

from otc.rehearsal import abi, recount
from otc.rehearsal.client import Json
from otc.rehearsal.plan import Conduct
from otc.rehearsal.recount import DELIVERED, REFUNDED, SLASHED, Recount
from otc.rehearsal.stage import Stage, TradedDeal
from otc.rehearsal.world import World, listed

CODES = {"delivered": DELIVERED, "slashed": SLASHED, "refunded": REFUNDED}


@dataclass(frozen=True, slots=True)
class Check:
    """A thing that must hold, whether it does, and what it was judged by."""

    what: str
    holds: bool
    figures: str


def figure(stage: Stage, token: str, amount: int) -> str:
    """Base units as a person reads them, every digit kept: 1,234.567 fUSDC."""
    places = stage.decimals[token]
    whole, part = divmod(amount, 10**places)
    digits = f"{part:0{places}d}".rstrip("0") if part else ""
    return f"{whole:,}{'.' + digits if digits else ''} {stage.symbols[token]}"


def balances_agree(world: World, stage: Stage, count: Recount) -> list[Check]:
    """Per token, while money is still inside: the contract's balance, the ledger, the free balances and the fees."""
    ledger = {str(row["token"]).lower(): row for row in world.venue.pages("solvency", escrow="tokens")}
    checks = []
    for token in count.tokens():
        users = sorted({user for of, user in count.free if of == token})
        balance = abi.number(world.node.read(token, abi.call_data("balanceOf(address)", world.escrow)))
        free = sum(
            abi.number(result)
            for result in world.node.reads(
                [(world.escrow, abi.call_data("balances(address,address)", token, user)) for user in users]
            )
        )
        fees = world.view("fees(address)", token)
        row = ledger[token]
        booked = sum(int(row[f"ledger_{part}"]) for part in ("free", "locked", "fees"))
        same = {
            balance,
            world.view("liabilities(address)", token),
            booked,
            free + fees,
            int(row["ledger_free"]) + fees,
            count.free_sum(token) + count.fees[token],
            recount.moved(world.node, token, world.escrow),
        }
        settled = int(row["ledger_locked"]) == 0 == count.locked(token)
        checks.append(
            Check(
                f"{stage.symbols[token]}: contract balance = ledger = free balances + fees = recount",
                len(same) == 1 and settled and int(row["ledger_fees"]) == fees,
                f"{figure(stage, token, balance)}; of it free {figure(stage, token, free)} of {len(users)} users, "
                f"fees {figure(stage, token, fees)}, locked {row['ledger_locked']}",
            )
        )
    return checks


def deals_are_terminal(world: World, stage: Stage, count: Recount, rows: dict[str, Json]) -> Check:
    """Each deal closed by exactly one event, and contract, API and plan name the same outcome."""
    stored = world.node.reads(
        [(world.escrow, abi.call_data("deals(bytes32)", bytes.fromhex(d[2:]))) for d in count.deals]
    )
    on_chain = {deal_id: int(word, 16) for deal_id, word in zip(count.deals, stored, strict=True)}
    planned = {deal.deal_id: _planned(stage, deal) for deal in stage.deals}
    wrong = [
        deal_id
        for deal_id, found in count.deals.items()
        if found.closings != 1
        or not (found.outcome == on_chain[deal_id] == planned.get(deal_id) == CODES.get(rows[deal_id]["outcome"]))
    ]
    closings = Counter(found.closings for found in count.deals.values())
    complete = set(planned) == set(count.deals) == set(rows)
    return Check(
        "every deal terminal exactly once, as planned, in logs, contract and API",
        complete and not wrong,
        f"{len(count.deals)} deals, {closings[1]} closed once, {sum(closings.values()) - closings[1]} otherwise, "
        f"{len(wrong)} with differing outcomes" + (f", first {wrong[0]}" if wrong else ""),
    )


def _planned(stage: Stage, deal: TradedDeal) -> int:
    if not stage.markets[deal.offer.market].plan.launches:
        return REFUNDED
    seller = next(n for n, wallet in enumerate(stage.cast.traders) if wallet is deal.seller)
    full = {Conduct.FULL, Conduct.FULL_ESCROW, Conduct.TWO_STEPS}
    return DELIVERED if stage.plan.conduct[seller] in full else SLASHED


def payouts_agree(count: Recount, rows: dict[str, Json]) -> Check:
    """What the rules owe = what the logs paid = what the API says, for every deal."""
    wrong = [
        deal_id
        for deal_id, found in count.deals.items()
        if tuple(int(rows[deal_id][name]) for name in ("paid_to_buyer", "paid_to_seller", "fee_paid"))
        != (found.to_buyer, found.to_seller, found.fee)
    ]
    faults = count.faults + [f"the API pays {deal_id} differently" for deal_id in wrong]
    return Check(
        "pay-outs equal the recount from raw logs",
        not faults,
        f"{3 * len(count.deals):,} sums of {len(count.deals)} deals, {len(faults)} differences"
        + (f", first: {faults[0]}" if faults else ""),
    )


def wallets_agree(world: World, stage: Stage, count: Recount) -> Check:
    """Every wallet holds what it minted, less what it deposited and delivered, plus what it withdrew and was given."""
    wallets = stage.cast.traders
    tokens = [*stage.symbols]
    reads = [(token, abi.call_data("balanceOf(address)", w.address)) for token in tokens for w in wallets]
    held = dict(zip(((t, w.address) for t in tokens for w in wallets), world.node.reads(reads), strict=True))
    given: Counter[tuple[str, str]] = Counter()
    token = stage.settlement_token
    for found in count.deals.values():
        if found.delivered:
            given[token, found.deal["seller"]] -= found.delivered
            given[token, found.deal["buyer"]] += found.delivered
    # What was delivered into escrow reached the buyer's wallet by his withdrawal, which counts already.
    given.subtract(count.into_escrow)
    wrong = [
        key
        for key, result in held.items()
        if abi.number(result) != stage.minted.get(key, 0) - count.deposited[key] + count.withdrawn[key] + given[key]
    ]
    return Check(
        "every wallet holds exactly what is its own",
        not wrong,
        f"{len(held)} balances of {len(wallets)} wallets, {len(wrong)} wrong"
        + (f", first {wrong[0]}" if wrong else ""),
    )


def nothing_left(world: World, stage: Stage, count: Recount) -> list[Check]:
    """After everybody withdrew: the contract holds the uncollected fees, and owes nothing else."""
    checks = []
    for token in count.tokens():
        balance = abi.number(world.node.read(token, abi.call_data("balanceOf(address)", world.escrow)))
        fees = world.view("fees(address)", token)
        owed = world.view("liabilities(address)", token)
        free = {user: amount for (of, user), amount in count.free.items() if of == token and amount}
        checks.append(
            Check(
                f"{stage.symbols[token]}: nothing left in the contract but uncollected fees",
                balance == fees == owed == count.fees[token] and not free,
                f"balance {figure(stage, token, balance)}, fees {figure(stage, token, fees)}, "
                f"{len(free)} users with a free balance",
            )
        )
    return checks


def ledger_is_empty(world: World, stage: Stage) -> Check:
    """The API's own books agree that nobody has anything left."""
    answers = world.each(
        "Balances are asked for again", stage.cast.traders, lambda w: world.venue.get(f"balances/{listed(w.address)}")
    )
    left = sum(int(row["free"]) + int(row["locked"]) for answer in answers for row in answer["balances"])
    return Check("the API owes nobody anything", left == 0, f"{len(answers)} wallets, {left} base units free or locked")
