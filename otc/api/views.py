"""Signing in and out. Everything else of the API lives with what it is about: points.api, escrow.api."""

from django.contrib.auth import logout
from django.db.models import Prefetch
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from otc.accounts import ethereum, services
from otc.accounts.models import User
from otc.accounts.permissions import IsWallet
from otc.api.serializers import MeAnswer, NonceAnswer, NonceRequest, VerifyAnswer, VerifyRequest
from points.models import ProjectMember


class NonceView(APIView):
    authentication_classes = []
    throttle_scope = "write"

    @extend_schema(operation_id="auth_nonce", tags=["auth"], request=NonceRequest, responses={200: NonceAnswer})
    def post(self, request: Request) -> Response:
        """The EIP-4361 text that this wallet signs to sign in; good for five minutes, once."""
        asked = NonceRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        challenge = ethereum.challenge_issue(
            address=asked.validated_data["address"],
            chain_id=asked.validated_data["chain_id"],
            domain=request.get_host(),
            uri=request.build_absolute_uri("/"),
        )
        return Response(NonceAnswer(challenge).data)


class VerifyView(APIView):
    authentication_classes = []
    throttle_scope = "write"

    @extend_schema(operation_id="auth_verify", tags=["auth"], request=VerifyRequest, responses={200: VerifyAnswer})
    def post(self, request: Request) -> Response:
        """A bearer token for the wallet that signed the message."""
        asked = VerifyRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        user = ethereum.sign_in(**asked.validated_data, domain=request.get_host())
        token, row = services.token_issue(user=user)
        return Response(VerifyAnswer({"token": token, "expires_at": row.expires_at, "address": user.address}).data)


class SignOutView(APIView):
    permission_classes = [IsAuthenticated]

    @extend_schema(operation_id="auth_sign_out", tags=["auth"], request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        """Ends the token of this call, or the browser session."""
        if isinstance(request.auth, str):
            services.token_revoke(token=request.auth)
        else:
            logout(request._request)  # noqa: SLF001 - DRF's name for the request it wraps
        return Response(status=204)


class MeView(APIView):
    permission_classes = [IsWallet]

    @extend_schema(operation_id="me", tags=["auth"], responses={200: MeAnswer})
    def get(self, request: Request) -> Response:
        """Who signed in, and for which projects it may act."""
        memberships = Prefetch("memberships", ProjectMember.objects.select_related("project").order_by("project__slug"))
        me = User.objects.prefetch_related(memberships).get(username=request.user.get_username())
        return Response(MeAnswer(me).data)
