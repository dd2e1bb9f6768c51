"""Wake-ups of the chain reader: losing one costs latency alone, and a second one finds the chain locked and returns."""

import logging

from celery import shared_task

from escrow.chain.models import Block
from escrow.chain.watcher import Outcome, watch
from otc.core import clock
from otc.core.models import Chain

log = logging.getLogger(__name__)

BUDGET = 5.0  # seconds of steps in one task, so that no chain keeps a worker for itself
EXPIRES = 5  # seconds: a wake-up that waited longer has been followed by others
STAY = 0.9  # seconds that a task looks at a fast chain: a little less than beat's second
LOOK_EVERY = 0.15  # seconds between its looks
FAST, FAST_BLOCKS = 2.0, 8  # a chain is fast whose last blocks came so many seconds apart
LEVEL_WITH_HEAD = {Outcome.EXTENDED, Outcome.LEVEL}


@shared_task(name="escrow.chain.watch_all")  # type: ignore[untyped-decorator]  # Celery has no types
def watch_all() -> None:
    """Beat, each second."""
    for chain_id in Chain.objects.filter(active=True, halted="").values_list("pk", flat=True):
        watch_chain.apply_async((chain_id,), expires=EXPIRES)


@shared_task(name="escrow.chain.watch")  # type: ignore[untyped-decorator]  # Celery has no types
def watch_chain(chain_id: int) -> None:
    """Reads one chain up to its head; while behind, wakes itself again. Where blocks come fast it stays until the next beat and looks
    again and again: a look a second would be half a second late on average.
    """
    until = clock.monotonic() + STAY
    result = watch(chain_id, budget=BUDGET)
    while result.outcome in LEVEL_WITH_HEAD and not result.behind and clock.monotonic() < until and _is_fast(chain_id):
        clock.wait(LOOK_EVERY)
        result = watch(chain_id, budget=BUDGET)
    if result.outcome is Outcome.WAITING:
        log.info("chain %s waits: %s", chain_id, result.detail)
    if result.behind:
        watch_chain.apply_async((chain_id,), expires=EXPIRES)


def _is_fast(chain_id: int) -> bool:
    """Whether the last blocks came no more than FAST seconds apart."""
    rows = Block.objects.filter(chain=chain_id, canonical=True).order_by("-number")
    newest = list(rows.values_list("number", "timestamp")[:FAST_BLOCKS])
    if len(newest) < FAST_BLOCKS:
        return False
    (number, timestamp), (first_number, first_timestamp) = newest[0], newest[-1]
    return bool(timestamp - first_timestamp <= FAST * (number - first_number))
