"""Every error of a REST view as RFC 9457 problem details.

An exception that nobody foresaw is none of these: it goes on to Django, which logs it with its traceback, and leaves as the bare
500 of `otc.core.requests`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as ModelValidationError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings

from otc.core.errors import DomainError, ErrorCode
from otc.core.requests import GENERIC, PROBLEM_JSON, errors_of, problem_body

CODE_OF_STATUS = {
    400: ErrorCode.MALFORMED,
    401: ErrorCode.SIGN_IN_REQUIRED,
    403: ErrorCode.FORBIDDEN,
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    406: ErrorCode.NOT_ACCEPTABLE,
    415: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    429: ErrorCode.TOO_MANY_REQUESTS,
}
ERRORS_MAX = 50  # a batch of a thousand bad items needs no thousand sentences


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    code: ErrorCode
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's hook. None: not foreseen, DRF raises it again."""
    problem = describe(error)
    if problem is None:
        return None
    body = problem_body(
        context["request"], status=problem.status, code=problem.code, detail=problem.detail, errors=problem.errors
    )
    return Response(body, status=problem.status, headers=problem.headers, content_type=PROBLEM_JSON)


def describe(error: Exception) -> Problem | None:  # noqa: PLR0911 - one return per kind of error
    """What a client is told of `error`; None when nobody foresaw it."""
    if isinstance(error, DomainError):
        return Problem(error.status, error.code, error.detail, errors_of(error), _retry_after(error))
    if isinstance(error, exceptions.ValidationError):
        return _invalid(list(_flatten(error.detail)))
    if isinstance(error, ModelValidationError):
        listed = error.message_dict if hasattr(error, "error_dict") else error.messages
        return _invalid(list(_flatten(listed)))
    if isinstance(error, Http404 | ObjectDoesNotExist):
        return Problem(404, ErrorCode.NOT_FOUND, "There is no such thing here, or it is not yours to see.")
    if isinstance(error, PermissionDenied):
        return Problem(403, ErrorCode.FORBIDDEN, str(error) or GENERIC[403][1])
    if isinstance(error, RequestDataTooBig):
        return Problem(413, *GENERIC[413])
    if isinstance(error, SuspiciousOperation):
        return Problem(400, *GENERIC[400])
    if isinstance(error, exceptions.APIException):
        return _of_framework(error)
    return None


def _retry_after(error: Exception) -> dict[str, str]:
    """`wait` of an error is when to come back, in seconds."""
    wait = getattr(error, "wait", None)
    return {} if wait is None else {"Retry-After": str(math.ceil(wait))}


def _of_framework(error: exceptions.APIException) -> Problem | None:
    code = CODE_OF_STATUS.get(error.status_code)
    if code is None:
        return None
    headers = _retry_after(error)
    if challenge := getattr(error, "auth_header", ""):
        headers["WWW-Authenticate"] = challenge
    return Problem(error.status_code, code, str(error.detail), headers=headers)


def _invalid(errors: list[dict[str, str]]) -> Problem:
    """400 for input that breaks the shape; the sentence names every field, `errors` says what is wrong with each."""
    if len(errors) == 1:
        only = errors[0]
        detail = f"{only['field']}: {only['detail']}" if only["field"] else only["detail"]
    else:
        detail = "Check these fields: " + ", ".join(dict.fromkeys(e["field"] for e in errors if e["field"])) + "."
    return Problem(400, ErrorCode.INVALID, detail, errors[:ERRORS_MAX])


def _flatten(detail: Any, path: str = "") -> Iterator[dict[str, str]]:
    """DRF's nested error detail as `{field: "fills[0].units", detail}`; the request as a whole is the empty field."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            if name in {api_settings.NON_FIELD_ERRORS_KEY, "__all__"}:
                yield from _flatten(inner, path)
            elif isinstance(name, int):  # DRF's sparse list of bad items
                yield from _flatten(inner, f"{path}[{name}]")
            else:
                yield from _flatten(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            # A list of texts is several complaints about one field; a list of mappings, one per item.
            yield from _flatten(inner, f"{path}[{index}]" if isinstance(inner, Mapping) else path)
    else:
        yield {"field": path, "detail": str(detail)}
