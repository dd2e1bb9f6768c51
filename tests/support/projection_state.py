"""Everything that is derived from a chain's events, as plain values without row ids: two of these are equal or something is wrong."""

from typing import Any

from escrow.models import (
    Account,
    AutoDelivery,
    Block,
    ChainCursor,
    ChainEvent,
    Deal,
    MarketRecord,
    SettlementTerms,
    Transfer,
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
]


def place(prefix: str) -> list[str]:
    """Where an event stands."""
    return [f"{prefix}block__hash", f"{prefix}log_index"]


def rows(queryset: Any, *names: str) -> set[tuple[Any, ...]]:
    found = list(queryset.order_by().values_list(*names))
    assert len(found) == len(set(found))
    return set(found)


def projection_state(chain: Chain) -> dict[str, Any]:
    chain.refresh_from_db()
    cursor = ChainCursor.objects.get(chain=chain)
    live = Transfer.objects.filter(event__chain=chain).exclude(state="void")
    deals = Deal.objects.filter(chain=chain)
    return {
        "chain": (chain.fee_bps, chain.paused_until, chain.head_number, chain.head_hash, chain.head_time),
        "tip": (cursor.tip_number, cursor.tip_hash),
        "events": rows(
            ChainEvent.objects.filter(chain=chain, canonical=True),
            *place(""),
            "name",
            "tx_hash",
            "deal_id",
            "market_id",
            "offer_hash",
        ),
        "blocks with events": rows(
            Block.objects.filter(chain=chain, canonical=True, events__canonical=True).distinct(),
            "number",
            "hash",
            "parent_hash",
            "timestamp",
        ),
        "deals": rows(deals, *DEAL, *place("opened_event__"), *place("closed_event__")),
        "tranches": rows(
            deals.filter(tranches__isnull=False),
            "deal_id",
            "tranches__number",
            "tranches__delivered",
            "tranches__outcome",
        ),
        "changes of hands": rows(
            deals.filter(transfers__isnull=False),
            "deal_id",
            "transfers__side",
            "transfers__from_address",
            "transfers__to_address",
            "transfers__ref",
            "transfers__opened_at",
            "transfers__price",
            "transfers__lister_pays",
            *place("transfers__event__"),
        ),
        "approvals": rows(
            AutoDelivery.objects.filter(chain=chain, amount__gt=0), "seller", "market_id", "token", "amount"
        ),
        "terms": rows(SettlementTerms.objects.filter(market__chain=chain), *TERMS, *place("event__")),
        "records": rows(
            MarketRecord.objects.filter(market__chain=chain),
            "market__market_id",
            "cancel_confirmable_at",
            *place("created_event__"),
        ),
        "accounts": rows(
            Account.objects.filter(chain=chain, balance__gt=0), "token", "kind", "owner", "deal_id", "balance"
        ),
        "transfers": rows(
            live,
            *place("event__"),
            "leg",
            "kind",
            "amount",
            "debit__kind",
            "debit__owner",
            "debit__deal_id",
            "credit__kind",
            "credit__owner",
            "credit__deal_id",
        ),
        **_points(chain),
    }


def _points(chain: Chain) -> dict[str, Any]:
    return {
        "markets": rows(Market.objects.filter(chain=chain), "market_id", "status", "deal_count", "last_price_e18"),
        "unknown markets": rows(
            UnknownMarket.objects.filter(chain=chain, status__gt=0).exclude(
                market_id__in=Market.objects.filter(chain=chain).values("market_id")
            ),
            "market_id",
            "status",
        ),
        "offers": rows(
            Offer.objects.filter(market__chain=chain),
            "offer_hash",
            "filled_units",
            "cancelled_on_chain",
            "state",
            "fillable_units",
        ),
        "unknown offers": {
            row
            for row in rows(UnknownOffer.objects.filter(chain=chain), "offer_hash", "filled_units", "cancelled")
            if row[1] or row[2]
        },
        "funds": rows(
            MakerFunds.objects.filter(pay_token__chain=chain, free__gt=0), "pay_token__address", "maker", "free"
        ),
        "epochs": rows(MakerEpoch.objects.filter(chain=chain, epoch__gt=0), "maker", "epoch"),
        "nonces": rows(MakerNonces.objects.filter(chain=chain, mask__gt=0), "maker", "word", "mask"),
        "pay tokens": rows(PayToken.objects.filter(chain=chain, allowed=True), "address"),
    }
