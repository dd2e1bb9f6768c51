"""Deals, balances and chains as JSON, written out by hand; the shapes are declared in `escrow.api.serializers`."""

from typing import Any

from escrow.contracts import bindings
from escrow.domain.actions import market_phase
from escrow.models import DealOutcome, DealPhase, DealTransfer, DeliveredRight, KeptRight, SettlementTerms
from escrow.selectors.allowed import Allowed, DealDetail
from escrow.selectors.balances import BalanceView
from escrow.selectors.deals import ChainFact, DealView, TrancheView, terms_of
from escrow.selectors.solvency import Solvency, SolvencyRow
from escrow.services.transactions import Issue, Prepared
from escrow.services.tx.call import Signable
from otc.core.chains import escrow_ref
from otc.core.fields import to_checksum
from otc.core.models import Chain
from points.api.representations import SIDES, pay_token_json
from points.models import Market

Json = dict[str, Any]
OUTCOMES = {outcome.value: outcome.name.lower() for outcome in DealOutcome}
PHASES = {phase.value: phase.name.lower() for phase in DealPhase}
OUTCOME_CODES = {name: code for code, name in OUTCOMES.items()}


def chain_json(chain: Chain) -> Json:
    return {
        "chain_id": chain.chain_id,
        "kind": chain.kind,
        "name": chain.name,
        "currency": chain.currency,
        "escrow": to_checksum(chain.escrow_address),
        "public_rpc_url": chain.public_rpc_url,
        "explorer_url": chain.explorer_url,
        "head_block": chain.head_number,
        "head_hash": chain.head_hash,
        "head_time": chain.head_time,
        "safe_block": chain.safe_number,
        "final_block": chain.final_number,
        "fee_bps": chain.fee_bps,
        "paused_until": chain.paused_until,
        "halted": bool(chain.halted),
    }


# ---------------------------------------------------------------- deals


def settlement_json(terms: SettlementTerms, *, final: bool) -> Json:
    return {
        "token": to_checksum(terms.token),
        "symbol": terms.token_symbol,
        "decimals": terms.token_decimals,
        "ratio_num": str(terms.ratio_num),
        "ratio_den": str(terms.ratio_den),
        "start": terms.start,
        "window": terms.window,
        "tge_bps": terms.tge_bps,
        "tranches": terms.tranches,
        "period": terms.period,
        "final_at": terms.final_at,
        "final": final,
        "extended": terms.extended,
        "rights": None
        if terms.semi_fungible is None
        else {"semi_fungible": terms.semi_fungible, "ids_root": terms.ids_root},
    }


def market_settlement_json(market: Market) -> Json:
    """What a market's terms and time make of it. Needs its chain."""
    terms = terms_of(market)
    now = market.chain.head_time or 0
    phase = market_phase(
        status=market.status, final_at=terms.final_at if terms else None, long_stop=market.long_stop, now=now
    )
    return {
        "phase": str(phase),
        "settlement": settlement_json(terms, final=now >= terms.final_at) if terms else None,
    }


def tranche_json(tranche: TrancheView) -> Json:
    return {
        "number": tranche.number,
        "due": str(tranche.due),
        "delivered": str(tranche.delivered),
        "opens_at": tranche.opens_at,
        "deadline": tranche.deadline,
        "payment": str(tranche.payment),
        "collateral": str(tranche.collateral),
        "payment_locked": str(tranche.payment_locked),
        "collateral_locked": str(tranche.collateral_locked),
        "outcome": OUTCOMES[tranche.outcome],
    }


