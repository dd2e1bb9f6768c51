"""Outbox rows about facts of the chain: who is told what, and how deep it lies.

Aggregates `deal:<id>` are written by the escrow's one writer alone, `market:<id>` under that market's row lock; `funds:<address>`,
`rights:<address>` and `approval:<address>` by the writers of all escrows, for a wallet is the same on each: so they take turns.
Amounts are decimal strings of base units.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from escrow.chain.events import DEAL_EVENTS, DealEvent, FoldEvent, deal_id_of, fold_events
from escrow.chain.models import ChainEvent, Depth
from escrow.contracts import bindings
from escrow.contracts.events import Event
from escrow.domain.ledger import FREE, AccountKey, Parties
from escrow.models import Deal, SettlementTerms
from escrow.services.auto_deliveries import ApprovalKey
from escrow.services.ledger import PartiesOf
from escrow.services.rights import RightKey
from otc.core.chains import escrow_ref
from otc.core.models import Chain
from otc.core.outbox import NewEvent, outbox_add_locked, outbox_lock
from points.models import Market

OF_WALLETS = ("funds:", "rights:", "approval:")
TYPES = {
    "Filled": "deal.opened",
    "Matched": "deal.matched",
    "Transferred": "deal.transferred",
    "Resold": "deal.resold",
    "Delivered": "deal.delivered",
    "RightsDelivered": "deal.delivered",
    "Settled": "deal.settled",
    "Attested": "deal.attested",
    "Disputed": "deal.disputed",
    "Appealed": "deal.appealed",
}


@dataclass(slots=True)
class Announcements:
    """Collects the outbox rows of one step. `from_block`: events below are history, of which nobody is told; None: a rebuild, all
    of which is history.
    """

    chain: Chain
    from_block: int | None
    rows: list[NewEvent] = field(default_factory=list)

    def is_news(self, block_number: int) -> bool:
        """Whether somebody is told of events of this block."""
        return self.from_block is not None and block_number >= self.from_block

    def deal_events(self, events: Iterable[FoldEvent], parties_of: PartiesOf, *, depth: Depth) -> None:
        """A type of TYPES: what happened, with the event's arguments and the parties it left behind."""
        for item in events:
            if not self.is_news(item.block_number) or not isinstance(item.event, bindings.Filled | DealEvent):
                continue
            kind = type(item.event).__name__
            parties = parties_of(item)
            payload = _place(self.chain, item) | _who(parties) | {"event": item.event.as_json()}
            self.rows.append(NewEvent(TYPES[kind], f"deal:{parties.deal}", payload, depth))

    def deals_final(self, events: Iterable[FoldEvent], parties: Mapping[str, Parties]) -> None:
        """deal.final: an event told before as seen can't be taken back any more. `fact` is the type it was told as; `parties` are
        the present ones of each deal.
        """
        for item in events:
            if not self.is_news(item.block_number):
                continue
            who = parties[_deal_id(item.event)]
            payload = _place(self.chain, item) | _who(who) | _fact(item)
            self.rows.append(NewEvent("deal.final", f"deal:{who.deal}", payload, Depth.FINAL))

    def deals_reverted(self, events: Sequence[FoldEvent], parties: Mapping[str, Parties]) -> None:
        """deal.reverted: a reorg took events of a deal back; `exists`, `outcome` and `parties` say how it stands without them."""
        gone: dict[str, list[dict[str, Any]]] = {}
        for item in events:
            if isinstance(item.event, bindings.Filled | DealEvent):
                fact = _fact(item) | _place(self.chain, item)
                gone.setdefault(_deal_id(item.event), []).append(fact)
        stands = dict(
            Deal.objects.filter(chain=self.chain, deal_id__in=list(gone)).values_list("deal_id", "outcome").order_by()
        )
        for deal_id, facts in gone.items():
            payload = {
                **escrow_ref(self.chain),
                **_who(parties[deal_id]),
                "reverted": facts,
                "exists": deal_id in stands,
                "outcome": stands.get(deal_id, 0),
            }
            self.rows.append(NewEvent("deal.reverted", f"deal:{deal_id}", payload, Depth.SEEN))

    def markets(self, markets: Iterable[Market], status: Mapping[str, int]) -> None:
        """market.status: status or settlement terms of a market changed."""
        changed = {market.pk: market for market in markets}
        terms = {row.market_id: row for row in SettlementTerms.objects.filter(market__in=list(changed))}
        for pk, market in changed.items():
            payload = {
                **escrow_ref(self.chain),
                "market_id": market.market_id,
                "status": status[market.market_id],
                "settlement": _terms(terms.get(pk)),
            }
            self.rows.append(NewEvent("market.status", f"market:{market.market_id}", payload, Depth.SEEN))

    def funds(self, balances: Mapping[AccountKey, int]) -> None:
        """funds.changed: the new free balance of a wallet in a token."""
        for key, balance in balances.items():
            if key.kind == FREE:
                payload = {
                    **escrow_ref(self.chain),
                    "address": key.owner,
                    "token": key.token,
                    "free": str(balance),
                }
                self.rows.append(NewEvent("funds.changed", f"funds:{key.owner}", payload, Depth.SEEN))

    def rights(self, kept: Mapping[RightKey, int]) -> None:
        """rights.changed: how many pieces of a right the escrow keeps for a wallet."""
        for key, amount in kept.items():
            payload = {
                **escrow_ref(self.chain),
                "address": key.user,
                "token": key.token,
                "right": str(key.right),
                "kept": str(amount),
            }
            self.rows.append(NewEvent("rights.changed", f"rights:{key.user}", payload, Depth.SEEN))

    def approvals(self, left: Mapping[ApprovalKey, int]) -> None:
        """approval.changed: how much of a token anyone may still deliver for a seller."""
        for key, amount in left.items():
            payload = {
                **escrow_ref(self.chain),
                "address": key.seller,
                "market_id": key.market_id,
                "token": key.token,
                "amount": str(amount),
            }
            self.rows.append(NewEvent("approval.changed", f"approval:{key.seller}", payload, Depth.SEEN))

    def write(self) -> None:
        """Stores what was collected. Needs the transaction of the facts, as its last lock."""
        if any(row.aggregate.startswith(OF_WALLETS) for row in self.rows):
            outbox_lock("wallets")
        outbox_add_locked(self.rows)


