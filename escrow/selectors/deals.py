"""Deals as a party, the API or a page reads them: what is due, until when, what is still locked, how deep it lies."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from escrow.chain.events import DEAL_EVENTS
from escrow.chain.models import ChainEvent, Depth
from escrow.contracts.structs import ATTESTED, settlement_terms
from escrow.domain import payouts
from escrow.domain.payouts import Terms
from escrow.models import (
    AutoDelivery,
    Deal,
    DealOutcome,
    DealTranche,
    DealTransfer,
    DeliveredRight,
    KeptRight,
    SettlementTerms,
)
from escrow.selectors.depth import depth_of
from otc.core.models import Chain
from points.models import Market, MarketStatus

RECENT_DEALS = 50


@dataclass(frozen=True, slots=True)
class TrancheView:
    """One tranche. `due`, `delivered`: base units of the settlement token; `payment`, `collateral`: its shares, and
    `payment_locked`, `collateral_locked`: what of them is still in the deal, base units of the payment token. Unix seconds.
    """

    number: int
    due: int
    delivered: int
    opens_at: int
    deadline: int
    payment: int
    collateral: int
    payment_locked: int
    collateral_locked: int
    outcome: DealOutcome


@dataclass(frozen=True, slots=True)
class DealView:
    """A deal with what follows from terms and time. `tranches` is empty until terms are proposed (and void while they may be
    vetoed: see `terms_final`); of an attested market its `due` counts units of the program. `deadline` is that of the next
    unresolved tranche, or of the challenge or the ruling; None when there is none.
    """

    deal: Deal
    depth: Depth
    closed_depth: Depth | None
    terms: SettlementTerms | None
    terms_final: bool
    tranches: tuple[TrancheView, ...]
    payment_locked: int
    collateral_locked: int
    bond_locked: int
    deadline: int | None
    refundable: bool

    @property
    def in_rights(self) -> bool:
        """Whether pieces of a right are delivered: what is due and delivered counts pieces then."""
        return self.terms is not None and self.terms.semi_fungible is not None

    @property
    def attested(self) -> bool:
        """Whether its delivery happens outside the escrow."""
        return bool(self.deal.market.settlement == ATTESTED)


def deals_of(
    *,
    party: str | None = None,
    market_id: str | None = None,
    outcome: int | None = None,
    chain_id: int | None = None,
    chain_number: int | None = None,
    escrow: str | None = None,
) -> QuerySet[Deal]:
    """Deals with all that a view needs loaded, newest first. `chain_id`: key of an escrow's row; `chain_number` and the kind of
    `escrow` are what clients know.
    """
    deals = Deal.objects.select_related(
        "chain", "market__program__project", "market__settlement_terms", "pay_token", "opened_event", "closed_event"
    ).prefetch_related("tranches")
    if party is not None:
        deals = deals.filter(Q(buyer=party) | Q(seller=party))
    if market_id is not None:
        deals = deals.filter(market__market_id=market_id)
    if outcome is not None:
        deals = deals.filter(outcome=outcome)
    if chain_id is not None:
        deals = deals.filter(chain_id=chain_id)
    if chain_number is not None:
        deals = deals.filter(chain__chain_id=chain_number)
    if escrow is not None:
        deals = deals.filter(chain__kind=escrow)
    return deals


def deal_get(deal_id: str, *, chain_number: int | None = None, escrow: str | None = None) -> Deal | None:
    """One deal, loaded as by `deals_of`."""
    return deals_of(chain_number=chain_number, escrow=escrow).filter(deal_id=deal_id).first()


def recent_deals(market: Market, limit: int = RECENT_DEALS) -> list[Deal]:
    """The newest fills of a market."""
    return list(deals_of().filter(market=market)[:limit])


def terms_of(market: Market) -> SettlementTerms | None:
    """The market's live settlement terms, from a loaded relation where there is one."""
    return getattr(market, "settlement_terms", None)


def deal_view(deal: Deal, *, now: int | None = None) -> DealView:
    """What follows for a deal loaded by `deals_of`. `now`: chain time, the head's by default."""
    now = (deal.chain.head_time or 0) if now is None else now
    row = terms_of(deal.market)
    tranches = _tranches(deal, row) if row is not None else ()
    still_open = deal.outcome == DealOutcome.OPEN
    if not still_open:
        payment_locked = collateral_locked = 0
    elif tranches:
        payment_locked = sum(tranche.payment_locked for tranche in tranches)
        collateral_locked = sum(tranche.collateral_locked for tranche in tranches)
    else:
        payment_locked, collateral_locked = deal.payment, deal.collateral
    waiting = [tranche.deadline for tranche in tranches if tranche.outcome == DealOutcome.OPEN and still_open]
    if still_open and deal.phase_until is not None:
        waiting = [deal.phase_until]
    return DealView(
        deal=deal,
        depth=depth_of(deal.opened_event.block_number, deal.chain),
        closed_depth=depth_of(deal.closed_event.block_number, deal.chain) if deal.closed_event else None,
        terms=row,
        terms_final=row is not None and now >= row.final_at,
        tranches=tranches,
        payment_locked=payment_locked,
        collateral_locked=collateral_locked,
        bond_locked=deal.bond if still_open else 0,
        deadline=min(waiting, default=None),
        refundable=still_open and _refundable(deal.market, now),
    )