def deal_json(view: DealView) -> Json:
    """Needs what `deals_of` loads."""
    deal = view.deal
    return {
        "deal_id": deal.deal_id,
        **escrow_ref(deal.chain),
        "market": deal.market.market_id,
        "program": deal.market.program.slug,
        "offer_hash": deal.offer_hash,
        "matched_offer_hash": deal.matched_offer_hash,
        "maker_side": SIDES[deal.maker_side],
        "buyer": to_checksum(deal.buyer),
        "seller": to_checksum(deal.seller),
        "pay_token": pay_token_json(deal.pay_token, deal.chain),
        "units": str(deal.units),
        "payment": str(deal.payment),
        "collateral": str(deal.collateral),
        "fee_bps": deal.fee_bps,
        "buyer_ref": deal.buyer_ref,
        "seller_ref": deal.seller_ref,
        "opened_at": deal.opened_at,
        "opened_block": deal.opened_event.block_number,
        "opened_tx": deal.opened_event.tx_hash,
        "depth": str(view.depth),
        "outcome": OUTCOMES[deal.outcome],
        "closed_block": deal.closed_event.block_number if deal.closed_event else None,
        "closed_tx": deal.closed_event.tx_hash if deal.closed_event else None,
        "closed_depth": str(view.closed_depth) if view.closed_depth else None,
        "paid_to_buyer": str(deal.paid_to_buyer),
        "paid_to_seller": str(deal.paid_to_seller),
        "fee_paid": str(deal.fee_paid),
        "payment_locked": str(view.payment_locked),
        "collateral_locked": str(view.collateral_locked),
        "bond_locked": str(view.bond_locked),
        "phase": PHASES[deal.phase],
        "attestation": attestation_json(view) if view.attested else None,
        "settlement": settlement_json(view.terms, final=view.terms_final) if view.terms else None,
        "tranches": [tranche_json(tranche) for tranche in view.tranches],
        "deadline": view.deadline,
        "refundable": view.refundable,
    }


def attestation_json(view: DealView) -> Json:
    """How a delivery outside the escrow is proved, and how far it is."""
    deal, market = view.deal, view.deal.market
    return {
        "phase": PHASES[deal.phase],
        "until": deal.phase_until,
        "units": str(deal.attested_units),
        "evidence": deal.attestation_evidence,
        "attestor": to_checksum(market.attestor),
        "arbitrator": to_checksum(market.arbitrator),
        "challenge": market.challenge,
        "arbitration_window": market.arbitration_window,
        "disputed_by": to_checksum(deal.disputed_by) if deal.disputed_by else None,
        "dispute_evidence": deal.dispute_evidence,
        "bond_bps": market.bond_bps,
        "bond": str(deal.bond),
        "appeals": deal.appeals,
    }


def transfer_json(transfer: DealTransfer) -> Json:
    """Needs its event and block."""
    return {
        "side": SIDES[transfer.side],
        "from": to_checksum(transfer.from_address),
        "to": to_checksum(transfer.to_address),
        "ref": transfer.ref,
        "price": None if transfer.price is None else str(transfer.price),
        "lister_pays": transfer.lister_pays,
        "time": transfer.event.block.timestamp,
        "block_number": transfer.event.block_number,
        "tx_hash": transfer.event.tx_hash,
    }


def piece_json(piece: DeliveredRight) -> Json:
    """Needs its event and block."""
    return {
        "tranche": piece.tranche,
        "token": to_checksum(piece.token),
        "right": str(piece.right),
        "amount": str(piece.amount),
        "to_escrow": piece.to_escrow,
        "time": piece.event.block.timestamp,
        "block_number": piece.event.block_number,
        "tx_hash": piece.event.tx_hash,
    }


def allowed_json(one: Allowed) -> Json:
    return {"action": one.action, "by": one.by, "until": one.until, "tranche": one.tranche}


def deal_detail_json(detail: DealDetail) -> Json:
    return {
        **deal_json(detail.view),
        "auto_delivery": str(detail.auto_delivery),
        "allowed": [allowed_json(one) for one in detail.allowed],
        "pieces": [piece_json(one) for one in detail.pieces],
        "transfers": [transfer_json(one) for one in detail.transfers],
        "timeline": [fact_json(fact) for fact in detail.timeline],
    }


