"""What the escrows' logs say as of one block: what people go by when they act."""

from collections import Counter
from dataclasses import dataclass, field

from escrow.contracts import bindings, rights_bindings
from otc.rehearsal.node import Node


@dataclass(frozen=True, slots=True)
class Contracts:
    """What a seed is played with, by address: the two escrows, the token that is paid with, the token, the one-of-a-kind rights
    (ERC-721) and the rights of which there are many (ERC-1155) that are delivered.
    """

    tokens: str
    rights: str
    pay: str
    delivered: str
    keys: str
    passes: str


@dataclass
class Seen:
    """`attested` and `disputed` hold ids of deals that are or were so. `kept`: pieces of (token, right, user) in the escrow."""

    now: int
    created: set[str] = field(default_factory=set)
    depositors: set[tuple[str, str]] = field(default_factory=set)  # escrow, user
    settlements: dict[str, bindings.SettlementTerms] = field(default_factory=dict)
    cancel_proposed: set[str] = field(default_factory=set)
    filled: dict[str, int] = field(default_factory=dict)
    deals: dict[str, bindings.Deal] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    attested: set[str] = field(default_factory=set)
    disputed: set[str] = field(default_factory=set)
    delivered: set[int] = field(default_factory=set)  # rights, once
    kept: Counter[tuple[str, int, str]] = field(default_factory=Counter)

    def open_deals(self, market_id: str) -> list[bindings.Deal]:
        return [deal for key, deal in self.deals.items() if deal.market == market_id and key not in self.closed]

    def all_closed(self) -> bool:
        return set(self.deals) == self.closed


def look(node: Node, contracts: Contracts, *, first_block: int) -> Seen:
    """Reads the logs of both escrows from `first_block` on. NodeError when the node does not answer."""
    seen = Seen(node.now())
    escrows = [contracts.tokens, contracts.rights]
    for log in node.call("eth_getLogs", {"fromBlock": hex(first_block), "toBlock": "latest", "address": escrows}):
        escrow = log["address"].lower()
        decode = bindings.decode_event if escrow == contracts.tokens else rights_bindings.decode_event
        _note(seen, escrow, decode(log["topics"], log["data"]))
    return seen


def _note(seen: Seen, escrow: str, event: bindings.Event | rights_bindings.Event) -> None:
    match event:
        case bindings.MarketCreated():
            seen.created.add(event.market)
        case bindings.Deposited():
            seen.depositors.add((escrow, event.user))
        case bindings.Proposed():
            seen.settlements[event.market] = event.settlement
        case bindings.CancelProposed():
            seen.cancel_proposed.add(event.market)
        case rights_bindings.RightsDelivered():
            seen.delivered.add(event.right)
            seen.kept[event.token, event.right, seen.deals[event.id].buyer] += event.amount * event.to_escrow
        case rights_bindings.RightWithdrawn():
            seen.kept[event.token, event.right, event.user] -= event.amount
        case _:
            _note_deal(seen, event)


def _note_deal(seen: Seen, event: bindings.Event | rights_bindings.Event) -> None:
    match event:
        case bindings.Filled():
            seen.filled[event.offer_hash] = event.filled
            seen.deals[event.deal.id] = event.deal
        case bindings.Matched():
            seen.filled[event.buy_hash] = event.buy_filled
        case bindings.Transferred() | bindings.Resold():
            seen.deals[event.id] = event.deal
        case bindings.Attested():
            seen.attested.add(event.id)
        case bindings.Disputed():
            seen.disputed.add(event.id)
        case bindings.Settled() if event.closed:
            seen.closed.add(event.id)
        case _:
            pass
