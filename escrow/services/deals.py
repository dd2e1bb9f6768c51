"""Deals as projected from events: new rows, changes of hands, attestations, tranches, ends. Bulk reads, one pass, bulk writes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from escrow.chain.events import (
    DEAL_EVENTS,
    PLACING_EVENTS,
    DealEvent,
    FoldEvent,
    PlacingEvent,
    deal_id_of,
    fold_events,
)
from escrow.chain.models import ChainEvent
from escrow.contracts import bindings, rights_bindings
from escrow.domain import deals as rules
from escrow.domain.deals import DealProgress, FoldError
from escrow.domain.ledger import Parties
from escrow.models import Deal
from escrow.services.bulk import next_ids
from escrow.services.deal_rows import (
    Opening,
    Standing,
    deal_transfers_insert,
    deals_held,
    deals_insert,
    deals_update,
    delivered_rights_insert,
    fixed_of,
    places_of,
    tranches_write,
)
from otc.core.models import Chain
from points.models import Market, Offer, PayToken

OF_A_DEAL = (bindings.Filled, *DealEvent.__args__)
LINK_MARGIN = 2_000  # offers


@dataclass(slots=True)
class _Entry:
    """A deal while it is folded. `opening` is set for one whose row doesn't exist yet; `moved`: more than sums and tranches."""

    progress: DealProgress
    pk: int = 0
    opening: tuple[FoldEvent, bindings.Filled] | None = None
    closed_event: int | None = None
    moved: bool = False

    @property
    def standing(self) -> Standing:
        return Standing(self.pk, self.progress, self.closed_event)


