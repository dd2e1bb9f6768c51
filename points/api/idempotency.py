"""POSTs that create, once per `Idempotency-Key`."""

from collections.abc import Callable, Mapping
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from otc.core.idempotency import Answer, IdempotentRequest

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="Any text of your own up to 255 characters, new for each thing you create.",
)
Effect = Callable[[], tuple[int, Mapping[str, Any]]]


def idempotent_request(request: Request, *, body: Any = None) -> IdempotentRequest:
    """The key of this call, in the scope of the wallet or, without a sign-in, of the client's address.

    `body` stands for the request where it is no JSON. Errors: IDEMPOTENCY_KEY_MISSING, INVALID.
    """
    address = getattr(request.user, "address", None)
    return IdempotentRequest(
        scope=str(address or BaseThrottle().get_ident(request))[:80],
        endpoint=request.path,
        key=request.headers.get("Idempotency-Key", ""),
        body=request.data if body is None else body,
    )


def answered(answer: Answer) -> Response:
    """The answer, marked when it is the stored one."""
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else None
    return Response(dict(answer.body), status=answer.status, headers=headers)
