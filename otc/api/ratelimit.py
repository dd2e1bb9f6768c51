"""How often one wallet, or one address without a sign-in, may call: one bucket each for reading, writing and building transactions.

The bucket is GCRA ("leaky bucket as a meter") in one Redis script: one key per caller, one round trip, no background work. When Redis
does not answer, calls pass: a lost limit is a smaller harm than a venue that stands still.
"""

import functools
import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import redis
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from otc.core.errors import DomainError, ErrorCode

if TYPE_CHECKING:  # rest_framework.views imports this module
    from rest_framework.views import APIView

log = logging.getLogger(__name__)

REDIS_TIMEOUT = 0.25  # seconds; longer than that and the call passes
# KEYS[1] holds the time at which the bucket is empty again. ARGV: calls, seconds. Answers: seconds to wait (0: go), calls left,
# seconds until the bucket is empty.
GCRA = """
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local empty_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local after = empty_at + window / limit
local wait = after - window - now
if wait > 0 then
  return {tostring(wait), '0', tostring(empty_at - now)}
end
redis.call('SET', KEYS[1], string.format('%.6f', after), 'PX', math.ceil((after - now) * 1000))
return {'0', tostring(math.floor((window - (after - now)) * limit / window + 0.0001)), tostring(after - now)}
"""


class TooManyRequestsError(DomainError):
    def __init__(self, *, bucket: str, limit: int, window: int, wait: float) -> None:
        super().__init__(
            ErrorCode.TOO_MANY_REQUESTS,
            f"More than {limit} {bucket} calls in {window} seconds: wait {math.ceil(wait)} s. "
            "Signed-in wallets have a bucket of their own.",
        )
        self.wait = wait


@functools.cache
def _script() -> Callable[..., Any]:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=REDIS_TIMEOUT, socket_connect_timeout=REDIS_TIMEOUT
    )
    return client.register_script(GCRA)


class RateLimit(BaseThrottle):
    """DRF's throttle. A view names its bucket in `throttle_scope`; else the method decides between read and write."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Errors: TooManyRequestsError (429)."""
        bucket = getattr(view, "throttle_scope", None) or ("read" if request.method in SAFE_METHODS else "write")
        if bucket not in settings.RATE_LIMITS:
            return True
        limit, window = settings.RATE_LIMITS[bucket]
        caller = getattr(request.user, "address", None) or self.get_ident(request)
        try:
            answer = _script()(keys=[f"rate:{bucket}:{caller}"], args=[limit, window])
        except redis.RedisError:
            log.warning("Redis does not answer: the rate limit of %s calls is not held", bucket, exc_info=True)
            return True
        wait, left, reset = (float(part) for part in answer)
        request._request.rate_limit_headers = {  # type: ignore[attr-defined]  # noqa: SLF001 - read by the middleware below
            "RateLimit-Policy": f'"{bucket}";q={limit};w={window}',
            "RateLimit": f'"{bucket}";r={int(left)};t={math.ceil(reset)}',
        }
        if wait > 0:
            raise TooManyRequestsError(bucket=bucket, limit=limit, window=window, wait=wait)
        return True


class RateLimitHeadersMiddleware:
    """Tells each answer how much of the caller's bucket is left."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        for name, value in getattr(request, "rate_limit_headers", {}).items():
            response[name] = value
        return response