class DealBook:
    """The deals that some new events touch: whose they are at each of the events, and how they stand after all of them.

    `parties` knows every deal of the chain, `fold` writes those of markets that are registered here; deals of unknown markets
    are folded when their market becomes known.
    """

    def __init__(self, chain: Chain, events: Sequence[FoldEvent]) -> None:
        """Reads what is needed for `events`, all at once: consecutive, and after all that was folded before. Call within the
        step's transaction.
        """
        self._chain = chain
        self._events = [event for event in events if isinstance(event.event, OF_A_DEAL)]
        self._entries: dict[str, _Entry] = {}
        opened = {event.deal.id for _, event in fills(self._events)}
        before = self._load({item.event.id for item in self._events if isinstance(item.event, DealEvent)} - opened)
        self._parties: dict[int, Parties] = {}  # by event
        for item in self._events:
            deal_id = deal_id_of(item.event) or ""
            if isinstance(item.event, PlacingEvent):
                before[deal_id] = _parties(item.event.deal)
            if deal_id in before:
                self._parties[item.pk] = before[deal_id]

    def parties(self, item: FoldEvent) -> Parties:
        """The parties that the event left behind. Errors: FoldError when no fill ever opened that deal."""
        try:
            return self._parties[item.pk]
        except KeyError:
            raise FoldError(f"an event of deal {deal_id_of(item.event)}, which was never opened") from None

    def _load(self, deal_ids: set[str]) -> dict[str, Parties]:
        """Fills the entries of deals that have a row. Returns the parties of all before the events."""
        found = {}
        for deal_id, held in deals_held(self._chain, deal_ids).items():
            self._entries[deal_id] = _Entry(held.progress, held.pk, closed_event=held.closed_event)
            places = held.progress.places
            found[deal_id] = Parties(deal_id, held.progress.fixed.pay_token, places.buyer, places.seller)
        unknown = deal_ids - set(found)
        if unknown:
            first = self._events[0]
            earlier = Q(block_number__lt=first.block_number) | Q(
                block_number=first.block_number, log_index__lt=first.log_index
            )
            found |= _placed(ChainEvent.objects.filter(earlier, chain=self._chain, deal_id__in=list(unknown)))
        return found

    def fold(self) -> None:
        """Applies the events and writes the rows. Errors: FoldError."""
        markets, offers, tokens = self._references()
        touched: dict[str, _Entry] = {}
        for item in self._events:
            event = item.event
            if isinstance(event, bindings.Filled):
                if event.deal.market in markets:
                    progress = DealProgress(fixed_of(event.deal), places_of(event.deal))
                    touched[event.deal.id] = self._entries[event.deal.id] = _Entry(progress, opening=(item, event))
            elif isinstance(event, DealEvent) and event.id in self._entries:
                touched[event.id] = self._entries[event.id]
                _apply(touched[event.id], item.pk, event)
        self._insert(touched, markets, offers, tokens)
        old = [entry for entry in touched.values() if entry.opening is None]
        for states in (False, True):
            deals_update([entry.standing for entry in old if entry.moved is states], states=states)
        tranches_write(entry.standing for entry in touched.values())
        deal_transfers_insert(
            [
                (touched[item.event.id].pk, item, item.event)
                for item in self._events
                if isinstance(item.event, bindings.Transferred | bindings.Resold) and item.event.id in touched
            ]
        )

        delivered_rights_insert(
            [
                (touched[item.event.id].pk, item.pk, item.event)
                for item in self._events
                if isinstance(item.event, rights_bindings.RightsDelivered) and item.event.id in touched
            ]
        )

    def _references(self) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        """Ids of the markets, offers and payment tokens of the fills, by hash or address."""
        opened = [event for _, event in fills(self._events)]
        if not opened:
            return {}, {}, {}
        market_ids = {event.deal.market for event in opened}
        hashes = {event.offer_hash for event in opened}
        # Without a record a market's past is still to be folded, and its new deals with it (`markets_adopt`).
        markets = Market.objects.filter(chain=self._chain, market_id__in=list(market_ids), record__isnull=False)
        offers = Offer.objects.filter(market__chain=self._chain, offer_hash__in=list(hashes))
        tokens = PayToken.objects.filter(chain=self._chain)
        return (
            dict(markets.values_list("market_id", "id")),
            dict(offers.values_list("offer_hash", "id")),
            dict(tokens.values_list("address", "id")),
        )

    def _insert(
        self,
        touched: Mapping[str, _Entry],
        markets: Mapping[str, int],
        offers: Mapping[str, int],
        tokens: Mapping[str, int],
    ) -> None:
        new = [(entry, entry.opening) for entry in touched.values() if entry.opening is not None]
        rows = []
        for pk, (entry, (item, event)) in zip(next_ids(Deal, len(new)), new, strict=True):
            entry.pk = pk
            opening = Opening(
                pk=pk,
                chain=self._chain.pk,
                market=markets[event.deal.market],
                offer=offers.get(event.offer_hash),
                pay_token=tokens[event.deal.pay_token],
                event=item.pk,
                filled=event,
            )
            rows.append((opening, entry.standing))
        deals_insert(rows)


def deal_fold(events: Sequence[FoldEvent]) -> Standing:
    """The fold of one deal's events, its fill first; `pk` 0. Reads and writes nothing. Errors: FoldError."""
    if not events or not isinstance(events[0].event, bindings.Filled):
        raise FoldError("no fill opened the deal")
    deal = events[0].event.deal
    entry = _Entry(DealProgress(fixed_of(deal), places_of(deal)))
    for item in events[1:]:
        if not isinstance(item.event, DealEvent):
            raise FoldError("the deal was opened twice")
        _apply(entry, item.pk, item.event)
    return entry.standing


def fills(events: Iterable[FoldEvent]) -> Iterator[tuple[FoldEvent, bindings.Filled]]:
    """The Filled ones among events."""
    for item in events:
        if isinstance(item.event, bindings.Filled):
            yield item, item.event


