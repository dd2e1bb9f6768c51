"""Probes for a supervisor or load balancer: is this process alive, and can it do its job."""

import logging

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from redis.exceptions import RedisError

from otc.core import clock
from otc.core.chains import escrow_ref
from otc.core.models import Chain

log = logging.getLogger(__name__)

# A head this old means that the watcher stands or its endpoints do. Shown, and no reason to take the web server out: reading
# and withdrawing must go on.
HEAD_LAG_MAX = 120  # seconds


def livez(_request: HttpRequest) -> JsonResponse:
    """200 while the process answers at all; touches nothing."""
    return JsonResponse({"ok": True})


def readyz(_request: HttpRequest) -> JsonResponse:
    """200 when database and Redis answer, else 503. Head lag per chain is told and does not decide."""
    checks = {"database": _database(), "redis": _redis()}
    ready = all(checks.values())
    chains = _chains() if checks["database"] else []
    return JsonResponse({"ok": ready, "checks": checks, "chains": chains}, status=200 if ready else 503)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        log.exception("The database does not answer")
        return False
    return True


def _redis() -> bool:
    try:
        cache.get("readyz")
    except (RedisError, OSError):
        log.exception("Redis does not answer")
        return False
    return True


def _chains() -> list[dict[str, object]]:
    now = clock.unix_now()
    return [
        {
            **escrow_ref(chain),
            "head": chain.head_number,
            "head_lag_seconds": None if chain.head_time is None else max(0, now - chain.head_time),
            "lagging": chain.head_time is None or now - chain.head_time > HEAD_LAG_MAX,
            "halted": bool(chain.halted),
        }
        for chain in Chain.objects.filter(active=True)
    ]
