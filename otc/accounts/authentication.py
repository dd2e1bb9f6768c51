from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from otc.accounts.models import User
from otc.accounts.services import token_user


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer flk_…`, from POST /api/v1/auth/verify."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        token = parts[1].decode("ascii", "replace") if len(parts) == 2 else ""  # noqa: PLR2004 - scheme and token
        user = token_user(token=token)
        if user is None:
            raise AuthenticationFailed("The token is unknown or has expired: sign in again at /api/v1/auth/verify.")
        return user, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        return 'Bearer realm="forelock"'
