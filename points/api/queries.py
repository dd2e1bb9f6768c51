"""Paths and query strings, checked as strictly as bodies."""

from typing import Any

from rest_framework.request import Request

from otc.accounts.models import User
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import normal_hex
from otc.core.serializers import StrictSerializer

PAGING = ("cursor", "limit")


def query_of(request: Request, shape: type[StrictSerializer], *, paged: bool = False) -> dict[str, Any]:
    """The query string in `shape`; unknown names are refused. `paged`: the paginator reads its own."""
    given = request.query_params.dict()
    if paged:
        given = {name: value for name, value in given.items() if name not in PAGING}
    asked = shape(data=given)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def body_of(request: Request, shape: type[StrictSerializer]) -> dict[str, Any]:
    """The body in `shape`."""
    asked = shape(data=request.data)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def wallet_of(request: Request) -> User:
    """The signed-in wallet of a view that IsWallet guards."""
    assert isinstance(request.user, User), "IsWallet lets nobody else through"  # noqa: S101
    return request.user


def hash_of_path(value: str, *, field: str) -> str:
    """A 32-byte id out of a path. Errors: INVALID."""
    try:
        return normal_hex(value, 32)
    except ValueError as error:
        raise DomainError(ErrorCode.INVALID, "Expected 32 bytes: 0x and 64 hex digits.", field=field) from error
