"""A second opinion: every balance and pay-out recounted from the raw logs, with a decoder and an arithmetic of its own.

Nothing of the project's reader is used here, only the contract's ABI: if both make the same mistake, it is in the rules.
Amounts are base units; addresses and hashes lower-case 0x-hex.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_utils.crypto import keccak

from otc.rehearsal import abi
from otc.rehearsal.node import Node

TRANSFER = "0x" + keccak(text="Transfer(address,address,uint256)").hex()
WORD = 64  # hex digits
BPS = 10_000
DELIVERED, SLASHED, REFUNDED = 1, 2, 3
BLOCKS_AT_ONCE = 2_000

Event = tuple[str, dict[str, Any]]
RawLog = Mapping[str, Any]


# ---------------------------------------------------------------- decoding


def _spelled(parameter: Mapping[str, Any]) -> str:
    if parameter["type"] != "tuple":
        return str(parameter["type"])
    return "(" + ",".join(_spelled(part) for part in parameter["components"]) + ")"


def events(contract: str = "OTCEscrow") -> dict[str, Mapping[str, Any]]:
    """The contract's events by their first topic; the other escrow is "RightsEscrow"."""
    found = {}
    for entry in abi.artifact(contract)["abi"]:
        if entry["type"] == "event":
            signature = f"{entry['name']}({','.join(_spelled(p) for p in entry['inputs'])})"
            found["0x" + keccak(text=signature).hex()] = entry
    return found


def _value(kind: str, word: str) -> Any:
    if kind == "address":
        return "0x" + word[-40:]
    if kind == "bytes32":
        return "0x" + word
    number = int(word, 16)
    return bool(number) if kind == "bool" else number


def _take(parameter: Mapping[str, Any], words: list[str]) -> Any:
    """Reads one static parameter off the front of `words`."""
    if parameter["type"] == "tuple":
        return {part["name"]: _take(part, words) for part in parameter["components"]}
    return _value(parameter["type"], words.pop(0))


def decode(log: RawLog, events: Mapping[str, Mapping[str, Any]]) -> Event | None:
    """Name and arguments of a log; None for one that the contract does not declare."""
    entry = events.get(log["topics"][0])
    if entry is None:
        return None
    topics = [topic[2:] for topic in log["topics"][1:]]
    data = log["data"][2:]
    words = [data[at : at + WORD] for at in range(0, len(data), WORD)]
    return entry["name"], {p["name"]: _take(p, topics if p["indexed"] else words) for p in entry["inputs"]}


def logs_of(node: Node, address: str, *, topics: list[str] | None = None) -> list[RawLog]:
    """All logs of a contract, in order."""
    head, found = node.block_number(), []
    for start in range(0, head + 1, BLOCKS_AT_ONCE):
        span = {"fromBlock": hex(start), "toBlock": hex(min(head, start + BLOCKS_AT_ONCE - 1)), "address": address}
        found += node.call("eth_getLogs", span | ({"topics": topics} if topics else {}))
    return found


# ---------------------------------------------------------------- counting


@dataclass
class DealCount:
    """A deal as its logs tell it."""

    deal: dict[str, Any]
    maker_side: int
    delivered: int = 0
    outcome: int = 0
    closings: int = 0
    bond: int = 0
    to_buyer: int = 0
    to_seller: int = 0
    fee: int = 0


@dataclass
class Recount:
    """What the logs add up to. `faults` are sentences about what does not."""

    free: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))  # (token, user)
    fees: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    deposited: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    withdrawn: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    into_escrow: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))  # delivered so
    kept: dict[tuple[str, int, str], int] = field(
        default_factory=lambda: defaultdict(int)
    )  # (token, right, user): pieces
    deals: dict[str, DealCount] = field(default_factory=dict)
    settlements: dict[str, dict[str, Any]] = field(default_factory=dict)  # by market
    closed_by: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))  # outcome → transactions
    faults: list[str] = field(default_factory=list)

    def locked(self, token: str) -> int:
        """What open deals still hold of a payment token."""
        return sum(
            d.deal["payment"] + d.deal["collateral"] + d.bond - d.to_buyer - d.to_seller - d.fee
            for d in self.deals.values()
            if d.deal["payToken"] == token
        )

    def free_sum(self, token: str) -> int:
        return sum(amount for (of, _), amount in self.free.items() if of == token)

    def tokens(self) -> list[str]:
        return sorted({token for token, _ in self.free})

    def _debit(self, token: str, user: str, amount: int) -> None:
        self.free[token, user] -= amount
        if self.free[token, user] < 0:
            self.faults.append(f"{user} went below zero in {token}")


def count(logs: Iterable[RawLog], contract: str = "OTCEscrow") -> Recount:
    """Folds the escrow's logs, oldest first."""
    known = events(contract)
    total = Recount()
    for log in logs:
        decoded = decode(log, known)
        if decoded is not None:
            _apply(total, *decoded)
            if decoded[0] == "Settled" and decoded[1]["closed"]:
                total.closed_by[decoded[1]["outcome"]].add(log["transactionHash"])
    for deal_id, found in total.deals.items():
        total.faults += _judge(deal_id, found, total.settlements.get(found.deal["market"]))
    return total


