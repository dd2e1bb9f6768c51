"""Finds what is due and writes it down as intents. Database only; it may run any number of times, by any number of processes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from escrow.contracts import structs
from escrow.domain.actions import refundable
from escrow.keeper.models import Intent, IntentState
from escrow.models import Deal, DealOutcome, DealPhase, DealTranche
from otc.core.failpoints import reach
from otc.core.locks import lock_rows
from otc.core.models import Chain
from points.models import Market, MarketStatus

SLASH, REFUND = "slash", "refund"
CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Due:
    """All open deals of one market are due for this."""

    market_pk: int
    action: str
    tranche: int


def intent_key(action: str, deal_id: str, tranche: int) -> str:
    """`deal:<id>:slash:<tranche>` or `deal:<id>:refund`."""
    return f"deal:{deal_id}:slash:{tranche}" if action == SLASH else f"deal:{deal_id}:refund"


def plan(*, chain_id: int) -> int:
    """Writes the intents that are due at the chain's head time, each once, and takes up again those that a reorg made due
    again. Returns how many were written or taken up.

    Facts must be deep enough: the deal's opening at least safe. The deadline is judged by the head's time.
    """
    chain = Chain.objects.filter(pk=chain_id, active=True, halted="").first()
    if chain is None or chain.head_time is None or chain.head_number is None or chain.safe_number is None:
        return 0
    return sum(_write(chain, due) for due in _due(chain, now=chain.head_time))


def _due(chain: Chain, *, now: int) -> Iterator[Due]:
    """The (market, action, tranche) that are due now and have an open deal."""
    has_open_deal = Exists(Deal.objects.filter(market=OuterRef("pk"), outcome=DealOutcome.OPEN))
    markets = Market.objects.filter(has_open_deal, chain=chain).select_related("settlement_terms").order_by("pk")
    for market in markets:
        if refundable(status=market.status, long_stop=market.long_stop, now=now):
            yield Due(market.pk, REFUND, 0)
        elif market.status == MarketStatus.PROPOSED and hasattr(market, "settlement_terms"):
            for tranche in structs.schedule(market.settlement_terms).slashable(now=now):
                yield Due(market.pk, SLASH, tranche)


def _open_deals(due: Due) -> QuerySet[Deal]:
    deals = Deal.objects.filter(market_id=due.market_pk, outcome=DealOutcome.OPEN)
    if due.action == SLASH:
        done = DealTranche.objects.filter(deal=OuterRef("pk"), number=due.tranche, outcome__gt=DealOutcome.OPEN)
        # What was attested or disputed ends in other ways.
        deals = deals.filter(~Exists(done), phase=DealPhase.NONE)
    return deals


def _write(chain: Chain, due: Due) -> int:
    """Inserts what is missing, and takes up what is moot without reason. In chunks by id: so the plan of the query does not hang
    on how fresh PostgreSQL's statistics are in the minute in which ten thousand deals fall due.
    """
    safe = Q(opened_event__block_number__lte=chain.safe_number)
    deal_ids = list(_open_deals(due).filter(safe).order_by("pk").values_list("deal_id", flat=True))
    written = 0
    for start in range(0, len(deal_ids), CHUNK):
        chunk = deal_ids[start : start + CHUNK]
        known = Intent.objects.filter(chain=chain, action=due.action, tranche=due.tranche, deal_id__in=chunk)
        judged = {
            deal_id: (state, block) for deal_id, state, block in known.values_list("deal_id", "state", "judged_block")
        }
        written += _insert(chain, due, [deal_id for deal_id in chunk if deal_id not in judged])
        written += _take_up(chain, known, [deal_id for deal_id, found in judged.items() if _stale(chain, *found)])
        reach("keeper.planned")
    return written


def _insert(chain: Chain, due: Due, deal_ids: Sequence[Any]) -> int:
    rows = [
        Intent(
            chain=chain,
            key=intent_key(due.action, str(deal_id), due.tranche),
            action=due.action,
            deal_id=deal_id,
            tranche=due.tranche,
        )
        for deal_id in deal_ids
    ]
    Intent.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _stale(chain: Chain, state: str, judged_block: int | None) -> bool:
    """It was moot at a block that the fold has reached, and still the fold says it is due: that block was reorged away."""
    return state == IntentState.MOOT and judged_block is not None and judged_block <= (chain.head_number or 0)


@transaction.atomic
def _take_up(chain: Chain, known: QuerySet[Intent], deal_ids: Sequence[Any]) -> int:
    if not deal_ids:
        return 0
    moot = known.filter(state=IntentState.MOOT, judged_block__lte=chain.head_number, deal_id__in=deal_ids)
    locked = [intent.pk for intent in lock_rows(moot)]
    return Intent.objects.filter(pk__in=locked).update(
        state=IntentState.PLANNED, judged_block=None, attempt=None, detail=""
    )