def parties_now(chain: Chain, events: Sequence[FoldEvent]) -> dict[str, Parties]:
    """The present parties of the deals that `events` are about, by deal id: of one that no longer was opened, the first ever."""
    found: dict[str, Parties] = {}
    for item in reversed(events):
        if isinstance(item.event, PlacingEvent):
            found[item.event.deal.id] = _parties(item.event.deal)
    deal_ids = {deal_id for item in events if (deal_id := deal_id_of(item.event)) is not None}
    rows = Deal.objects.filter(chain=chain, deal_id__in=list(deal_ids)).select_related("pay_token")
    known = {deal.deal_id: _parties_of_row(deal) for deal in rows}
    unknown = deal_ids - set(known)
    if unknown:
        known |= _placed(ChainEvent.objects.filter(chain=chain, deal_id__in=list(unknown)))
    return found | known


def _placed(rows: QuerySet[ChainEvent]) -> dict[str, Parties]:
    """The parties after the last canonical ones of these events."""
    placing = rows.filter(name__in=PLACING_EVENTS, canonical=True).order_by("block_number", "log_index")
    return {
        item.event.deal.id: _parties(item.event.deal)
        for item in fold_events(placing)
        if isinstance(item.event, PlacingEvent)
    }


def _parties(deal: bindings.Deal) -> Parties:
    return Parties(deal.id, deal.pay_token, deal.buyer, deal.seller)


def _parties_of_row(deal: Deal) -> Parties:
    return Parties(deal.deal_id, deal.pay_token.address, deal.buyer, deal.seller)


def _apply(entry: _Entry, pk: int, event: DealEvent) -> None:
    progress = entry.progress
    match event:
        case bindings.Settled():
            rules.apply_settled(
                progress,
                tranche=event.tranche,
                outcome=event.outcome,
                closed=event.closed,
                to_buyer=event.to_buyer,
                to_seller=event.to_seller,
                fee=event.fee,
            )
            entry.closed_event = pk if event.closed else entry.closed_event
            return
        case bindings.Delivered():
            rules.apply_delivered(progress, tranche=event.tranche, delivered=event.delivered)
            return
        case rights_bindings.RightsDelivered():
            rules.apply_rights_delivered(
                progress, tranche=event.tranche, amount=event.amount, delivered=event.delivered
            )
            return
        case bindings.Matched():
            rules.apply_matched(progress, buy_hash=event.buy_hash)
        case bindings.Transferred() | bindings.Resold():
            rules.apply_moved(
                progress,
                side=event.side,
                holder=event.from_,
                to=event.to,
                fixed=fixed_of(event.deal),
                places=places_of(event.deal),
                sold=isinstance(event, bindings.Resold),
            )
        case bindings.Attested():
            rules.apply_attested(progress, units=event.units, evidence=event.evidence, until=event.until)
        case bindings.Disputed():
            rules.apply_disputed(progress, by=event.by, bond=event.bond, evidence=event.evidence, until=event.until)
        case bindings.Appealed():
            rules.apply_appealed(progress, until=event.until)
    entry.moved = True


def deals_link(*, chain: Chain, linked: int) -> int:
    """Links deals to offers that were posted here after they had been filled. `linked`: the return of the last call.

    Ids are looked at again within LINK_MARGIN, because a posting that began earlier may commit later.
    """
    recent = Offer.objects.filter(pk__gt=linked - LINK_MARGIN, market__chain=chain).order_by("pk")
    newest = recent.values_list("pk", flat=True).last()
    late = dict(recent.filter(filled_units__gt=0).values_list("offer_hash", "pk"))
    if late:
        for deal in Deal.objects.filter(chain=chain, offer=None, offer_hash__in=list(late)).only("pk", "offer_hash"):
            Deal.objects.filter(pk=deal.pk).update(offer_id=late[deal.offer_hash])
    return max(linked, newest or 0)


def deals_refold(*, chain: Chain, deal_ids: Sequence[str]) -> None:
    """Rebuilds deals from their canonical events: rows of deals that no longer were opened go, others start afresh."""
    if not deal_ids:
        return
    rows = ChainEvent.objects.filter(chain=chain, deal_id__in=list(deal_ids), name__in=DEAL_EVENTS, canonical=True)
    events = fold_events(rows.order_by("block_number", "log_index"))
    Deal.objects.filter(chain=chain, deal_id__in=list(deal_ids)).delete()
    DealBook(chain, events).fold()
