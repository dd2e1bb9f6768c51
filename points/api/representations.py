"""Stored rows as JSON, written out by hand: lists are long, and DRF's serializers cost more than the query.

The shapes are declared in `points.api.serializers`, and a test holds the two together.
"""

from datetime import datetime
from functools import lru_cache
from typing import Any

from otc.core import fields
from otc.core.chains import escrow_ref
from otc.core.models import Chain
from points.domain.markets import MarketTerms
from points.domain.offers import OfferTerms, Outcomes, fill_amounts, typed_data
from points.models import AllocationList, AssetKind, Market, MarketStatus, Offer, PayToken, Program, Project
from points.selectors.allocation_lists import AllocationProof
from points.selectors.offers import Book
from points.services.offer_states import offer_terms
from points.services.offers import PreparedOffer

Json = dict[str, Any]
SIDES = ("buy", "sell")
STATUSES = {status.value: status.name.lower() for status in MarketStatus}
KINDS = {kind.value: kind.name.lower() for kind in AssetKind}

# A list names the same wallets and tokens again and again, and EIP-55 costs a hash each time.
to_checksum = lru_cache(maxsize=16_384)(fields.to_checksum)


def moment(value: datetime) -> str:
    """RFC 3339 with Z. Text here already, so that a stored answer is the first one to the letter."""
    return value.isoformat().replace("+00:00", "Z")


def project_json(project: Project) -> Json:
    return {
        "slug": project.slug,
        "name": project.name,
        "description": project.description,
        "website": project.website,
        "verified": project.verified,
        "created_at": moment(project.created_at),
    }


def program_json(program: Program) -> Json:
    """Needs `project`."""
    return {
        "slug": program.slug,
        "project": program.project.slug,
        "name": program.name,
        "kind": program.kind,
        "kind_name": KINDS[program.kind],
        "unit_name": program.unit_name,
        "unit_decimals": program.unit_decimals,
        "description": program.description,
        "created_at": moment(program.created_at),
    }


def pay_token_json(token: PayToken, chain: Chain) -> Json:
    """`chain`: the token's own."""
    return {
        **escrow_ref(chain),
        "address": to_checksum(token.address),
        "symbol": token.symbol,
        "decimals": token.decimals,
        "allowed": token.allowed,
    }


# ---------------------------------------------------------------- allocation lists


def list_json(found: AllocationList) -> Json:
    """Needs `program`."""
    return {
        "id": found.pk,
        "program": found.program.slug,
        "file_name": found.file_name,
        "file_sha256": found.file_sha256,
        "file_size": found.file_size,
        "state": found.state,
        "bytes_read": found.bytes_read,
        "row_count": found.row_count,
        "total": str(found.total),
        "root": found.root,
        "errors": found.errors,
        "error_count": found.error_count,
        "created_at": moment(found.created_at),
        "finished_at": None if found.finished_at is None else moment(found.finished_at),
    }


def proof_json(proof: AllocationProof) -> Json:
    return {
        "root": proof.root,
        "address": to_checksum(proof.address),
        "amount": str(proof.amount),
        "position": proof.position,
        "proof": proof.proof,
    }


# ---------------------------------------------------------------- markets


def market_json(market: Market) -> Json:
    """Needs program with project, pay token, chain; the quotes of `markets_with_quotes` where they were asked for."""
    return {
        "market_id": market.market_id,
        **escrow_ref(market.chain),
        "program": market.program.slug,
        "program_name": market.program.name,
        "project": market.program.project.slug,
        "unit_name": market.program.unit_name,
        "unit_decimals": market.program.unit_decimals,
        "pay_token": pay_token_json(market.pay_token, market.chain),
        "status": STATUSES[market.status],
        "long_stop": market.long_stop,
        "best_bid_e18": _text(getattr(market, "best_bid_e18", None)),
        "best_ask_e18": _text(getattr(market, "best_ask_e18", None)),
        "open_offers": getattr(market, "open_offers", 0),
        "last_price_e18": _text(market.last_price_e18),
        "deal_count": market.deal_count,
        "created_at": moment(market.created_at),
    }