def deal_views(deals: Iterable[Deal]) -> list[DealView]:
    return [deal_view(deal) for deal in deals]


def _refundable(market: Market, now: int) -> bool:
    """As the contract: CANCELLED, or past the long-stop without proposed or final terms."""
    if market.status == MarketStatus.CANCELLED:
        return True
    return market.status in {MarketStatus.OPEN, MarketStatus.CANCEL_PROPOSED} and now > market.long_stop


def _tranches(deal: Deal, row: SettlementTerms) -> tuple[TrancheView, ...]:
    terms = settlement_terms(row)
    progress = {tranche.number: tranche for tranche in deal.tranches.all()}
    due = deal.units if deal.market.settlement == ATTESTED else payouts.due_for(deal.units, terms)
    return tuple(
        _tranche(deal, terms, number, payouts.share_of_tranche(due, terms, number), progress.get(number))
        for number in range(terms.tranches)
    )


def _tranche(deal: Deal, terms: Terms, number: int, due: int, row: DealTranche | None) -> TrancheView:
    payment = payouts.share_of_tranche(deal.payment, terms, number)
    collateral = payouts.share_of_tranche(deal.collateral, terms, number)
    delivered = row.delivered if row else 0
    outcome = DealOutcome(row.outcome if row else DealOutcome.OPEN)
    locked = (0, 0)
    if outcome == DealOutcome.OPEN and deal.outcome == DealOutcome.OPEN:
        locked = payouts.open_shares(payment, collateral, delivered=delivered, whole=due)
    return TrancheView(
        number=number,
        due=due,
        delivered=delivered,
        opens_at=payouts.opens_at(terms, number),
        deadline=payouts.deadline(terms, number),
        payment=payment,
        collateral=collateral,
        payment_locked=locked[0],
        collateral_locked=locked[1],
        outcome=outcome,
    )


def auto_delivery_amount(deal: Deal, token: str) -> int:
    """What anyone may still deliver for the deal's seller, base units of `token`."""
    rows = AutoDelivery.objects.filter(
        chain=deal.chain_id, seller=deal.seller, market_id=deal.market.market_id, token=token
    )
    return rows.values_list("amount", flat=True).first() or 0


def deal_transfers(deal: Deal) -> list[DealTransfer]:
    """Changes of hands, oldest first, with the events that say so."""
    return list(deal.transfers.select_related("event__block"))


def delivered_pieces(deal: Deal) -> list[DeliveredRight]:
    """Pieces of a right that came in a deal, oldest first, with the events that say so."""
    return list(deal.pieces.select_related("event__block"))


def rights_kept(address: str, *, chains: Iterable[Chain] | QuerySet[Chain]) -> list[KeptRight]:
    """What the escrows keep for a wallet, by token and id, with their chains."""
    rows = KeptRight.objects.filter(chain__in=chains, user=address, amount__gt=0).select_related("chain")
    return list(rows.order_by("chain", "token", "right"))


# ---------------------------------------------------------------- timeline


@dataclass(frozen=True, slots=True)
class ChainFact:
    """One event of a deal, for its timeline. `args` as stored: integers are decimal strings."""

    name: str
    args: dict[str, Any]
    block_number: int
    tx_hash: str
    log_index: int
    time: int
    depth: Depth


def deal_timeline(deal: Deal) -> list[ChainFact]:
    """What happened to a deal on chain, oldest first."""
    return _facts(
        ChainEvent.objects.filter(chain_id=deal.chain_id, deal_id=deal.deal_id, name__in=DEAL_EVENTS), deal.chain
    )


def market_timeline(market: Market) -> list[ChainFact]:
    """What happened to a market on chain, oldest first; fills are left out."""
    rows = ChainEvent.objects.filter(chain_id=market.chain_id, market_id=market.market_id).exclude(name="Filled")
    return _facts(rows, market.chain)


def _facts(rows: QuerySet[ChainEvent], chain: Chain) -> list[ChainFact]:
    found = rows.filter(canonical=True).select_related("block").order_by("block_number", "log_index")
    return [
        ChainFact(
            name=row.name,
            args=row.args,
            block_number=row.block_number,
            tx_hash=row.tx_hash,
            log_index=row.log_index,
            time=row.block.timestamp,
            depth=depth_of(row.block_number, chain),
        )
        for row in found
    ]
