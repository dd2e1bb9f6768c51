"""Partials are polled: an unchanged one answers 304 without a body, so the page keeps what it shows."""

import hashlib

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response


def revalidated(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """`response` with an ETag of its content, or 304 when the request already holds it. Private: it may name the reader's money."""
    etag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    conditional = get_conditional_response(request, etag=etag, response=response)
    return conditional if isinstance(conditional, HttpResponse) else response
