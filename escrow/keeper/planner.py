"""Finds what is due and writes it down as intents. Database only; it may run any number of times, by any number of processes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, PositiveSmallIntegerField, Q, QuerySet, Value, When

from escrow.contracts import structs
from escrow.domain.duties import DELIVERIES, OF_PHASE, WHOLE_REVERTS, Due, Duty, duties_of_market
from escrow.domain.payouts import due_in_tranche, units_of_something_due
from escrow.keeper.models import Intent, IntentState
from escrow.models import AutoDelivery, ChainEvent, Deal, DealOutcome, DealPhase, DealTranche
from otc.core.failpoints import reach
from otc.core.locks import lock_rows
from otc.core.models import Chain
from points.models import Market

CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Fresh:
    """Contract ids of what the chain said something of above the safe block: it may be taken back, so it waits."""

    deals: frozenset[str]
    markets: frozenset[str]


def intent_key(action: str, deal_id: str, tranche: int) -> str:
    """`deal:<id>:slash:<tranche>`, `…:refund`, `…:finalize`, `…:timeout`, `…:deliver:<tranche>`, `…:rest:<tranche>`."""
    of_a_tranche = action == Duty.SLASH or action in DELIVERIES
    return f"deal:{deal_id}:{action}:{tranche}" if of_a_tranche else f"deal:{deal_id}:{action}"


def plan(*, chain_id: int) -> int:
    """Writes the intents that are due at the chain's head time, each once, and takes up again those that were moot, or done in part, and
    are due again. Returns how many were written or taken up.

    Facts must be deep enough: of a deal or market of which something was said above the safe block nothing is planned. Times are
    judged by the head's time.
    """
    chain = Chain.objects.filter(pk=chain_id, active=True, halted="").first()
    if chain is None or chain.head_time is None or chain.head_number is None or chain.safe_number is None:
        return 0
    fresh = _fresh(chain, above=chain.safe_number)
    return sum(_write(chain, due, deals, fresh) for due, deals in _due(chain, fresh, now=chain.head_time))


def _fresh(chain: Chain, *, above: int) -> Fresh:
    events = ChainEvent.objects.filter(chain=chain, canonical=True, block_number__gt=above)
    pairs = list(events.order_by().values_list("deal_id", "market_id"))
    return Fresh(
        deals=frozenset(deal for deal, _ in pairs if deal is not None),
        markets=frozenset(market for deal, market in pairs if deal is None and market is not None),
    )


def _due(chain: Chain, fresh: Fresh, *, now: int) -> Iterator[tuple[Due, QuerySet[Deal]]]:
    """What is due now, each with the open deals for which it is."""
    deals = Deal.objects.filter(chain=chain, outcome=DealOutcome.OPEN)
    has_open_deal = Exists(deals.filter(market=OuterRef("pk")))
    markets = Market.objects.filter(has_open_deal, chain=chain).select_related("settlement_terms").order_by("pk")
    for market in markets:
        if market.market_id in fresh.markets:
            continue
        terms = getattr(market, "settlement_terms", None)
        for due in duties_of_market(
            status=market.status,
            final_at=terms.final_at if terms else None,
            long_stop=market.long_stop,
            schedule=structs.schedule(terms) if terms else None,
            attested=market.settlement == structs.ATTESTED,
            now=now,
        ):
            yield due, _of_market(deals, market, due)
    for phase, duty in OF_PHASE.items():
        yield Due(duty), deals.filter(phase=phase, phase_until__lt=now)


def _of_market(deals: QuerySet[Deal], market: Market, due: Due) -> QuerySet[Deal]:
    """The deals of the market that the duty concerns: what was attested or disputed ends in other ways."""
    deals = deals.filter(market=market, phase=DealPhase.NONE)
    if due.duty is Duty.REFUND:
        return deals
    done = DealTranche.objects.filter(deal=OuterRef("pk"), number=due.tranche, outcome__gt=DealOutcome.OPEN)
    deals = deals.filter(~Exists(done))
    if due.duty in DELIVERIES:
        nothing_due = _of_nothing_due(deals, market, due.tranche) if due.duty is Duty.DELIVER else []
        approvals = AutoDelivery.objects.filter(
            chain=market.chain_id, market_id=market.market_id, token=market.settlement_terms.token, amount__gt=0
        )
        deals = deals.filter(Q(seller__in=list(approvals.values_list("seller", flat=True))) | Q(pk__in=nothing_due))
    return deals


def _of_nothing_due(deals: QuerySet[Deal], market: Market, tranche: int) -> list[int]:
    """Those so small that the tranche comes to no token: anybody may settle it, and nobody has to give anything. Pieces of a right are
    delivered by their seller alone.
    """
    if market.settlement_terms.semi_fungible is not None:
        return []
    terms = structs.settlement_terms(market.settlement_terms)
    small = deals.filter(units__lt=units_of_something_due(terms, tranche)).values_list("pk", "units")
    return [pk for pk, units in small if due_in_tranche(units, terms, tranche) == 0]


def _write(chain: Chain, due: Due, deals: QuerySet[Deal], fresh: Fresh) -> int:
    """Inserts what is missing, and takes up what is moot without reason, or done in part. In chunks by id: so the plan of the query does not hang
    on how fresh PostgreSQL's statistics are in the minute in which ten thousand deals fall due.
    """
    found = deals.order_by("pk").values_list("deal_id", flat=True)
    deal_ids = [deal_id for deal_id in found if deal_id not in fresh.deals]
    written = 0
    for start in range(0, len(deal_ids), CHUNK):
        chunk = deal_ids[start : start + CHUNK]
        known = Intent.objects.filter(chain=chain, action=due.duty, tranche=due.tranche, deal_id__in=chunk)
        stale = dict(known.annotate(stale=_stale(chain)).values_list("deal_id", "stale"))
        written += _insert(chain, due, [deal_id for deal_id in chunk if deal_id not in stale])
        if any(stale.values()):
            written += _take_up(known.filter(_stale(chain)))
        reach("keeper.planned")
    return written


def _insert(chain: Chain, due: Due, deal_ids: Sequence[Any]) -> int:
    rows = [
        Intent(
            chain=chain,
            key=intent_key(due.duty, str(deal_id), due.tranche),
            action=due.duty,
            deal_id=deal_id,
            tranche=due.tranche,
        )
        for deal_id in deal_ids
    ]
    Intent.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _stale(chain: Chain) -> Q:
    """Still the fold says that it is due, though
    - it was moot at a block that the fold has reached: that block was reorged away, or something later (an appeal that ran out, an
      extension that passed) made it due again;
    - it is done: a delivery, of which after reverts of the whole only a part went.
    """
    moot = Q(state=IntentState.MOOT, judged_block__lte=chain.head_number)
    return moot | Q(state=IntentState.DONE, action__in=DELIVERIES, reverts__gt=WHOLE_REVERTS)


@transaction.atomic
def _take_up(stale: QuerySet[Intent]) -> int:
    locked = [intent.pk for intent in lock_rows(stale)]
    return Intent.objects.filter(pk__in=locked).update(
        state=IntentState.PLANNED,
        judged_block=None,
        attempt=None,
        reverts=Case(
            When(state=IntentState.DONE, then=Value(0)), default=F("reverts"), output_field=PositiveSmallIntegerField()
        ),
        detail="",
    )