def events_between(chain: Chain, above: int, upto: int) -> list[FoldEvent]:
    """Canonical deal events of the blocks above `above` up to `upto`."""
    rows = ChainEvent.objects.filter(
        chain=chain, canonical=True, block_number__gt=above, block_number__lte=upto, name__in=DEAL_EVENTS
    )
    return fold_events(rows.order_by("block_number", "log_index"))


def _deal_id(event: Event) -> str:
    deal_id = deal_id_of(event)
    if deal_id is None:
        raise TypeError(f"{type(event).__name__} is not about a deal")
    return deal_id


def _fact(item: FoldEvent) -> dict[str, Any]:
    """What was told, and between whom a place changed hands: who left it is no party any more."""
    fact = {"fact": TYPES[type(item.event).__name__]}
    if isinstance(item.event, bindings.Transferred | bindings.Resold):
        fact |= {"from": item.event.from_, "to": item.event.to}
    return fact


def _place(chain: Chain, item: FoldEvent) -> dict[str, Any]:
    return {
        **escrow_ref(chain),
        "block_number": item.block_number,
        "log_index": item.log_index,
        "tx_hash": item.tx_hash,
    }


def _who(parties: Parties) -> dict[str, Any]:
    return {"deal_id": parties.deal, "buyer": parties.buyer, "seller": parties.seller, "pay_token": parties.token}


def _terms(terms: SettlementTerms | None) -> dict[str, Any] | None:
    if terms is None:
        return None
    return {
        "token": terms.token,
        "ratio_num": str(terms.ratio_num),
        "ratio_den": str(terms.ratio_den),
        "start": terms.start,
        "window": terms.window,
        "tge_bps": terms.tge_bps,
        "tranches": terms.tranches,
        "period": terms.period,
        "final_at": terms.final_at,
    }
