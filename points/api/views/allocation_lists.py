from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from otc.core.errors import DomainError, ErrorCode
from otc.core.idempotency import perform, replay
from otc.core.pagination import CursorPagination
from otc.core.serializers import StrictSerializer
from points.api import serializers as shapes
from points.api.idempotency import IDEMPOTENCY_KEY, answered, idempotent_request
from points.api.queries import body_of, query_of, wallet_of
from points.api.representations import list_json, proof_json
from points.api.views.projects import ListView
from points.domain.merkle import LeafFormat
from points.selectors import allocation_lists as selectors
from points.selectors.projects import program_get
from points.services import allocation_lists as services
from points.services.projects import project_member_require

FORM_MAX = 64 * 1024  # bytes of a multipart body around the file


class AllocationListsView(ListView):
    parser_classes = [MultiPartParser]

    @extend_schema(operation_id="allocation_lists_list", tags=["lists"], responses=shapes.ListAnswer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Lists of a program, newest first."""
        query_of(request, StrictSerializer, paged=True)
        pages = CursorPagination()
        rows = pages.paginate_queryset(selectors.lists_of(program=program_get(slug=slug)), request)
        return pages.get_paginated_response([list_json(row) for row in rows])

    @extend_schema(
        operation_id="allocation_lists_upload",
        tags=["lists"],
        parameters=[IDEMPOTENCY_KEY],
        request={"multipart/form-data": shapes.ListUpload},
        responses={202: shapes.ListAnswer},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Uploads a list (CSV `address,amount`, or gzip of it). It is read in the background: follow its state."""
        # Before the body is read: nobody sends gigabytes to learn that he may not.
        length = request.META.get("CONTENT_LENGTH") or "0"
        if int(length) > services.FILE_MAX + FORM_MAX:
            raise DomainError(
                ErrorCode.TOO_LARGE, f"A list is at most {services.FILE_MAX // 2**20} MiB: use gzip.", field="file"
            )
        program = program_get(slug=slug)
        user = wallet_of(request)
        project_member_require(project=program.project, user=user)
        file = body_of(request, shapes.ListUpload)["file"]
        idempotent = idempotent_request(request, body={"file": services.file_sha256(file), "name": file.name})
        stored = replay(idempotent)
        if stored is not None:
            return answered(stored)
        return answered(
            perform(
                idempotent,
                lambda: (202, list_json(services.list_upload(user=user, program=program, file=file))),
            )
        )


class AllocationListView(APIView):
    @extend_schema(operation_id="allocation_lists_get", tags=["lists"], responses=shapes.ListAnswer)
    def get(self, request: Request, list_id: int) -> Response:  # noqa: ARG002 - the URL pattern's
        """State, progress, total and root of a list, or its first hundred errors by line."""
        return Response(list_json(selectors.list_get(list_id=list_id)))


class AllocationProofView(APIView):
    @extend_schema(
        operation_id="allocation_lists_proof",
        tags=["lists"],
        parameters=[shapes.ProofQuery],
        responses=shapes.ProofAnswer,
    )
    def get(self, request: Request, list_id: int) -> Response:
        """An address's amount with its proof under the list's own root."""
        address = query_of(request, shapes.ProofQuery)["address"]
        found = selectors.list_get(list_id=list_id)
        return Response(proof_json(services.list_proof(allocation_list=found, address=address)))


class MerkleVerifyView(APIView):
    @extend_schema(
        operation_id="merkle_verify",
        tags=["lists"],
        request=shapes.MerkleVerifyRequest,
        responses={200: shapes.MerkleVerifyAnswer},
    )
    def post(self, request: Request) -> Response:
        """Whether a proof leads to a root, in one of three leaf formats. Stores nothing."""
        asked = body_of(request, shapes.MerkleVerifyRequest)
        valid = services.proof_verify(
            leaf_format=LeafFormat(asked["format"]),
            root=asked["root"],
            address=asked["address"],
            amount=asked["amount"],
            index=asked.get("index"),
            proof=asked["proof"],
        )
        return Response({"valid": valid})
