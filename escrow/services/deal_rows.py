"""Rows of deals as the fold's values, and back. Bulk writes."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import connection

from escrow.chain.events import FoldEvent
from escrow.contracts import bindings, rights_bindings
from escrow.domain.attestations import Attestation
from escrow.domain.deals import DealProgress, Fixed, Places, TrancheProgress
from escrow.models import Deal, DealTranche, DealTransfer, DeliveredRight
from escrow.services.bulk import copy_rows, table_of, update_rows

# What the fold moves in any deal, and what only some events move.
SUMS = [
    ("outcome", "smallint"),
    ("closed_event_id", "bigint"),
    ("paid_to_buyer", "numeric"),
    ("paid_to_seller", "numeric"),
    ("fee_paid", "numeric"),
]
STATE = [
    ("matched_offer_hash", "bytea"),
    ("buyer", "bytea"),
    ("seller", "bytea"),
    ("buyer_ref", "bytea"),
    ("seller_ref", "bytea"),
    ("opened_at", "bigint"),
    ("phase", "smallint"),
    ("phase_until", "bigint"),
    ("attested_units", "numeric"),
    ("attestation_evidence", "bytea"),
    ("disputed_by", "bytea"),
    ("dispute_evidence", "bytea"),
    ("bond", "numeric"),
    ("appeals", "smallint"),
]
OPENING = [
    "id",
    "chain_id",
    "deal_id",
    "market_id",
    "offer_id",
    "offer_hash",
    "maker_side",
    "pay_token_id",
    "units",
    "payment",
    "collateral",
    "fee_bps",
    "opened_event_id",
]

Column = str | int | None


class Opening(NamedTuple):
    """How a new row begins. All but `pk`, chain and the event are keys of rows that the deal refers to."""

    pk: int
    chain: int
    market: int
    offer: int | None
    pay_token: int
    event: int
    filled: bindings.Filled


class Standing(NamedTuple):
    """A deal's row as it stands after the fold."""

    pk: int
    progress: DealProgress
    closed_event: int | None


def fixed_of(deal: bindings.Deal) -> Fixed:
    return Fixed(deal.market, deal.pay_token, deal.units, deal.payment, deal.collateral, deal.fee_bps)


def places_of(deal: bindings.Deal) -> Places:
    return Places(deal.buyer, deal.seller, deal.buyer_ref, deal.seller_ref, deal.opened_at)


def progress_of(deal: Deal) -> DealProgress:
    """The fold up to now. Reads deal.market, deal.pay_token and its tranches."""
    return DealProgress(
        fixed=Fixed(
            deal.market.market_id, deal.pay_token.address, deal.units, deal.payment, deal.collateral, deal.fee_bps
        ),
        places=Places(deal.buyer, deal.seller, deal.buyer_ref, deal.seller_ref, deal.opened_at),
        outcome=deal.outcome,
        paid_to_buyer=deal.paid_to_buyer,
        paid_to_seller=deal.paid_to_seller,
        fee_paid=deal.fee_paid,
        tranches={row.number: TrancheProgress(row.delivered, row.outcome) for row in deal.tranches.all()},
        attestation=attestation_of(deal),
        matched=deal.matched_offer_hash,
    )


def attestation_of(deal: Deal) -> Attestation:
    """The attestation's state."""
    return Attestation(
        phase=deal.phase,
        until=deal.phase_until or 0,
        units=deal.attested_units,
        evidence=deal.attestation_evidence,
        by=deal.disputed_by,
        dispute_evidence=deal.dispute_evidence,
        bond=deal.bond,
        appeals=deal.appeals,
    )


def _sums(row: Standing) -> tuple[Column, ...]:
    done = row.progress
    return done.outcome, row.closed_event, done.paid_to_buyer, done.paid_to_seller, done.fee_paid


def _state(progress: DealProgress) -> tuple[Column, ...]:
    places, proof = progress.places, progress.attestation
    return (
        progress.matched,
        places.buyer,
        places.seller,
        places.buyer_ref,
        places.seller_ref,
        places.opened_at,
        proof.phase,
        proof.until if proof.phase else None,
        proof.units,
        proof.evidence,
        proof.by,
        proof.dispute_evidence,
        proof.bond,
        proof.appeals,
    )


def deals_insert(rows: Iterable[tuple[Opening, Standing]]) -> None:
    """New deals, as they stand."""
    names = [*OPENING, *(name for name, _ in SUMS), *(name for name, _ in STATE)]
    copy_rows(
        Deal,
        names,
        [
            (
                opening.pk,
                opening.chain,
                opening.filled.deal.id,
                opening.market,
                opening.offer,
                opening.filled.offer_hash,
                opening.filled.maker_side,
                opening.pay_token,
                opening.filled.deal.units,
                opening.filled.deal.payment,
                opening.filled.deal.collateral,
                opening.filled.deal.fee_bps,
                opening.event,
                *_sums(row),
                *_state(row.progress),
            )
            for opening, row in rows
        ],
    )


def deals_update(rows: Iterable[Standing], *, states: bool) -> None:
    """Sets what was paid, and with `states` also parties and attestation, in one statement."""
    columns = [("id", "bigint"), *SUMS, *(STATE if states else [])]
    update_rows(
        Deal,
        columns,
        [(row.pk, *_sums(row), *(map(_raw, _state(row.progress)) if states else ())) for row in rows],
    )


def _raw(value: Column) -> bytes | int | None:
    """Hex as the driver takes it for bytea."""
    return bytes.fromhex(value[2:]) if isinstance(value, str) else value


def tranches_write(rows: Iterable[Standing]) -> None:
    """Inserts or sets the tranches of folded deals."""
    values = [
        (row.pk, number, tranche.delivered, tranche.outcome)
        for row in rows
        for number, tranche in row.progress.tranches.items()
    ]
    if not values:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table_of(DealTranche)} AS t (deal_id, number, delivered, outcome)"  # noqa: S608 - our table
            " SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::numeric[], %s::smallint[])"
            " ON CONFLICT (deal_id, number) DO UPDATE SET delivered = excluded.delivered, outcome = excluded.outcome"
            " WHERE (t.delivered, t.outcome) IS DISTINCT FROM (excluded.delivered, excluded.outcome)",
            [list(column) for column in zip(*values, strict=True)],
        )


def deal_transfers_insert(moves: Sequence[tuple[int, FoldEvent, bindings.Transferred | bindings.Resold]]) -> None:
    """History of places that changed hands: (pk of the deal, where, what)."""
    copy_rows(
        DealTransfer,
        ["deal_id", "event_id", "side", "from_address", "to_address", "ref", "opened_at", "price", "lister_pays"],
        [
            (
                pk,
                item.pk,
                event.side,
                event.from_,
                event.to,
                event.deal.buyer_ref if event.side == 0 else event.deal.seller_ref,
                event.deal.opened_at,
                event.price if isinstance(event, bindings.Resold) else None,
                isinstance(event, bindings.Resold) and event.lister_pays,
            )
            for pk, item, event in moves
        ],
    )


def delivered_rights_insert(pieces: Sequence[tuple[int, int, rights_bindings.RightsDelivered]]) -> None:
    """History of pieces that were delivered: (pk of the deal, pk of the event, what)."""
    copy_rows(
        DeliveredRight,
        ["deal_id", "event_id", "tranche", "token", "right", "amount", "to_escrow"],
        [
            (pk, where, event.tranche, event.token, event.right, event.amount, event.to_escrow)
            for pk, where, event in pieces
        ],
    )