def _apply(total: Recount, name: str, e: dict[str, Any]) -> None:
    match name:
        case "Deposited":
            total.free[e["token"], e["user"]] += e["amount"]
            total.deposited[e["token"], e["user"]] += e["amount"]
        case "Withdrawn":
            total._debit(e["token"], e["user"], e["amount"])  # noqa: SLF001 - the fold is the class's other half
            total.withdrawn[e["token"], e["user"]] += e["amount"]
        case "Filled":
            deal = e["deal"]
            if deal["id"] in total.deals:
                total.faults.append(f"deal {deal['id']} was opened twice")
            total.deals[deal["id"]] = DealCount(deal, e["makerSide"])
            total._debit(deal["payToken"], deal["buyer"], deal["payment"])  # noqa: SLF001 - as above
            total._debit(deal["payToken"], deal["seller"], deal["collateral"])  # noqa: SLF001 - as above
        case "Transferred" | "Resold" | "Disputed":
            _change(total, name, e)
        case "Proposed":
            total.settlements[e["market"]] = e["settlement"]
        case "Vetoed":
            total.settlements.pop(e["market"], None)
        case "Delivered" | "RightsDelivered" | "RightWithdrawn":
            _deliver(total, name, e)
        case "Settled":
            _settle(total, e)
        case "FeesCollected":
            total.fees[e["token"]] -= e["amount"]
        case _:
            pass  # moves no money


def _deliver(total: Recount, name: str, e: dict[str, Any]) -> None:
    """What was sold comes in, or what came into the escrow of rights goes out."""
    if name == "RightWithdrawn":
        total.kept[e["token"], e["right"], e["user"]] -= e["amount"]
        return
    found = total.deals[e["id"]]
    found.delivered = e["delivered"]
    if e["toEscrow"] and name == "Delivered":
        total.free[e["token"], found.deal["buyer"]] += e["received"]
        total.into_escrow[e["token"], found.deal["buyer"]] += e["received"]
    elif e["toEscrow"]:
        total.kept[e["token"], e["right"], found.deal["buyer"]] += e["amount"]


def _change(total: Recount, name: str, e: dict[str, Any]) -> None:
    """A deal with another party, or with a bond more in it."""
    found = total.deals[e["id"]]
    if name == "Transferred":
        found.deal = e["deal"]
    elif name == "Resold":
        found.deal = e["deal"]
        token, collateral = found.deal["payToken"], found.deal["collateral"] if e["side"] else 0
        payer, payee = (e["from"], e["to"]) if e["listerPays"] else (e["to"], e["from"])
        total._debit(token, e["to"], collateral)  # noqa: SLF001 - the fold is the class's other half
        total.free[token, e["from"]] += collateral
        total._debit(token, payer, e["price"])  # noqa: SLF001 - as above
        total.free[token, payee] += e["price"]
    else:
        found.bond = e["bond"]
        total._debit(found.deal["payToken"], e["by"], e["bond"])  # noqa: SLF001 - the fold is the class's other half


def _settle(total: Recount, e: dict[str, Any]) -> None:
    found = total.deals[e["id"]]
    token = found.deal["payToken"]
    if found.closings:
        total.faults.append(f"deal {e['id']} paid out after it was closed")
    found.to_buyer += e["toBuyer"]
    found.to_seller += e["toSeller"]
    found.fee += e["fee"]
    total.free[token, found.deal["buyer"]] += e["toBuyer"]
    total.free[token, found.deal["seller"]] += e["toSeller"]
    total.fees[token] += e["fee"]
    if e["closed"]:
        found.closings += 1
        found.outcome = e["outcome"]


def _judge(deal_id: str, found: DealCount, settlement: Mapping[str, Any] | None) -> list[str]:
    """What the rules owe each side for what happened, against what was paid. Of a deal of several tranches, or one that was attested,
    only that all that was locked was paid.
    """
    deal = found.deal
    payment, collateral = deal["payment"], deal["collateral"]
    if settlement is not None and (settlement["tranches"] > 1 or int(settlement["token"], 16) == 0):
        left = payment + collateral + found.bond - found.to_buyer - found.to_seller - found.fee
        return [f"deal {deal_id} is closed and holds {left}"] if left and found.closings else []
    if found.outcome == REFUNDED:
        owed = (payment, collateral, 0)
    elif settlement is None:
        owed = (0, 0, 0)
    else:
        due = -(-deal["units"] * settlement["ratioNum"] // settlement["ratioDen"])
        earned = payment * found.delivered // due
        returned = collateral * found.delivered // due
        fee = earned * deal["feeBps"] // BPS
        slashed = payment + collateral - earned - returned if found.outcome == SLASHED else 0
        owed = (slashed, earned + returned - fee, fee)
        if found.outcome == DELIVERED and found.delivered != due:
            return [f"deal {deal_id} counts as delivered with {found.delivered} of {due}"]
    paid = (found.to_buyer, found.to_seller, found.fee)
    return [] if paid == owed else [f"deal {deal_id} paid {paid}, owed {owed} (buyer, seller, fee)"]


def moved(node: Node, token: str, escrow: str) -> int:
    """What the token's own Transfer logs leave in the escrow."""
    here = escrow[2:].rjust(WORD, "0")
    left = 0
    for log in logs_of(node, token, topics=[TRANSFER]):
        amount = int(log["data"], 16)
        left += amount * ((log["topics"][2][2:] == here) - (log["topics"][1][2:] == here))
    return left
