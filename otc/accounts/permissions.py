from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class IsWallet(BasePermission):
    """Signed in with a wallet. Staff accounts have none and may not trade; without a sign-in DRF answers 401, for staff 403."""

    message = "This needs a wallet: staff accounts can't do it."

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - DRF's signature
        return bool(request.user.is_authenticated and getattr(request.user, "address", None))
