"""The table of outcomes, and one hash of them all: equal for equal seeds and lists."""

import hashlib
from collections import Counter, defaultdict

from otc.rehearsal.checks import Check
from otc.rehearsal.progress import Console
from otc.rehearsal.recount import REFUNDED, SLASHED, Recount
from otc.rehearsal.stage import Stage
from otc.rehearsal.world import Spent, World

OUTCOMES = {1: "delivered", 2: "slashed", 3: "refunded"}


def outcomes(console: Console, stage: Stage, count: Recount) -> None:
    """Deals by outcome, payment token and market."""
    rows = [["deals", "number", "units", "payment", "collateral", "to buyers", "to sellers", "fees"]]
    grouped: dict[tuple[int, str, bool], list[str]] = defaultdict(list)
    for deal_id, found in count.deals.items():
        part = found.outcome == SLASHED and found.delivered > 0
        grouped[found.outcome, found.deal["payToken"], part].append(deal_id)
    for (outcome, token, part), ids in sorted(grouped.items()):
        deals = [count.deals[deal_id] for deal_id in ids]
        name = OUTCOMES.get(outcome, "open") + (" after a part" if part else "") + f", {stage.symbols[token]}"
        sums = [sum(d.deal[part_name] for d in deals) for part_name in ("payment", "collateral")]
        sums += [sum(getattr(d, part_name) for d in deals) for part_name in ("to_buyer", "to_seller", "fee")]
        units = sum(d.deal["units"] for d in deals)
        money = [short(amount, stage.decimals[token]) for amount in sums]
        rows.append([name, str(len(deals)), short(units, 18), *money])
    rows.append(
        ["all", str(len(count.deals)), short(sum(d.deal["units"] for d in count.deals.values()), 18), *[""] * 5]
    )
    console.table(rows)


def offers(console: Console, stage: Stage) -> None:
    fates = Counter(offer.fate.value for offer in stage.plan.offers)
    whole = sum(1 for offer in stage.plan.offers if offer.min_fill == offer.units)
    console.say(
        f"  {len(stage.plan.offers)} offers, {whole} all-or-none; "
        + ", ".join(f"{n} {fate}" for fate, n in fates.items())
    )


def spending(console: Console, spent: Spent) -> None:
    """Transactions and gas by what they were for."""
    rows = [["transactions", "number", "gas", "gas each"]]
    for label, number in spent.transactions.most_common():
        gas = spent.gas[label]
        rows.append([label, f"{number:,}", f"{gas:,}", f"{gas // number:,}"])
    number, gas = spent.transactions.total(), spent.gas.total()
    rows.append(["all", f"{number:,}", f"{gas:,}", f"{gas // max(1, number):,}"])
    console.table(rows)


def keeper_spending(world: World, count: Recount) -> None:
    """Adds the transactions of the keeper: those that slashed and refunded."""
    for label, hashes in (("slash (keeper)", count.closed_by[SLASHED]), ("refund (keeper)", count.closed_by[REFUNDED])):
        receipts = world.node.receipts(sorted(hashes))
        world.spent.add(label, [receipt for receipt in receipts if receipt is not None])


def outcome_hash(stage: Stage, count: Recount) -> str:
    """SHA-256 over what became of every planned deal, free of ids, times and addresses that differ between runs."""
    lines = []
    for deal in stage.deals:
        found = count.deals[deal.deal_id]
        lines.append(
            f"{deal.key} {deal.offer.market} {deal.buyer.name} {deal.seller.name} {found.outcome} {found.deal['units']} "
            f"{found.deal['payment']} {found.deal['collateral']} {found.delivered} "
            f"{found.to_buyer} {found.to_seller} {found.fee}"
        )
    for wallet in stage.cast.traders:
        for token, symbol in sorted(stage.symbols.items(), key=lambda item: item[1]):
            lines.append(
                f"{wallet.name} {symbol} {count.deposited[token, wallet.address]} {count.withdrawn[token, wallet.address]}"
            )
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def checks(console: Console, found: list[Check]) -> bool:
    """Prints every check; whether all hold."""
    for check in found:
        console.say(f"  {'✓' if check.holds else '✗'} {check.what}")
        console.say(f"      {check.figures}")
    return all(check.holds for check in found)


def short(amount: int, places: int) -> str:
    """An amount for a table, two digits after the point, cut."""
    return f"{amount // 10**places:,}.{amount % 10**places * 100 // 10**places:02d}"
