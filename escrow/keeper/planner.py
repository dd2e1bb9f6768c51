"""Finds what is due and writes it down as intents. Database only; it may run any number of times, by any number of processes."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from escrow.contracts import structs
from escrow.domain.actions import refundable
from escrow.keeper.models import Intent, IntentState
from escrow.models import Deal, DealOutcome, DealTranche
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
    chain = Chain.objects.filter(chain_id=chain_id, active=True, halted="").first()
    if chain is None or chain.head_time is None or chain.head_number is None or chain.safe_number is None:
        return 0
    written = 0
    for due in _due(chain, now=chain.head_time):
        written += _take_up(chain, due, head=chain.head_number)
        written += _insert(chain, due, safe=chain.safe_number)
    return written


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
        deals = deals.filter(~Exists(done))
    return deals


def _insert(chain: Chain, due: Due, *, safe: int) -> int:
    wanted = Intent.objects.filter(chain=chain, deal_id=OuterRef("deal_id"), action=due.action, tranche=due.tranche)
    deals = _open_deals(due).filter(~Exists(wanted), opened_event__block_number__lte=safe)
    rows = [
        Intent(
            chain=chain,
            key=intent_key(due.action, str(deal_id), due.tranche),
            action=due.action,
            deal_id=deal_id,
            tranche=due.tranche,
        )
        for deal_id in deals.order_by("pk").values_list("deal_id", flat=True)
    ]
    Intent.objects.bulk_create(rows, ignore_conflicts=True, batch_size=CHUNK)
    return len(rows)


def _take_up(chain: Chain, due: Due, *, head: int) -> int:
    """An intent was moot at a block that the fold has reached, and still the fold says it is due: that block was reorged away."""
    due_deals = _open_deals(due).filter(chain=chain, deal_id=OuterRef("deal_id"))
    moot = Intent.objects.filter(
        Exists(due_deals),
        chain=chain,
        action=due.action,
        tranche=due.tranche,
        state=IntentState.MOOT,
        judged_block__lte=head,
    )
    with transaction.atomic():
        keys = list(moot.order_by("pk").select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True))
        return Intent.objects.filter(pk__in=keys).update(
            state=IntentState.PLANNED, judged_block=None, attempt=None, detail=""
        )
