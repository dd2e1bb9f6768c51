"""The state of a chain here: everything that follows from its events, as plain values without row ids or our clock.

Two databases that read the same blocks, and know the same markets and offers, have the same state, whatever way they came to it. Rows that say
"nothing" (a balance of 0, an allowance of 0) are left out, because a reorg leaves some behind. The hash of a part is the SHA-256 of the sorted
SHA-256s of its rows, each row as PostgreSQL writes it; the hash of the state is that of its parts' names, counts and hashes.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from escrow.models import (
    Account,
    AutoDelivery,
    Block,
    ChainCursor,
    ChainEvent,
    Deal,
    DealTranche,
    DealTransfer,
    DeliveredRight,
    KeptRight,
    MarketRecord,
    RightMovement,
    SettlementTerms,
    Transfer,
    TransferState,
)
from otc.core.models import Chain
from points.models import MakerEpoch, MakerFunds, MakerNonces, Market, Offer, PayToken, UnknownMarket, UnknownOffer

DEAL = [
    "deal_id",
    "market__market_id",
    "offer__offer_hash",
    "offer_hash",
    "maker_side",
    "buyer",
    "seller",
    "pay_token__address",
    "units",
    "payment",
    "collateral",
    "fee_bps",
    "buyer_ref",
    "seller_ref",
    "opened_at",
    "outcome",
    "paid_to_buyer",
    "paid_to_seller",
    "fee_paid",
    "matched_offer_hash",
    "phase",
    "phase_until",
    "attested_units",
    "attestation_evidence",
    "disputed_by",
    "dispute_evidence",
    "bond",
    "appeals",
]
TERMS = [
    "market__market_id",
    "token",
    "token_symbol",
    "token_decimals",
    "ratio_num",
    "ratio_den",
    "start",
    "window",
    "tge_bps",
    "tranches",
    "period",
    "final_at",
    "extended",
    "ids_root",
    "semi_fungible",
]
HASH_ROWS = (
    "SELECT count(*), coalesce(encode(sha256(string_agg(digest, ''::bytea ORDER BY digest)), 'hex'), '') FROM ("
    "SELECT sha256(convert_to(line::text, 'UTF8')) AS digest FROM ({rows}) AS line) AS lines"
)


@dataclass(frozen=True, slots=True)
class State:
    """`parts`: rows and hash of each part, hex."""

    hash: str
    parts: dict[str, tuple[int, str]]

    def differing(self, other: "State") -> list[str]:
        """Names of the parts that are not the same."""
        return sorted(name for name in self.parts | other.parts if self.parts.get(name) != other.parts.get(name))


def state_hash(chain: Chain) -> State:
    """The chain's state now. In a transaction of its own it may mix two moments: call it in a snapshot, or where nobody writes."""
    parts = {name: _hash(rows) for name, rows in state_parts(chain).items()}
    lines = "".join(f"{name} {count} {digest}\n" for name, (count, digest) in sorted(parts.items()))
    return State(hashlib.sha256(lines.encode()).hexdigest(), parts)


def _hash(rows: QuerySet[Any, Any]) -> tuple[int, str]:
    sql, params = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(HASH_ROWS.format(rows=sql), params)
        count, digest = cursor.fetchone()
    return int(count), str(digest)


def _place(prefix: str = "") -> list[str]:
    """Where an event stands."""
    return [f"{prefix}block__hash", f"{prefix}log_index"]


def state_parts(chain: Chain) -> dict[str, QuerySet[Any, Any]]:
    """The rows of each part, in no order. No row stands twice in its part."""
    parts = {**_read(chain), **_folded(chain), **_ledger(chain), **_pushed(chain)}
    return {name: rows.order_by() for name, rows in parts.items()}


def _read(chain: Chain) -> dict[str, QuerySet[Any, Any]]:
    """What was read."""
    blocks = Block.objects.filter(chain=chain, canonical=True, events__canonical=True).distinct()
    return {
        "chain": Chain.objects.filter(pk=chain.pk).values_list(
            "fee_bps", "paused_until", "head_number", "head_hash", "head_time"
        ),
        "tip": ChainCursor.objects.filter(chain=chain).values_list("tip_number", "tip_hash"),
        "events": ChainEvent.objects.filter(chain=chain, canonical=True).values_list(
            *_place(), "name", "tx_hash", "deal_id", "market_id", "offer_hash"
        ),
        "blocks with events": blocks.values_list("number", "hash", "parent_hash", "timestamp"),
    }


