"""Stored events as the fold reads them."""

from collections.abc import Iterable
from dataclasses import dataclass

from escrow.chain.decoder import decode
from escrow.chain.models import ChainEvent
from escrow.contracts import bindings, rights_bindings
from escrow.contracts.events import Event


@dataclass(frozen=True, slots=True)
class FoldEvent:
    """A known event and where it stands. `pk` is its ChainEvent's."""

    pk: int
    block_number: int
    log_index: int
    tx_hash: str
    event: Event


@dataclass(frozen=True, slots=True)
class Subjects:
    """What an event is about."""

    deal_id: str | None = None
    market_id: str | None = None
    offer_hash: str | None = None


NOTHING = Subjects()
MarketEvent = (
    bindings.MarketCreated
    | bindings.Proposed
    | bindings.Vetoed
    | bindings.Extended
    | bindings.CancelProposed
    | bindings.CancelWithdrawn
    | bindings.Cancelled
    | rights_bindings.RightsProposed
)
DealEvent = (
    bindings.Matched
    | bindings.Transferred
    | bindings.Resold
    | bindings.Delivered
    | bindings.Settled
    | bindings.Attested
    | bindings.Disputed
    | bindings.Appealed
    | rights_bindings.RightsDelivered
)
# These carry the deal's pre-image: from each on, its parties are those of `deal`.
PlacingEvent = bindings.Filled | bindings.Transferred | bindings.Resold
DEAL_EVENTS = ["Filled", *(kind.__name__ for kind in DealEvent.__args__)]
PLACING_EVENTS = [kind.__name__ for kind in PlacingEvent.__args__]
MARKET_EVENTS = [kind.__name__ for kind in MarketEvent.__args__]


def subjects_of(event: Event | None) -> Subjects:
    """The deal, market and offer of an event."""
    if isinstance(event, bindings.Filled):
        return Subjects(event.deal.id, event.deal.market, event.offer_hash)
    if isinstance(event, bindings.Matched):
        return Subjects(deal_id=event.id, offer_hash=event.buy_hash)
    if isinstance(event, DealEvent):
        return Subjects(deal_id=event.id)
    if isinstance(event, MarketEvent):
        return Subjects(market_id=event.market)
    if isinstance(event, bindings.OfferCancelled):
        return Subjects(offer_hash=event.offer_hash)
    return NOTHING


def deal_id_of(event: Event) -> str | None:
    """The deal that an event opens or is about."""
    if isinstance(event, bindings.Filled):
        return event.deal.id
    return event.id if isinstance(event, DealEvent) else None


def fold_events(rows: Iterable[ChainEvent]) -> list[FoldEvent]:
    """Decodes stored rows, in their order; unknown ones are left out."""
    found = []
    for row in rows:
        event = decode(row.topics, "0x" + bytes(row.data).hex())
        if event is not None:
            found.append(FoldEvent(row.pk, row.block_number, row.log_index, row.tx_hash, event))
    return found
