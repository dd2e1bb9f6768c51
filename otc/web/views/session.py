"""Signing in by signature, for the browser: the message, the session, the way out."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import orjson
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from otc.accounts import ethereum, services
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import normal_hex, to_checksum
from otc.core.requests import problem_response

View = Callable[[HttpRequest], HttpResponse]
CHAIN_ID_BOUND = 2**63


def json_body(request: HttpRequest) -> dict[str, Any]:
    """The JSON object in the request's body, by orjson as in the API. Errors: INVALID."""
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise DomainError(ErrorCode.INVALID, "Send a JSON object.") from error
    if not isinstance(body, dict):
        raise DomainError(ErrorCode.INVALID, "Send a JSON object.")
    return body


def signature_of(body: dict[str, Any]) -> bytes:
    """The `signature` member, hex. Errors: SIGNATURE_INVALID."""
    text = body.get("signature")
    try:
        return bytes.fromhex(text.removeprefix("0x")) if isinstance(text, str) else b""
    except ValueError as error:
        raise DomainError(
            ErrorCode.SIGNATURE_INVALID, "A signature is 0x and hex digits.", field="signature"
        ) from error


def json_problems(view: View) -> View:
    """A DomainError out of a JSON view becomes problem details (RFC 9457), not a page."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        try:
            return view(request)
        except DomainError as error:
            return problem_response(request, error)

    return wrapped


@require_POST
@json_problems
def sign_in_message(request: HttpRequest) -> HttpResponse:
    """`{address, chain_id}` → `{message}`: what the wallet signs to sign in."""
    body = json_body(request)
    try:
        address = normal_hex(body.get("address"), 20)
    except ValueError as error:
        raise DomainError(ErrorCode.ADDRESS_INVALID, "An address is 0x and 40 hex digits.", field="address") from error
    chain_id = body.get("chain_id")
    if not isinstance(chain_id, int) or not 0 < chain_id < CHAIN_ID_BOUND:
        raise DomainError(ErrorCode.INVALID, "The chain id is a whole number.", field="chain_id")
    challenge = ethereum.challenge_issue(
        address=address, chain_id=chain_id, domain=request.get_host(), uri=request.build_absolute_uri("/")
    )
    return JsonResponse({"message": challenge.message})


@require_POST
@json_problems
def sign_in(request: HttpRequest) -> HttpResponse:
    """`{message, signature}` → `{address}` and a session."""
    body = json_body(request)
    message = body.get("message")
    if not isinstance(message, str):
        raise DomainError(ErrorCode.INVALID, "The message that was signed is missing.", field="message")
    user = ethereum.sign_in(message=message, signature=signature_of(body), domain=request.get_host())
    services.session_open(request=request, user=user)
    return JsonResponse({"address": to_checksum(user.address or "")})


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ends the session."""
    logout(request)
    return redirect("web:markets")
