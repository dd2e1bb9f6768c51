"""Middleware of every request: its id, and the shape in which errors leave.

Under `/api/` every error is RFC 9457 problem JSON, whoever made it: a view, the router, the CSRF check, the host check, or a bug.
"""

import re
import uuid
from collections.abc import Callable, Sequence
from http import HTTPStatus

import orjson
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from otc.core.errors import DomainError, ErrorCode

Handler = Callable[[HttpRequest], HttpResponseBase]
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
API_PREFIX = "/api/"
PROBLEM_JSON = "application/problem+json"

# What a client is told when Django itself refuses, before or around our views.
GENERIC: dict[int, tuple[ErrorCode, str]] = {
    400: (ErrorCode.MALFORMED, "The request can't be read: check its host, headers and body."),
    401: (ErrorCode.SIGN_IN_REQUIRED, "Sign in first: POST /api/v1/auth/nonce, then /api/v1/auth/verify."),
    403: (ErrorCode.FORBIDDEN, "Refused. A browser session must send its CSRF token as X-CSRFToken; a bearer token needs none."),
    404: (ErrorCode.NOT_FOUND, "Nothing is at this path. /api/v1/docs lists what there is."),
    405: (ErrorCode.METHOD_NOT_ALLOWED, "This path does not take that method: see the Allow header."),
    413: (ErrorCode.TOO_LARGE, "The request body is too large."),
}  # fmt: skip
INTERNAL = (
    "Something failed on our side and was logged under this request_id. Nothing was stored; trying again is safe."
)


class RequestIdMiddleware:
    """Gives each request an id (the caller's `X-Request-Id` when it is sane) and returns it."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-Id", "")
        request.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        return response


class ProblemMiddleware:
    """A DomainError out of a page becomes a page with its sentence. Under /api/, every error becomes problem JSON."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code < HTTPStatus.BAD_REQUEST or not request.path_info.startswith(API_PREFIX):
            return response
        if response.get("Content-Type") == PROBLEM_JSON or not isinstance(response, HttpResponse):
            return response
        # Rewritten in place: its other headers (Allow, WWW-Authenticate, Retry-After) still hold.
        code, detail = GENERIC.get(response.status_code, (ErrorCode.INTERNAL, INTERNAL))
        response.content = problem_json(request, status=response.status_code, code=code, detail=detail)
        response["Content-Type"] = PROBLEM_JSON
        # An inner middleware has counted the old body; a server that trusts it breaks the connection off.
        response["Content-Length"] = str(len(response.content))
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DomainError):
            return None
        if request.path_info.startswith(API_PREFIX):
            return problem_response(request, exception)
        return render(request, "problem.html", {"error": exception}, status=exception.status)


def problem_response(request: HttpRequest, error: DomainError) -> HttpResponse:
    """RFC 9457 problem details of a DomainError."""
    body = problem_json(request, status=error.status, code=error.code, detail=error.detail, errors=errors_of(error))
    return HttpResponse(body, status=error.status, content_type=PROBLEM_JSON)


def errors_of(error: DomainError) -> list[dict[str, str]]:
    """The `errors` member of a DomainError: the one field at fault, if it names one."""
    return [{"field": error.field, "detail": error.detail}] if error.field else []


def problem_body(
    request: object, *, status: int, code: ErrorCode, detail: str, errors: Sequence[dict[str, str]] = ()
) -> dict[str, object]:
    """Members: type, title, status, detail, code, request_id, errors[{field, detail}]."""
    return {
        "type": f"urn:forelock:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": str(code),
        "errors": list(errors),
        "request_id": getattr(request, "request_id", ""),
    }


def problem_json(
    request: object, *, status: int, code: ErrorCode, detail: str, errors: Sequence[dict[str, str]] = ()
) -> bytes:
    """problem_body as bytes."""
    return orjson.dumps(problem_body(request, status=status, code=code, detail=detail, errors=errors))
