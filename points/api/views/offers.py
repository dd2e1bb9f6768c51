from dataclasses import fields

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from otc.accounts.permissions import IsWallet
from otc.core.idempotency import perform, replay
from otc.core.pagination import CursorPagination
from otc.core.serializers import StrictSerializer
from points.api import serializers as shapes
from points.api.idempotency import IDEMPOTENCY_KEY, answered, idempotent_request
from points.api.queries import body_of, hash_of_path, query_of, wallet_of
from points.api.representations import offer_detail_json, offer_json, prepared_json
from points.domain.offers import OfferTerms
from points.selectors import offers as selectors
from points.selectors.markets import market_get
from points.services import offers as services

FIELDS = tuple(field.name for field in fields(OfferTerms))


class PrepareOfferView(APIView):
    @extend_schema(
        operation_id="offers_prepare",
        tags=["offers"],
        request=shapes.PrepareRequest,
        responses={200: shapes.PreparedAnswer},
    )
    def post(self, request: Request) -> Response:
        """Typed data to sign, with epoch and salt filled in, and how the deal ends in money. Stores nothing."""
        asked = body_of(request, shapes.PrepareRequest)
        market = market_get(
            market_id=asked.pop("market"), chain_id=asked.pop("chain_id", None), escrow=asked.pop("escrow", None)
        )
        return Response(prepared_json(services.offer_prepare(market=market, **asked)))


class OffersView(APIView):
    pagination_class = CursorPagination

    @extend_schema(
        operation_id="offers_list",
        tags=["offers"],
        parameters=[shapes.OffersQuery],
        responses=shapes.OfferAnswer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Offers by maker, market, chain, escrow and state, newest first."""
        asked = query_of(request, shapes.OffersQuery, paged=True)
        chain_number, escrow = asked.pop("chain_id", None), asked.pop("escrow", None)
        if "market" in asked:
            asked["market"] = market_get(market_id=asked["market"], chain_id=chain_number, escrow=escrow)
        found = selectors.offers(**asked, chain_number=chain_number, escrow=escrow)
        pages = CursorPagination()
        rows = pages.paginate_queryset(found, request)
        return pages.get_paginated_response([offer_json(row) for row in rows])

    @extend_schema(
        operation_id="offers_post",
        tags=["offers"],
        parameters=[IDEMPOTENCY_KEY],
        request=shapes.OfferRequest,
        responses={201: shapes.OfferDetailAnswer, 200: shapes.OfferDetailAnswer},
    )
    def post(self, request: Request) -> Response:
        """Posts a signed offer: 201, or 200 when it is posted already. No sign-in: the signature says who."""
        asked = body_of(request, shapes.OfferRequest)
        idempotent = idempotent_request(request)
        stored = replay(idempotent)
        if stored is not None:
            return answered(stored)
        terms = OfferTerms(**{name: asked["offer"][name] for name in FIELDS})
        market = market_get(market_id=terms.market, chain_id=asked.get("chain_id"), escrow=asked.get("escrow"))
        # May ask a node about a contract wallet, so before the transaction.
        checked = services.offer_check(market=market, terms=terms, signature=asked["signature"])

        def effect() -> tuple[int, dict[str, object]]:
            offer, new = services.offer_store(checked)
            return (201 if new else 200), offer_detail_json(offer)

        return answered(perform(idempotent, effect))


class OfferView(APIView):
    @extend_schema(operation_id="offers_get", tags=["offers"], responses=shapes.OfferDetailAnswer)
    def get(self, request: Request, offer_hash: str) -> Response:  # noqa: ARG002 - the URL pattern's
        """An offer with its signature: enough to fill it without this server."""
        found = selectors.offer_get(offer_hash=hash_of_path(offer_hash, field="offer_hash"))
        return Response(offer_detail_json(found))


class WithdrawOfferView(APIView):
    permission_classes = [IsWallet]

    @extend_schema(
        operation_id="offers_withdraw", tags=["offers"], request=None, responses={200: shapes.OfferDetailAnswer}
    )
    def post(self, request: Request, offer_hash: str) -> Response:
        """Takes the offer out of this book for good, by its maker. The signature stays valid on chain: send `cancel` to kill it."""
        if request.data:
            body_of(request, StrictSerializer)
        offer = services.offer_withdraw(
            user=wallet_of(request),
            offer_hash=hash_of_path(offer_hash, field="offer_hash"),
        )
        return Response(offer_detail_json(offer))
