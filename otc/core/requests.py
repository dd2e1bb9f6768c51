"""Middleware of every request: its id, and errors of the domain that no view caught."""

import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from otc.core.errors import DomainError

Handler = Callable[[HttpRequest], HttpResponse]
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIdMiddleware:
    """Gives each request an id (the caller's `X-Request-Id` when it is sane) and returns it."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        return response


class ProblemMiddleware:
    """A DomainError out of a page becomes a page with its sentence; out of the API, problem JSON."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DomainError):
            return None
        if request.path.startswith("/api/"):
            return problem_response(request, exception)
        return render(request, "problem.html", {"error": exception}, status=exception.status)


def problem_response(request: HttpRequest, error: DomainError) -> JsonResponse:
    """RFC 9457 problem details of a DomainError."""
    return JsonResponse(
        problem_body(request, status=error.status, code=str(error.code), detail=error.detail, field=error.field),
        status=error.status,
        content_type="application/problem+json",
    )


def problem_body(
    request: HttpRequest,
    *,
    status: int,
    code: str,
    detail: str,
    field: str = "",
    errors: list[dict[str, str]] | None = None,
) -> dict[str, object]:
    """Members: type, title, status, detail, code, request_id, errors[{field, detail}]."""
    listed = errors if errors is not None else ([{"field": field, "detail": detail}] if field else [])
    return {
        "type": f"/docs/errors#{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        "errors": listed,
        "request_id": getattr(request, "request_id", ""),
    }
