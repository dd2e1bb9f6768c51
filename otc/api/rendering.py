"""JSON in and out of the REST API, by orjson.

orjson bounds nesting, refuses lone surrogates and NaN, and is strict about integers beyond 2^53: amounts are strings, and a
serializer that forgets it fails in its first test and not in a wallet's arithmetic.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.utils.functional import Promise
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

OPTIONS = orjson.OPT_STRICT_INTEGER | orjson.OPT_UTC_Z


def _plain(value: object) -> str:
    if isinstance(value, Promise | Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


class JSONRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        renderer_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> bytes:
        return b"" if data is None else orjson.dumps(data, _plain, OPTIONS)


class JSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """A JSON object of at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes.

        Errors: ParseError (400) with where the text stops being JSON, RequestDataTooBig (413).
        """
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)  # DRF reads past Django's own check
        if len(body) > limit:
            raise RequestDataTooBig
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is no JSON: {error}.") from error
        if not isinstance(data, dict):
            raise ParseError("The body must be a JSON object: {…}.")
        return data