def fact_json(fact: ChainFact) -> Json:
    return {
        "event": fact.name,
        "args": fact.args,
        "block_number": fact.block_number,
        "tx_hash": fact.tx_hash,
        "log_index": fact.log_index,
        "time": fact.time,
        "depth": str(fact.depth),
    }


# ---------------------------------------------------------------- money


def balance_json(row: BalanceView) -> Json:
    return {
        **escrow_ref(row.chain),
        "token": to_checksum(row.token),
        "symbol": row.symbol,
        "decimals": row.decimals,
        "is_pay_token": row.is_pay_token,
        "free": str(row.free),
        "locked": str(row.locked.total),
        "locked_payment": str(row.locked.payment),
        "locked_collateral": str(row.locked.collateral),
        "locked_bond": str(row.locked.bond),
        "pending_in": str(row.pending_in),
        "pending_out": str(row.pending_out),
    }


def kept_right_json(row: KeptRight) -> Json:
    """Needs its chain."""
    return {
        **escrow_ref(row.chain),
        "token": to_checksum(row.token),
        "right": str(row.right),
        "amount": str(row.amount),
    }


def solvency_json(found: Solvency, row: SolvencyRow) -> Json:
    return {
        **escrow_ref(found.chain),
        "token": to_checksum(row.ledger.token),
        "symbol": row.symbol,
        "decimals": row.decimals,
        "block_number": found.block_number,
        "block_hash": found.block_hash,
        "payment_token": row.payment,
        "contract_balance": None if row.held is None else str(row.held),
        "contract_liabilities": str(row.liabilities),
        "contract_fees": str(row.fees),
        "ledger_free": str(row.ledger.free),
        "ledger_locked": str(row.ledger.locked),
        "ledger_fees": str(row.ledger.fees),
        "solvent": row.solvent,
        "agrees": row.agrees,
    }


# ---------------------------------------------------------------- transactions


def prepared_json(prepared: Prepared) -> Json:
    error = {"name": prepared.simulation.name, "detail": prepared.simulation.error}
    return {
        "transaction": dict(prepared.transaction),
        "simulation": {"ok": prepared.simulation.ok, "error": None if prepared.simulation.ok else error},
        "issues": [_issue(issue) for issue in prepared.issues],
        "explanation": prepared.explanation,
        "block_number": prepared.block_number,
    }


def signable_json(found: Signable) -> Json:
    """The struct under its own name, as the action that sends it takes it."""
    name = type(found.struct).__name__.lower()
    return {
        "deal_id": found.deal_id,
        **escrow_ref(found.chain),
        name: struct_json(found.struct),
        "hash": found.digest,
        "typed_data": dict(found.typed_data),
        "signers": [{"role": role, "address": to_checksum(address)} for role, address in found.signers.items()],
        "explanation": "\n".join(found.explanation),
    }


def struct_json(struct: bindings.Resale | bindings.Close | bindings.Attestation) -> Json:
    """A signed struct by the API's conventions: amounts as decimal strings, times as integers."""
    if isinstance(struct, bindings.Resale):
        return {
            "deal": struct.deal,
            "side": SIDES[struct.side],
            "price": str(struct.price),
            "lister_pays": struct.lister_pays,
            "taker": to_checksum(struct.taker),
            "expiry": struct.expiry,
            "epoch": str(struct.epoch),
            "salt": str(struct.salt),
        }
    if isinstance(struct, bindings.Close):
        return {
            "deal": struct.deal,
            "to_buyer": str(struct.to_buyer),
            "to_seller": str(struct.to_seller),
            "deadline": struct.deadline,
        }
    return {
        "deal": struct.deal,
        "units": str(struct.units),
        "evidence": struct.evidence,
        "valid_until": struct.valid_until,
    }


def _issue(issue: Issue) -> Json:
    return {
        "kind": issue["kind"],
        "token": to_checksum(issue["token"]),
        "spender": to_checksum(issue["spender"]) if issue["spender"] else None,
        "right": None if issue["right"] is None else str(issue["right"]),
        "has": str(issue["has"]),
        "needs": str(issue["needs"]),
    }
