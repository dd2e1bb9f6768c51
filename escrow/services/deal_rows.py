"""Rows of deals as the fold's values, and back. Bulk writes."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import connection

from escrow.chain.events import FoldEvent
from escrow.contracts import bindings, rights_bindings
from escrow.domain.attestations import Attestation
from escrow.domain.deals import DealProgress, Fixed, Places, TrancheProgress
from escrow.models import Deal, DealTranche, DealTransfer, DeliveredRight
from escrow.services.bulk import copy_rows, table_of, update_rows
from otc.core.models import Chain

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


HELD = """
SELECT d.id, d.deal_id, m.market_id, p.address, d.units, d.payment, d.collateral, d.fee_bps, d.buyer, d.seller, d.buyer_ref,
       d.seller_ref, d.opened_at, d.outcome, d.closed_event_id, d.paid_to_buyer, d.paid_to_seller, d.fee_paid,
       d.matched_offer_hash, d.phase, d.phase_until, d.attested_units, d.attestation_evidence, d.disputed_by,
       d.dispute_evidence, d.bond, d.appeals
  FROM unnest(%s::bytea[]) AS k(deal)
  JOIN escrow_deal d ON d.chain_id = %s AND d.deal_id = k.deal
  JOIN points_market m ON m.id = d.market_id
  JOIN points_paytoken p ON p.id = d.pay_token_id
"""
HELD_TRANCHES = """
SELECT t.deal_id, t.number, t.delivered, t.outcome FROM unnest(%s::bigint[]) AS k(deal)
  JOIN escrow_dealtranche t ON t.deal_id = k.deal
"""


def deals_held(chain: Chain, deal_ids: Iterable[str]) -> dict[str, Standing]:
    """The deals that have a row, as they stand, by deal id."""
    with connection.cursor() as cursor:
        cursor.execute(HELD, [[bytes.fromhex(deal_id[2:]) for deal_id in deal_ids], chain.pk])
        held = {row[0]: _standing(row) for row in cursor.fetchall()}
        cursor.execute(HELD_TRANCHES, [list(held)])
        for pk, number, delivered, outcome in cursor.fetchall():
            held[pk][1].progress.tranches[number] = TrancheProgress(int(delivered), outcome)
    return dict(held.values())


def _standing(row: Sequence[Any]) -> tuple[str, Standing]:
    """The deal id, and a row of HELD without its tranches."""
    (pk, deal_id, market, token, units, payment, collateral, fee_bps, buyer, seller, buyer_ref, seller_ref) = row[:12]
    (opened_at, outcome, closed, to_buyer, to_seller, fee, matched, phase, until, attested) = row[12:22]
    (evidence, by, dispute_evidence, bond, appeals) = row[22:]
    progress = DealProgress(
        fixed=Fixed(_hex(market), _hex(token), int(units), int(payment), int(collateral), fee_bps),
        places=Places(_hex(buyer), _hex(seller), _hex(buyer_ref), _hex(seller_ref), opened_at),
        outcome=outcome,
        paid_to_buyer=int(to_buyer),
        paid_to_seller=int(to_seller),
        fee_paid=int(fee),
        attestation=Attestation(
            phase=phase,
            until=until or 0,
            units=int(attested),
            evidence=_hex_or_none(evidence),
            by=_hex_or_none(by),
            dispute_evidence=_hex_or_none(dispute_evidence),
            bond=int(bond),
            appeals=appeals,
        ),
        matched=_hex_or_none(matched),
    )
    return _hex(deal_id), Standing(pk, progress, closed)


def _hex(raw: memoryview) -> str:
    return "0x" + raw.hex()


def _hex_or_none(raw: memoryview | None) -> str | None:
    return None if raw is None else "0x" + raw.hex()


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
