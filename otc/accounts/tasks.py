from importlib import import_module

from celery import shared_task
from django.conf import settings

from otc.accounts.services import expired_forget
from otc.core.idempotency import idempotency_forget


@shared_task(name="otc.accounts.forget_expired")  # type: ignore[untyped-decorator]  # Celery has no types
def forget_expired() -> None:
    """Deletes what can no longer be used: nonces, tokens, browser sessions, remembered answers. Idempotent."""
    expired_forget()
    idempotency_forget()
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