def market_detail_json(market: Market, terms: MarketTerms) -> Json:
    """With the terms as hashed, in the contract's order, and the rules text."""
    return {
        **market_json(market),
        "terms": {
            "resolver": to_checksum(terms.resolver),
            "guardian": to_checksum(terms.guardian),
            "attestor": to_checksum(terms.attestor),
            "arbitrator": to_checksum(terms.arbitrator),
            "pay_token": to_checksum(terms.pay_token),
            "kind": terms.kind,
            "settlement": terms.settlement,
            "objection": terms.objection,
            "min_window": terms.min_window,
            "max_window": terms.max_window,
            "challenge": terms.challenge,
            "arbitration_window": terms.arbitration_window,
            "bond_bps": terms.bond_bps,
            "long_stop": terms.long_stop,
            "max_ratio_num": str(terms.max_ratio_num),
            "max_ratio_den": str(terms.max_ratio_den),
            "rules_hash": terms.rules_hash,
        },
        "rules_text": market.rules_text,
    }


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


# ---------------------------------------------------------------- offers


def terms_json(terms: OfferTerms) -> Json:
    """The signed fields."""
    return {
        "maker": to_checksum(terms.maker),
        "taker": to_checksum(terms.taker),
        "side": SIDES[terms.side],
        "market": terms.market,
        "pay_token": to_checksum(terms.pay_token),
        "units": str(terms.units),
        "payment": str(terms.payment),
        "collateral": str(terms.collateral),
        "min_fill": str(terms.min_fill),
        "max_fee_bps": terms.max_fee_bps,
        "expiry": terms.expiry,
        "epoch": str(terms.epoch),
        "salt": str(terms.salt),
        "ref": terms.ref,
    }


def offer_json(offer: Offer) -> Json:
    """Needs market with pay token and chain."""
    return {
        "offer_hash": offer.offer_hash,
        **escrow_ref(offer.market.chain),
        "offer": terms_json(offer_terms(offer)),
        "state": offer.state_now,
        "withdrawn": offer.withdrawn,
        "all_or_none": offer.all_or_none,
        "filled_units": str(offer.filled_units),
        "fillable_units": str(offer.fillable_units),
        "price_e18": str(offer.price_e18),
        "collateral_bps": str(offer.collateral_bps),
        "created_at": moment(offer.created_at),
    }


def offer_detail_json(offer: Offer) -> Json:
    """With the signature: a taker can fill without this server."""
    return {**offer_json(offer), "signature": "0x" + bytes(offer.signature).hex()}


def book_entry_json(offer: Offer) -> Json:
    """An offer in the book, with what its fillable units would cost now. Needs market with pay token."""
    terms = offer_terms(offer)
    payment, collateral = fill_amounts(terms, filled_before=offer.filled_units, units=offer.fillable_units)
    return {
        "offer_hash": offer.offer_hash,
        "maker": to_checksum(offer.maker),
        "taker": to_checksum(offer.taker),
        "price_e18": str(offer.price_e18),
        "collateral_bps": str(offer.collateral_bps),
        "units": str(offer.units),
        "filled_units": str(offer.filled_units),
        "fillable_units": str(offer.fillable_units),
        "fillable_payment": str(payment),
        "fillable_collateral": str(collateral),
        "min_fill": str(offer.min_fill),
        "all_or_none": offer.all_or_none,
        "max_fee_bps": offer.max_fee_bps,
        "expiry": offer.expiry,
    }


def book_json(book: Book) -> Json:
    return {
        "bids": [book_entry_json(offer) for offer in book.bids],
        "asks": [book_entry_json(offer) for offer in book.asks],
        "as_of_block": book.as_of_block,
    }


def outcomes_json(outcomes: Outcomes) -> Json:
    """Base units of the payment token; gains are signed."""
    return {
        "payment": str(outcomes.payment),
        "collateral": str(outcomes.collateral),
        "fee": str(outcomes.fee),
        "break_even_e18": str(outcomes.break_even_e18),
        **{
            role: {
                "locks": str(party.locks),
                "on_delivery": str(party.on_delivery),
                "on_default": str(party.on_default),
                "on_refund": str(party.on_refund),
            }
            for role, party in (("buyer", outcomes.buyer), ("seller", outcomes.seller))
        },
    }


def prepared_json(prepared: PreparedOffer) -> Json:
    return {
        "offer": terms_json(prepared.terms),
        **escrow_ref(prepared.chain),
        "offer_hash": prepared.offer_hash,
        "typed_data": typed_data(
            prepared.terms,
            chain_id=prepared.chain.chain_id,
            escrow_address=to_checksum(prepared.chain.escrow_address),
        ),
        "outcome": outcomes_json(prepared.outcomes),
    }
