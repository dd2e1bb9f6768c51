from celery import shared_task

from points.services.list_imports import list_import, lists_pending


@shared_task(name="points.import_pending_lists")  # type: ignore[untyped-decorator]  # Celery has no types
def import_pending_lists() -> None:
    """Imports what waits. Idempotent: a list is held by a lock while it is imported."""
    for list_id in lists_pending():
        list_import(list_id=list_id)
