"""How trades settle, over REST: chains, deals, money, and unsigned transactions."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from escrow.api import actions, signables
from escrow.api import representations as to_json
from escrow.api import serializers as shapes
from escrow.models import Account, Deal
from escrow.selectors.allowed import deal_detail
from escrow.selectors.balances import balances
from escrow.selectors.deals import deal_get, deal_view, deals_of, rights_kept
from escrow.selectors.receipts import receipt
from escrow.selectors.solvency import solvency, tokens_held
from escrow.services import signing, transactions
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import normal_hex, to_checksum
from otc.core.models import Chain
from otc.core.pagination import CursorPagination
from points.api.queries import body_of, hash_of_path, query_of
from points.api.views import markets as points_views
from points.selectors.markets import market_get


def _address_of_path(value: str) -> str:
    """Errors: INVALID."""
    try:
        return normal_hex(value, 20)
    except ValueError as error:
        raise DomainError(ErrorCode.INVALID, "Expected an address: 0x and 40 hex digits.", field="address") from error


class StatusView(APIView):
    authentication_classes = []

    @extend_schema(operation_id="status", tags=["status"], responses={200: shapes.StatusAnswer})
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """The chains that are served: escrow, newest block, depth, fee, pauses."""
        return Response({"chains": [to_json.chain_json(chain) for chain in Chain.objects.filter(active=True)]})


# ---------------------------------------------------------------- deals


class DealsView(GenericAPIView[Deal]):
    pagination_class = CursorPagination

    @extend_schema(
        operation_id="deals_list",
        tags=["deals"],
        parameters=[shapes.DealsQuery],
        responses={200: shapes.DealAnswer(many=True)},
    )
    def get(self, request: Request) -> Response:
        """Deals, newest first: of a party, of a market, or by outcome."""
        asked = query_of(request, shapes.DealsQuery, paged=True)
        outcome = to_json.OUTCOME_CODES[asked["outcome"]] if "outcome" in asked else None
        found = deals_of(
            party=asked.get("party"),
            market_id=asked.get("market"),
            outcome=outcome,
            chain_number=asked.get("chain_id"),
            escrow=asked.get("escrow"),
        )
        return _page(self, found)


class MarketView(points_views.MarketView):
    @extend_schema(
        operation_id="markets_get",
        tags=["markets"],
        parameters=[shapes.ChainQuery],
        responses={200: shapes.MarketWithSettlementAnswer},
    )
    def get(self, request: Request, market_id: str) -> Response:
        """A market with its terms as hashed, the rules text, and how it settles. Unlisted ones too."""
        answer = super().get(request, market_id)
        asked = query_of(request, shapes.ChainQuery)
        market = market_get(market_id=hash_of_path(market_id, field="market_id"), **asked)
        return Response({**answer.data, **to_json.market_settlement_json(market)})


class MarketDealsView(GenericAPIView[Deal]):
    pagination_class = CursorPagination

    @extend_schema(
        operation_id="market_deals_list",
        tags=["markets"],
        parameters=[shapes.ChainQuery],
        responses={200: shapes.DealAnswer(many=True)},
    )
    def get(self, request: Request, market_id: str) -> Response:
        """A market's deals, newest first."""
        asked = query_of(request, shapes.ChainQuery, paged=True)
        market = market_get(market_id=hash_of_path(market_id, field="market_id"), **asked)
        return _page(self, deals_of(market_id=market.market_id, chain_id=market.chain_id))


class DealView(APIView):
    @extend_schema(
        operation_id="deal", tags=["deals"], parameters=[shapes.ChainQuery], responses={200: shapes.DealDetailAnswer}
    )
    def get(self, request: Request, deal_id: str) -> Response:
        """One deal: its tranches or attestation, who held it, what it allows now, and what the chain said about it."""
        return Response(to_json.deal_detail_json(deal_detail(_deal(request, deal_id))))


class ReceiptView(APIView):
    @extend_schema(
        operation_id="deal_receipt",
        tags=["deals"],
        parameters=[shapes.ChainQuery],
        responses={200: shapes.ReceiptAnswer},
    )
    def get(self, request: Request, deal_id: str) -> Response:
        """The pre-image of the deal's commitment: with it a party can claim without this server. Keep it."""
        return Response(receipt(_deal(request, deal_id)))


def _page(view: GenericAPIView[Deal], found: Any) -> Response:
    rows = view.paginate_queryset(found) or []
    return view.get_paginated_response([to_json.deal_json(deal_view(deal)) for deal in rows])


def _deal(request: Request, deal_id: str) -> Deal:
    """Errors: INVALID, NOT_FOUND."""
    asked = query_of(request, shapes.ChainQuery)
    found = deal_get(
        hash_of_path(deal_id, field="deal_id"), chain_number=asked.get("chain_id"), escrow=asked.get("escrow")
    )
    if found is None:
        raise DomainError(ErrorCode.NOT_FOUND, "No such deal is known here.", field="deal_id")
    return found


# ---------------------------------------------------------------- money