def _folded(chain: Chain) -> dict[str, QuerySet[Any, Any]]:
    """Deals, terms, rights, approvals."""
    return {
        "deals": Deal.objects.filter(chain=chain).values_list(
            *DEAL, *_place("opened_event__"), *_place("closed_event__")
        ),
        "tranches": DealTranche.objects.filter(deal__chain=chain).values_list(
            "deal__deal_id", "number", "delivered", "outcome"
        ),
        "changes of hands": DealTransfer.objects.filter(deal__chain=chain).values_list(
            "deal__deal_id",
            "side",
            "from_address",
            "to_address",
            "ref",
            "opened_at",
            "price",
            "lister_pays",
            *_place("event__"),
        ),
        "pieces delivered": DeliveredRight.objects.filter(deal__chain=chain).values_list(
            "deal__deal_id", "tranche", "token", "right", "amount", "to_escrow", *_place("event__")
        ),
        "rights kept": KeptRight.objects.filter(chain=chain, amount__gt=0).values_list(
            "token", "right", "user", "amount"
        ),
        "rights moved": RightMovement.objects.filter(kept__chain=chain).values_list(
            "kept__token", "kept__right", "kept__user", "amount", "incoming", *_place("event__")
        ),
        "approvals": AutoDelivery.objects.filter(chain=chain, amount__gt=0).values_list(
            "seller", "market_id", "token", "amount"
        ),
        "terms": SettlementTerms.objects.filter(market__chain=chain).values_list(*TERMS, *_place("event__")),
        "records": MarketRecord.objects.filter(market__chain=chain).values_list(
            "market__market_id", "cancel_confirmable_at", *_place("created_event__")
        ),
    }


def _ledger(chain: Chain) -> dict[str, QuerySet[Any, Any]]:
    live = Transfer.objects.filter(event__chain=chain).exclude(state=TransferState.VOID)
    return {
        "accounts": Account.objects.filter(chain=chain, balance__gt=0).values_list(
            "token", "kind", "owner", "deal_id", "balance"
        ),
        "transfers": live.values_list(
            *_place("event__"),
            "leg",
            "kind",
            "amount",
            "debit__token",
            "debit__kind",
            "debit__owner",
            "debit__deal_id",
            "credit__kind",
            "credit__owner",
            "credit__deal_id",
        ),
        "posted": live.filter(state=TransferState.POSTED).values_list(*_place("event__"), "leg"),
    }


def _pushed(chain: Chain) -> dict[str, QuerySet[Any, Any]]:
    """Facts that points was told."""
    markets = Market.objects.filter(chain=chain)
    offers = Offer.objects.filter(market__chain=chain)
    return {
        "markets": markets.values_list("market_id", "status", "deal_count", "last_price_e18"),
        "unknown markets": UnknownMarket.objects.filter(chain=chain, status__gt=0)
        .exclude(market_id__in=markets.values("market_id"))
        .values_list("market_id", "status"),
        "offers": offers.values_list("offer_hash", "filled_units", "cancelled_on_chain", "state", "fillable_units"),
        "unknown offers": UnknownOffer.objects.filter(chain=chain)
        .exclude(filled_units=0, cancelled=False)
        .exclude(offer_hash__in=offers.values("offer_hash"))
        .values_list("offer_hash", "filled_units", "cancelled"),
        "funds": MakerFunds.objects.filter(pay_token__chain=chain, free__gt=0).values_list(
            "pay_token__address", "maker", "free"
        ),
        "epochs": MakerEpoch.objects.filter(chain=chain, epoch__gt=0).values_list("maker", "epoch"),
        "nonces": MakerNonces.objects.filter(chain=chain, mask__gt=0).values_list("maker", "word", "mask"),
        "pay tokens": PayToken.objects.filter(chain=chain, allowed=True).values_list("address"),
    }
