"""Lists by cursor: newest first, no counts, no offsets.

A cursor is the signed id of the last row seen, bound to the list it came from: clients can't make one up or carry it elsewhere.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.signing import BadSignature, Signer
from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

LIMIT_DEFAULT = 50
LIMIT_MAX = 200


def read_limit(request: Request) -> int:
    """`?limit=`, 1 to 200. Errors: ValidationError naming it."""
    text = request.query_params.get("limit")
    if text is None:
        return LIMIT_DEFAULT
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(LIMIT_MAX)) and 1 <= int(text) <= LIMIT_MAX):
        raise ValidationError({"limit": [f"A whole number from 1 to {LIMIT_MAX}."]})
    return int(text)


class CursorPagination(BasePagination):
    """Pages a queryset of models or of `.values(…, "id")` by descending id. `ascending = True` in a subclass turns it."""

    ascending = False

    def paginate_queryset(  # type: ignore[override]  # only of querysets
        self,
        queryset: QuerySet[Any],
        request: Request,
        view: APIView | None = None,  # noqa: ARG002 - DRF's signature
    ) -> Sequence[Any]:
        limit = read_limit(request)
        self._signer = Signer(salt=f"cursor:{request.path}")
        last = self._read_cursor(request)
        if last is not None:
            queryset = queryset.filter(id__gt=last) if self.ascending else queryset.filter(id__lt=last)
        rows = list(queryset.order_by("id" if self.ascending else "-id")[: limit + 1])
        self._next = None
        if len(rows) > limit:
            rows = rows[:limit]
            row = rows[-1]
            self._next = self._signer.sign_object(row["id"] if isinstance(row, Mapping) else row.pk)
        return rows

    def _read_cursor(self, request: Request) -> int | None:
        text = request.query_params.get("cursor")
        if text is None:
            return None
        try:
            return int(self._signer.unsign_object(text))
        except (BadSignature, ValueError) as error:
            raise ValidationError(
                {"cursor": ["This cursor is not from this list: take `next` of its last page, or leave it out."]}
            ) from error

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self._next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {
                "results": schema,
                "next": {"type": ["string", "null"], "description": "The cursor of the next page; null on the last."},
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:  # noqa: ARG002
        return [
            {
                "name": "cursor",
                "in": "query",
                "description": "`next` of the page before.",
                "schema": {"type": "string"},
            },
            {
                "name": "limit",
                "in": "query",
                "description": "Rows a page.",
                "schema": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
            },
        ]