class BalancesView(APIView):
    @extend_schema(
        operation_id="balances",
        tags=["money"],
        parameters=[shapes.ChainQuery],
        responses={200: shapes.BalancesAnswer},
    )
    def get(self, request: Request, address: str) -> Response:
        """What a wallet has in escrow, per token: free, locked in deals, and not yet final."""
        asked = query_of(request, shapes.ChainQuery)
        wallet = _address_of_path(address)
        rows = [row for chain in _chains(asked) for row in balances(wallet, chain=chain)]
        answer = {
            "address": to_checksum(wallet),
            "balances": [to_json.balance_json(row) for row in rows],
        }
        return Response(answer)


class RightsView(APIView):
    @extend_schema(
        operation_id="rights",
        tags=["money"],
        parameters=[shapes.ChainQuery],
        responses={200: shapes.KeptRightsAnswer},
    )
    def get(self, request: Request, address: str) -> Response:
        """Pieces of rights that the escrow keeps for a wallet: delivered into it, and not withdrawn."""
        asked = query_of(request, shapes.ChainQuery)
        wallet = _address_of_path(address)
        rows = rights_kept(wallet, chains=_chains(asked))
        return Response({"address": to_checksum(wallet), "rights": [to_json.kept_right_json(row) for row in rows]})


class OldestFirst(CursorPagination):
    ascending = True


class SolvencyView(GenericAPIView[Account]):
    throttle_scope = "build"
    pagination_class = OldestFirst

    @extend_schema(
        operation_id="solvency",
        tags=["money"],
        parameters=[shapes.ChainQuery],
        responses={200: shapes.SolvencyTokenAnswer(many=True)},
    )
    def get(self, request: Request) -> Response:
        """Per token, in the order in which they came in: what the escrow holds, what it owes, and what our ledger says, at the newest block
        that was read. Anyone can deliver a token of his own making, so the list is as long as people make it.
        """
        asked = query_of(request, shapes.ChainQuery, paged=True)
        chains = _chains(asked)
        rows = self.paginate_queryset(tokens_held(chains)) or []
        found: dict[tuple[int, str], to_json.Json] = {}
        for chain in chains:
            tokens = [row.token for row in rows if row.chain_id == chain.pk]
            if tokens:
                told = solvency(chain, tokens)
                found |= {(chain.pk, row.ledger.token): to_json.solvency_json(told, row) for row in told.rows}
        return self.get_paginated_response([found[row.chain_id, row.token] for row in rows])


def _chains(asked: Mapping[str, Any]) -> list[Chain]:
    """The escrows that were asked for, else all that are served. Errors: NOT_FOUND."""
    served = Chain.objects.filter(active=True)
    if "chain_id" in asked:
        served = served.filter(chain_id=asked["chain_id"])
    if "escrow" in asked:
        served = served.filter(kind=asked["escrow"])
    found = list(served)
    if asked and not found:
        field = "chain_id" if "chain_id" in asked else "escrow"
        raise DomainError(ErrorCode.NOT_FOUND, "No such escrow is served here.", field=field)
    return found


# ---------------------------------------------------------------- transactions


class PrepareView(APIView):
    throttle_scope = "build"

    @extend_schema(
        operation_id="tx_prepare",
        tags=["transactions"],
        request=actions.PREPARE_REQUEST,
        responses={200: shapes.PreparedTransactionAnswer},
    )
    def post(self, request: Request) -> Response:
        """An unsigned transaction for one action, tried out as `account`; the wallet signs and sends it."""
        which = actions.WhichAction(data=request.data)
        which.is_valid(raise_exception=True)
        asked = actions.REQUESTS[which.validated_data["action"]](data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        prepared = transactions.prepare(
            action=given["action"], account=given["account"], params=given.get("params", {})
        )
        return Response(to_json.prepared_json(prepared))


# ---------------------------------------------------------------- what parties sign and hand on


class PrepareResaleView(APIView):
    throttle_scope = "build"

    @extend_schema(
        operation_id="resales_prepare",
        tags=["deals"],
        request=signables.PrepareResaleRequest,
        responses={200: signables.PreparedResaleAnswer},
    )
    def post(self, request: Request) -> Response:
        """The account's place in a deal, for sale: typed data to sign and hand to a taker, who sends `fill_resale`. Stores nothing."""
        asked = body_of(request, signables.PrepareResaleRequest)
        return Response(to_json.signable_json(signing.resale_prepare(**asked)))


class PrepareCloseView(APIView):
    throttle_scope = "build"

    @extend_schema(
        operation_id="closes_prepare",
        tags=["deals"],
        request=signables.PrepareCloseRequest,
        responses={200: signables.PreparedCloseAnswer},
    )
    def post(self, request: Request) -> Response:
        """A deal's end by agreement: typed data that both parties sign; then anyone sends `mutual_close`. Stores nothing."""
        asked = body_of(request, signables.PrepareCloseRequest)
        return Response(to_json.signable_json(signing.close_prepare(**asked)))


class PrepareAttestationView(APIView):
    throttle_scope = "build"

    @extend_schema(
        operation_id="attestations_prepare",
        tags=["deals"],
        request=signables.PrepareAttestationRequest,
        responses={200: signables.PreparedAttestationAnswer},
    )
    def post(self, request: Request) -> Response:
        """Typed data for the market's attestor, who says that a deal was delivered; then anyone sends `attest`. Stores nothing."""
        asked = body_of(request, signables.PrepareAttestationRequest)
        return Response(to_json.signable_json(signing.attestation_prepare(**asked)))
