"""One deal whole, and what it allows now: which action, by whom, until when, as the contract would at the chain's time."""

from collections.abc import Iterator
from dataclasses import dataclass

from escrow.domain.actions import tradable
from escrow.domain.attestations import Attestation, AttestedDeal, Step
from escrow.models import Deal, DealOutcome, DealTransfer, DeliveredRight
from escrow.selectors.deals import (
    ChainFact,
    DealView,
    TrancheView,
    auto_delivery_amount,
    deal_timeline,
    deal_transfers,
    deal_view,
    delivered_pieces,
)

ANYONE, PARTIES, BUYER, SELLER = "anyone", "parties", "buyer", "seller"
ATTESTOR, ARBITRATOR = "attestor", "arbitrator"
ROLES = [ANYONE, PARTIES, BUYER, SELLER, ATTESTOR, ARBITRATOR]
# The action that takes each step of an attested deal, and from whom. A mutual close is every deal's.
STEPS = {
    Step.ATTEST: ("attest", ATTESTOR),
    Step.DISPUTE_BY_BUYER: ("dispute", BUYER),
    Step.DISPUTE_BY_SELLER: ("dispute", SELLER),
    Step.RULE: ("rule", ARBITRATOR),
    Step.APPEAL: ("appeal", ARBITRATOR),
    Step.FINALIZE: ("finalize", ANYONE),
    Step.RULE_TIMEOUT: ("rule_timeout", ANYONE),
    Step.SLASH: ("slash", ANYONE),
}
WITHOUT_END = {Step.FINALIZE, Step.RULE_TIMEOUT, Step.SLASH}


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
    pieces: list[DeliveredRight]
    transfers: list[DealTransfer]
    timeline: list[ChainFact]


def deal_detail(deal: Deal) -> DealDetail:
    """Of a deal loaded by `deals_of`. Three queries, of a deal of rights four."""
    view = deal_view(deal)
    standing = auto_delivery_amount(deal, view.terms.token) if view.terms is not None and not view.attested else 0
    return DealDetail(
        view=view,
        auto_delivery=standing,
        allowed=allowed(view, now=deal.chain.head_time or 0, auto_delivery=standing),
        pieces=delivered_pieces(deal) if view.in_rights else [],
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
    elif tradable(status=market.status, long_stop=market.long_stop, now=now):
        found.append(Allowed("transfer_position", BUYER, market.long_stop))
        if now >= deal.chain.paused_until:
            found.append(Allowed("fill_resale", ANYONE, market.long_stop))
    if view.terms_final:
        for tranche in view.tranches:
            found += _steps(view, tranche, now) if view.attested else _of_tranche(view, tranche, now, auto_delivery)
    return [*found, Allowed("mutual_close", PARTIES)]


def _of_tranche(view: DealView, tranche: TrancheView, now: int, auto_delivery: int) -> Iterator[Allowed]:
    if tranche.outcome != DealOutcome.OPEN or now < tranche.opens_at:
        return
    number, last = tranche.number, tranche.deadline
    if now > last:
        yield Allowed("slash", ANYONE, None, number)
        return
    yield Allowed("deliver_rights" if view.in_rights else "deliver", SELLER, last, number)
    if auto_delivery:
        yield Allowed("deliver_for", ANYONE, last, number)


def _steps(view: DealView, window: TrancheView, now: int) -> Iterator[Allowed]:
    """Of an attested market: its one tranche is the window of the attestation."""
    deal = view.deal
    until = deal.phase_until or 0
    state = Attestation(phase=deal.phase, until=until, units=deal.attested_units, appeals=deal.appeals)
    open_deal = AttestedDeal(units=deal.units, opens_at=window.opens_at, deadline=window.deadline, state=state)
    taken = open_deal.steps(now=now)
    for step, (action, by) in STEPS.items():
        if step in taken:
            yield Allowed(action, by, None if step in WITHOUT_END else until or window.deadline)
