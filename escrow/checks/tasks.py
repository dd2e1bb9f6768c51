"""The checks, each night. They only read; one that could not be made shows by the age of the last one that was."""

import logging

from celery import shared_task

from escrow.checks.runs import reconcile_run, replay_run, verify_run
from otc.core.errors import DomainError
from otc.core.models import Chain

log = logging.getLogger(__name__)

# Below the broker's visibility time-out (settings): a longer run is for a command and a clock of the operator's.
LIMITS = {"soft_time_limit": 840, "time_limit": 870}


@shared_task(name="escrow.checks.nightly")  # type: ignore[untyped-decorator]  # Celery has no types
def nightly() -> None:
    """Beat, each night."""
    verify_all.delay()
    for pk in Chain.objects.filter(active=True, head_number__isnull=False).values_list("pk", flat=True):
        reconcile_chain.delay(pk)
        replay_chain.delay(pk)


@shared_task(name="escrow.checks.verify", **LIMITS)  # type: ignore[untyped-decorator]  # as above
def verify_all() -> None:
    verify_run(chains=list(Chain.objects.all()))


@shared_task(name="escrow.checks.reconcile", **LIMITS)  # type: ignore[untyped-decorator]  # as above
def reconcile_chain(pk: int) -> None:
    try:
        reconcile_run(chain=Chain.objects.get(pk=pk))
    except DomainError as error:
        log.warning("reconcile of chain %s: %s", pk, error)


@shared_task(name="escrow.checks.replay", **LIMITS)  # type: ignore[untyped-decorator]  # as above
def replay_chain(pk: int) -> None:
    """Compares only: to put a rebuilt state in place is a person's decision."""
    try:
        replay_run(chain=Chain.objects.get(pk=pk), install=False)
    except DomainError as error:
        log.warning("replay of chain %s: %s", pk, error)
