"""Wake-ups of the chain reader: losing one costs latency alone, and a second one finds the chain locked and returns."""

import logging

from celery import shared_task

from escrow.chain.watcher import Outcome, watch
from otc.core.models import Chain

log = logging.getLogger(__name__)

BUDGET = 5.0  # seconds of steps in one task, so that no chain keeps a worker for itself
EXPIRES = 5  # seconds: a wake-up that waited longer has been followed by others


@shared_task(name="escrow.chain.watch_all")  # type: ignore[untyped-decorator]  # Celery has no types
def watch_all() -> None:
    """Beat, each second."""
    for chain_id in Chain.objects.filter(active=True, halted="").values_list("pk", flat=True):
        watch_chain.apply_async((chain_id,), expires=EXPIRES)


@shared_task(name="escrow.chain.watch")  # type: ignore[untyped-decorator]  # Celery has no types
def watch_chain(chain_id: int) -> None:
    """Reads one chain up to its head; while behind, wakes itself again."""
    result = watch(chain_id, budget=BUDGET)
    if result.outcome is Outcome.WAITING:
        log.info("chain %s waits: %s", chain_id, result.detail)
    if result.behind:
        watch_chain.apply_async((chain_id,), expires=EXPIRES)
