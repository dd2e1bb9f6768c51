"""One deal whole, and what it allows now: which action, by whom, until when, as the contract would at the chain's time."""

from collections.abc import Iterator
from dataclasses import dataclass

from escrow.models import Deal, DealOutcome, DealPhase, DealTransfer
from escrow.selectors.deals import (
    ChainFact,
    DealView,
    TrancheView,
    auto_delivery_amount,
    deal_timeline,
    deal_transfers,
    deal_view,
)
from points.models import MarketStatus

MAX_APPEALS = 3
ANYONE, PARTIES, BUYER, SELLER = "anyone", "parties", "buyer", "seller"
ATTESTOR, ARBITRATOR = "attestor", "arbitrator"
ROLES = [ANYONE, PARTIES, BUYER, SELLER, ATTESTOR, ARBITRATOR]


@dataclass(frozen=True, slots=True)
class Allowed:
    """`action` by its name in tx/prepare, `by` one of ROLES (`parties`: both together), `until` the last second, None for
    no end.
    """

    action: str
    by: str
    until: int | None = None
    tranche: int | None = None


@dataclass(frozen=True, slots=True)
class DealDetail:
    """A deal with its history. `auto_delivery`: base units of the settlement token that anyone may deliver for the seller."""

    view: DealView
    auto_delivery: int
    allowed: list[Allowed]
    transfers: list[DealTransfer]
    timeline: list[ChainFact]


def deal_detail(deal: Deal) -> DealDetail:
    """Of a deal loaded by `deals_of`. Three queries."""
    view = deal_view(deal)
    standing = auto_delivery_amount(deal, view.terms.token) if view.terms is not None and not view.attested else 0
    return DealDetail(
        view=view,
        auto_delivery=standing,
        allowed=allowed(view, now=deal.chain.head_time or 0, auto_delivery=standing),
        transfers=deal_transfers(deal),
        timeline=deal_timeline(deal),
    )


def allowed(view: DealView, *, now: int, auto_delivery: int = 0) -> list[Allowed]:
    """Of a closed deal: nothing. `auto_delivery`: base units that anyone may deliver for the seller."""
    deal = view.deal
    if deal.outcome != DealOutcome.OPEN:
        return []
    found: list[Allowed] = []
    market = deal.market
    if view.refundable:
        found.append(Allowed("refund", ANYONE))
    elif market.status == MarketStatus.OPEN:
        found.append(Allowed("transfer_position", BUYER, market.long_stop))
        if now >= deal.chain.paused_until:
            found.append(Allowed("fill_resale", ANYONE, market.long_stop))
    if deal.phase == DealPhase.ATTESTED:
        found += _attested(view, now)
    elif deal.phase != DealPhase.NONE:
        found += _disputed(view, now)
    elif view.terms_final:
        for tranche in view.tranches:
            found += _of_tranche(view, tranche, now, auto_delivery)
    return [*found, Allowed("mutual_close", PARTIES)]


def _of_tranche(view: DealView, tranche: TrancheView, now: int, auto_delivery: int) -> Iterator[Allowed]:
    if tranche.outcome != DealOutcome.OPEN or now < tranche.opens_at:
        return
    number, last = tranche.number, tranche.deadline
    if now > last:
        yield Allowed("slash", ANYONE, None, number)
    elif view.attested:
        yield Allowed("attest", ATTESTOR, last)
        yield Allowed("dispute", SELLER, last)
    else:
        yield Allowed("deliver", SELLER, last, number)
        if auto_delivery:
            yield Allowed("deliver_for", ANYONE, last, number)


def _attested(view: DealView, now: int) -> Iterator[Allowed]:
    deal, until = view.deal, view.deal.phase_until or 0
    if now > until:
        yield Allowed("finalize", ANYONE)
        return
    yield Allowed("dispute", BUYER, until)
    if deal.attested_units < deal.units:
        yield Allowed("dispute", SELLER, until)


def _disputed(view: DealView, now: int) -> Iterator[Allowed]:
    until = view.deal.phase_until or 0
    if now > until:
        yield Allowed("rule_timeout", ANYONE)
        return
    yield Allowed("rule", ARBITRATOR, until)
    if view.deal.appeals < MAX_APPEALS:
        yield Allowed("appeal", ARBITRATOR, until)
