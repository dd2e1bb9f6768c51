"""Deals as projected from events: new rows, progress of tranches, ends. Bulk reads, one pass, bulk writes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from escrow.chain.events import DEAL_EVENTS, DealEvent, FoldEvent, fold_events
from escrow.chain.models import ChainEvent
from escrow.contracts import bindings
from escrow.domain.deals import DealProgress, FoldError, TrancheProgress, apply_delivered, apply_settled
from escrow.domain.ledger import Parties
from escrow.models import Deal, DealTranche
from escrow.services.bulk import copy_rows, next_ids, table_of, update_rows
from otc.core.models import Chain
from points.models import Market, Offer, PayToken

LINK_MARGIN = 2_000  # offers
COLUMNS = [
    "id",
    "chain_id",
    "deal_id",
    "market_id",
    "offer_id",
    "offer_hash",
    "maker_side",
    "buyer",
    "seller",
    "pay_token_id",
    "units",
    "payment",
    "collateral",
    "fee_bps",
    "buyer_ref",
    "seller_ref",
    "opened_at",
    "opened_event_id",
    "outcome",
    "closed_event_id",
    "paid_to_buyer",
    "paid_to_seller",
    "fee_paid",
]


@dataclass(slots=True)
class _Entry:
    """A deal while it is folded. `opening` is set for one whose row doesn't exist yet."""

    progress: DealProgress
    pk: int | None = None
    opening: tuple[FoldEvent, bindings.Filled] | None = None
    closed_event: int | None = None


class DealBook:
    """The deals that some events touch: whose they are, and how they stand.

    `parties` knows every deal of the chain, `save` writes those of markets that are registered here; deals of unknown markets
    are folded when their market becomes known.
    """

    def __init__(self, chain: Chain, events: Sequence[FoldEvent]) -> None:
        """Reads what is needed for `events`, all at once. Call within the step's transaction."""
        self._chain = chain
        self._events = [event for event in events if isinstance(event.event, bindings.Filled | DealEvent)]
        self._parties = {event.deal.id: _parties(event) for _, event in fills(self._events)}
        wanted = {event.event.id for event in self._events if isinstance(event.event, DealEvent)} - set(self._parties)
        self._entries: dict[str, _Entry] = {}
        self._load(wanted)
        self._load_unknown(wanted - set(self._parties))

    def parties(self, deal_id: str) -> Parties:
        """Errors: FoldError when no fill ever opened that deal."""
        try:
            return self._parties[deal_id]
        except KeyError:
            raise FoldError(f"an event of deal {deal_id}, which was never opened") from None

    def _load(self, deal_ids: Iterable[str]) -> None:
        rows = Deal.objects.filter(chain=self._chain, deal_id__in=list(deal_ids)).select_related("pay_token")
        by_pk: dict[int, _Entry] = {}
        for deal in rows.prefetch_related("tranches"):
            progress = DealProgress(deal.outcome, deal.paid_to_buyer, deal.paid_to_seller, deal.fee_paid)
            for tranche in deal.tranches.all():
                progress.tranches[tranche.number] = TrancheProgress(tranche.delivered, tranche.outcome)
            by_pk[deal.pk] = entry = _Entry(progress, deal.pk, closed_event=deal.closed_event_id)
            self._entries[deal.deal_id] = entry
            self._parties[deal.deal_id] = Parties(deal.deal_id, deal.pay_token.address, deal.buyer, deal.seller)

    def _load_unknown(self, deal_ids: set[str]) -> None:
        if not deal_ids:
            return
        rows = ChainEvent.objects.filter(
            chain=self._chain, deal_id__in=list(deal_ids), name="Filled", canonical=True
        ).order_by("block_number", "log_index")
        for _, event in fills(fold_events(rows)):
            self._parties[event.deal.id] = _parties(event)

    def fold(self) -> None:
        """Applies the events and writes the rows. Errors: FoldError."""
        markets, offers, tokens = self._references()
        touched: dict[str, _Entry] = {}
        for item in self._events:
            event = item.event
            if isinstance(event, bindings.Filled):
                if event.deal.market in markets:
                    touched[event.deal.id] = self._entries[event.deal.id] = _Entry(
                        DealProgress(), opening=(item, event)
                    )
            elif isinstance(event, DealEvent) and event.id in self._entries:
                touched[event.id] = self._entries[event.id]
                _apply(touched[event.id], item.pk, event)
        self._insert(touched, markets, offers, tokens)
        self._update(touched)
        _write_tranches(touched.values())

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
        new = [entry for entry in touched.values() if entry.pk is None]
        rows = []
        for pk, entry in zip(next_ids(Deal, len(new)), new, strict=True):
            entry.pk = pk
            if entry.opening is None:
                raise FoldError("a deal without its fill")
            item, event = entry.opening
            deal = event.deal
            rows.append(
                (
                    pk,
                    self._chain.pk,
                    deal.id,
                    markets[deal.market],
                    offers.get(event.offer_hash),
                    event.offer_hash,
                    event.maker_side,
                    deal.buyer,
                    deal.seller,
                    tokens[deal.pay_token],
                    deal.units,
                    deal.payment,
                    deal.collateral,
                    deal.fee_bps,
                    deal.buyer_ref,
                    deal.seller_ref,
                    deal.opened_at,
                    item.pk,
                    *_progress_columns(entry),
                )
            )
        copy_rows(Deal, COLUMNS, rows)

    def _update(self, touched: Mapping[str, _Entry]) -> None:
        update_rows(
            Deal,
            [
                ("id", "bigint"),
                ("outcome", "smallint"),
                ("closed_event_id", "bigint"),
                ("paid_to_buyer", "numeric"),
                ("paid_to_seller", "numeric"),
                ("fee_paid", "numeric"),
            ],
            [(entry.pk, *_progress_columns(entry)) for entry in touched.values() if entry.opening is None],
        )


