"""Wake-ups of the keeper: losing one costs latency alone, and two at once do no harm."""

from celery import shared_task

from escrow.keeper.driver import drive_once
from otc.core.models import Chain


@shared_task(name="escrow.keeper.drive_all")  # type: ignore[untyped-decorator]  # Celery has no types
def drive_all() -> None:
    """Beat, each second."""
    for chain_id in Chain.objects.filter(active=True).values_list("pk", flat=True):
        drive.apply_async((chain_id,), expires=5)


@shared_task(name="escrow.keeper.drive")  # type: ignore[untyped-decorator]  # Celery has no types
def drive(chain_id: int) -> None:
    drive_once(chain_id=chain_id)
