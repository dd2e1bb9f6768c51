from drf_spectacular.utils import extend_schema
from rest_framework.permissions import SAFE_METHODS, AllowAny, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from otc.accounts.permissions import IsWallet
from otc.core.idempotency import perform
from otc.core.pagination import CursorPagination
from otc.core.serializers import StrictSerializer
from points.api import serializers as shapes
from points.api.idempotency import IDEMPOTENCY_KEY, answered, idempotent_request
from points.api.queries import body_of, query_of, wallet_of
from points.api.representations import pay_token_json, program_json, project_json
from points.selectors import markets as market_selectors
from points.selectors import projects as selectors
from points.services import projects as services


class ListView(APIView):
    """Reading is for everybody, making for wallets."""

    pagination_class = CursorPagination

    def get_permissions(self) -> list[BasePermission]:
        return [AllowAny() if self.request.method in SAFE_METHODS else IsWallet()]


class ProjectsView(ListView):
    @extend_schema(operation_id="projects_list", tags=["projects"], responses=shapes.ProjectAnswer(many=True))
    def get(self, request: Request) -> Response:
        """All projects, newest first."""
        query_of(request, StrictSerializer, paged=True)
        pages = CursorPagination()
        rows = pages.paginate_queryset(selectors.projects(), request)
        return pages.get_paginated_response([project_json(row) for row in rows])

    @extend_schema(
        operation_id="projects_create",
        tags=["projects"],
        parameters=[IDEMPOTENCY_KEY],
        request=shapes.ProjectRequest,
        responses={201: shapes.ProjectAnswer},
    )
    def post(self, request: Request) -> Response:
        """A new project; the caller is its first member."""
        asked = body_of(request, shapes.ProjectRequest)
        return answered(
            perform(
                idempotent_request(request),
                lambda: (201, project_json(services.project_create(user=wallet_of(request), **asked))),
            )
        )


class ProjectView(APIView):
    @extend_schema(operation_id="projects_get", tags=["projects"], responses=shapes.ProjectAnswer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002 - the URL pattern's
        """One project."""
        return Response(project_json(selectors.project_get(slug=slug)))


class ProgramsView(ListView):
    @extend_schema(
        operation_id="programs_list",
        tags=["projects"],
        parameters=[shapes.ProgramsQuery],
        responses=shapes.ProgramAnswer(many=True),
    )
    def get(self, request: Request) -> Response:
        """All programs, or those of a project, newest first."""
        asked = query_of(request, shapes.ProgramsQuery, paged=True)
        pages = CursorPagination()
        rows = pages.paginate_queryset(selectors.programs(**asked), request)
        return pages.get_paginated_response([program_json(row) for row in rows])

    @extend_schema(
        operation_id="programs_create",
        tags=["projects"],
        parameters=[IDEMPOTENCY_KEY],
        request=shapes.ProgramRequest,
        responses={201: shapes.ProgramAnswer},
    )
    def post(self, request: Request) -> Response:
        """A new program of a project that the caller is a member of."""
        asked = body_of(request, shapes.ProgramRequest)
        project = selectors.project_get(slug=asked.pop("project"))
        return answered(
            perform(
                idempotent_request(request),
                lambda: (201, program_json(services.program_create(user=wallet_of(request), project=project, **asked))),
            )
        )


class ProgramView(APIView):
    @extend_schema(operation_id="programs_get", tags=["projects"], responses=shapes.ProgramAnswer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002 - the URL pattern's
        """One program."""
        return Response(program_json(selectors.program_get(slug=slug)))


class PayTokensView(APIView):
    pagination_class = CursorPagination

    @extend_schema(operation_id="pay_tokens_list", tags=["markets"], responses=shapes.PayTokenAnswer(many=True))
    def get(self, request: Request) -> Response:
        """Tokens that the escrow knows as payment and collateral."""
        query_of(request, StrictSerializer, paged=True)
        pages = CursorPagination()
        rows = pages.paginate_queryset(market_selectors.pay_tokens(), request)
        return pages.get_paginated_response([pay_token_json(row, row.chain) for row in rows])