def fills(events: Iterable[FoldEvent]) -> Iterator[tuple[FoldEvent, bindings.Filled]]:
    """The Filled ones among events."""
    for item in events:
        if isinstance(item.event, bindings.Filled):
            yield item, item.event


def _parties(event: bindings.Filled) -> Parties:
    return Parties(event.deal.id, event.deal.pay_token, event.deal.buyer, event.deal.seller)


def _progress_columns(entry: _Entry) -> tuple[int, int | None, int, int, int]:
    progress = entry.progress
    return (
        progress.outcome,
        entry.closed_event,
        progress.paid_to_buyer,
        progress.paid_to_seller,
        progress.fee_paid,
    )


def _apply(entry: _Entry, pk: int, event: DealEvent) -> None:
    if isinstance(event, bindings.Delivered):
        apply_delivered(entry.progress, tranche=event.tranche, delivered=event.delivered)
        return
    apply_settled(
        entry.progress,
        tranche=event.tranche,
        outcome=event.outcome,
        closed=event.closed,
        to_buyer=event.to_buyer,
        to_seller=event.to_seller,
        fee=event.fee,
    )
    if event.closed:
        entry.closed_event = pk


def _write_tranches(entries: Iterable[_Entry]) -> None:
    """Inserts or sets the tranches of folded deals."""
    rows = [
        (entry.pk, number, tranche.delivered, tranche.outcome)
        for entry in entries
        for number, tranche in entry.progress.tranches.items()
    ]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table_of(DealTranche)} AS t (deal_id, number, delivered, outcome)"  # noqa: S608 - our table
            " SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::numeric[], %s::smallint[])"
            " ON CONFLICT (deal_id, number) DO UPDATE SET delivered = excluded.delivered, outcome = excluded.outcome"
            " WHERE (t.delivered, t.outcome) IS DISTINCT FROM (excluded.delivered, excluded.outcome)",
            [list(column) for column in zip(*rows, strict=True)],
        )


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
