"""The facts of the escrow as PostgreSQL has them, in the shape of the fake escrow's own books."""

from typing import Any

from escrow.contracts import structs
from escrow.models import Account, AutoDelivery, Deal
from otc.core.models import Chain
from points.models import MakerEpoch, MakerFunds, MakerNonces, Market, Offer, PayToken
from tests.sim.facts import DealFacts, Key


def database_facts(chain: Chain) -> dict[Key, Any]:
    """All but ("market", id), of which the status alone is told, as ("status", id)."""
    chain.refresh_from_db()
    facts: dict[Key, Any] = {("fee_bps",): chain.fee_bps, ("paused_until",): chain.paused_until}
    for token, kind, owner, deal_id, balance in Account.objects.filter(chain=chain).values_list(
        "token", "kind", "owner", "deal_id", "balance"
    ):
        facts[("free", token, owner) if kind == "free" else (kind, deal_id or token)] = balance
    for row in MakerFunds.objects.values_list("pay_token__address", "maker", "free"):
        assert facts.get(("free", *row[:2]), 0) == row[2], "the book's funds are not the ledger's"
    for offer in Offer.objects.all():
        facts["filled", offer.offer_hash] = offer.filled_units
        facts["cancelled", offer.offer_hash] = offer.cancelled_on_chain
    facts |= {("status", *row[:1]): row[1] for row in Market.objects.values_list("market_id", "status")}
    facts |= {("epoch", maker): epoch for maker, epoch in MakerEpoch.objects.values_list("maker", "epoch")}
    facts |= {("nonces", *row[:2]): row[2] for row in MakerNonces.objects.values_list("maker", "word", "mask")}
    facts |= {("allowed", row[0]): row[1] for row in PayToken.objects.values_list("address", "allowed")}
    approvals = AutoDelivery.objects.values_list("seller", "market_id", "token", "amount")
    facts |= {("approved", *row[:3]): row[3] for row in approvals}
    for deal in Deal.objects.select_related("market", "pay_token").prefetch_related("tranches", "transfers"):
        facts["deal", deal.deal_id] = _deal(deal)
    return {key: value for key, value in facts.items() if value}


def _deal(deal: Deal) -> DealFacts:
    paid = deal.paid_to_buyer + deal.paid_to_seller + deal.fee_paid
    moves = sorted(deal.transfers.all(), key=lambda move: move.pk)
    return DealFacts(
        structs.deal_preimage(deal),
        deal.payment + deal.collateral + deal.bond - paid,
        deal.outcome,
        tuple(sorted((tranche.number, tranche.delivered, tranche.outcome) for tranche in deal.tranches.all())),
        deal.matched_offer_hash,
        tuple((move.side, move.from_address, move.to_address, move.price) for move in moves),
        deal.phase,
        deal.phase_until or 0,
        deal.attested_units,
        deal.attestation_evidence,
        deal.disputed_by,
        deal.bond,
        deal.appeals,
    )


def as_database(facts: dict[Key, Any]) -> dict[Key, Any]:
    """True facts as far as the database can know them: of registered markets, posted offers, known payment tokens."""
    registered = set(Market.objects.filter(record__isnull=False).values_list("market_id", flat=True))
    offers = set(Offer.objects.values_list("offer_hash", flat=True))
    known = {
        "filled": offers,
        "cancelled": offers,
        "market": set(Market.objects.values_list("market_id", flat=True)),
        "allowed": set(PayToken.objects.values_list("address", flat=True)),
    }
    told = {}
    for key, value in facts.items():
        if key[0] == "deal":
            if value.struct.market in registered:
                told[key] = value
        elif key[0] not in known or key[1] in known[key[0]]:
            told[("status", key[1]) if key[0] == "market" else key] = value.status if key[0] == "market" else value
    return told
