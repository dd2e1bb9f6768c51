import hashlib

import orjson
from django.http import HttpResponseBase
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from otc.core.chains import chain_of
from otc.core.idempotency import perform
from otc.core.pagination import LIMIT_DEFAULT, CursorPagination
from points.api import serializers as shapes
from points.api.idempotency import IDEMPOTENCY_KEY, answered, idempotent_request
from points.api.queries import body_of, hash_of_path, query_of, wallet_of
from points.api.representations import STATUSES, book_json, market_detail_json, market_json
from points.api.views.projects import ListView
from points.models import Market
from points.selectors import markets as selectors
from points.selectors.offers import book
from points.selectors.projects import program_get
from points.services import markets as services

STATUS_CODES = {name: code for code, name in STATUSES.items()}


class MarketsView(ListView):
    @extend_schema(
        operation_id="markets_list",
        tags=["markets"],
        parameters=[shapes.MarketsQuery],
        responses=shapes.MarketAnswer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Listed markets with their best prices, newest first."""
        asked = query_of(request, shapes.MarketsQuery, paged=True)
        rows = selectors.markets_with_quotes()
        if "program" in asked:
            rows = rows.filter(program__slug=asked["program"])
        if "project" in asked:
            rows = rows.filter(program__project__slug=asked["project"])
        if "status" in asked:
            rows = rows.filter(status=STATUS_CODES[asked["status"]])
        if "escrow" in asked:
            rows = rows.filter(chain__kind=asked["escrow"])
        pages = CursorPagination()
        return pages.get_paginated_response([market_json(row) for row in pages.paginate_queryset(rows, request)])

    @extend_schema(
        operation_id="markets_create",
        tags=["markets"],
        parameters=[IDEMPOTENCY_KEY],
        request=shapes.MarketRequest,
        responses={201: shapes.MarketDetailAnswer},
    )
    def post(self, request: Request) -> Response:
        """Registers the terms of a market, by a member of the program's project. To open it, send `create_market`."""
        asked = body_of(request, shapes.MarketRequest)
        program = program_get(slug=asked.pop("program"))
        chain = chain_of(asked.pop("chain_id", None), asked.pop("escrow", None))

        def effect() -> tuple[int, dict[str, object]]:
            market = services.market_register(
                user=wallet_of(request),
                program=program,
                chain=chain,
                pay_token_address=asked.pop("pay_token"),
                **asked,
            )
            return 201, _detail(market)

        return answered(perform(idempotent_request(request), effect))


def _detail(market: Market) -> dict[str, object]:
    return market_detail_json(market, services.market_terms(market))


class MarketView(APIView):
    @extend_schema(
        operation_id="markets_get",
        tags=["markets"],
        parameters=[shapes.MarketQuery],
        responses=shapes.MarketDetailAnswer,
    )
    def get(self, request: Request, market_id: str) -> Response:
        """A market with its terms as hashed and the rules text. Unlisted ones too."""
        asked = query_of(request, shapes.MarketQuery)
        market = selectors.market_get(market_id=hash_of_path(market_id, field="market_id"), **asked)
        return Response(_detail(market))


class BookView(APIView):
    @extend_schema(
        operation_id="markets_book",
        tags=["markets"],
        parameters=[shapes.BookQuery],
        responses={200: shapes.BookAnswer, 304: None},
    )
    def get(self, request: Request, market_id: str) -> HttpResponseBase:
        """Open, covered offers: best price first, then most collateral, then oldest. The ETag changes with the offers alone.

        Offers for one taker are shown to that taker, signed in.
        """
        asked = query_of(request, shapes.BookQuery)
        limit = asked.pop("limit", LIMIT_DEFAULT)
        market = selectors.market_get(market_id=hash_of_path(market_id, field="market_id"), **asked)
        body = book_json(book(market=market, viewer=getattr(request.user, "address", None), limit=limit))
        digest = hashlib.sha256(orjson.dumps([body["bids"], body["asks"]])).hexdigest()[:32]
        etag = f'W/"{digest}"'
        unchanged = get_conditional_response(request._request, etag=etag)  # noqa: SLF001 - DRF's name for what it wraps
        answer: HttpResponseBase = unchanged or Response(body)
        answer["ETag"] = etag
        answer["Cache-Control"] = "no-cache"
        answer["Vary"] = "Authorization, Cookie"
        return answer
