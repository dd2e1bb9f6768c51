"""Reading allocation lists. Rows count only when their list is READY."""

from dataclasses import dataclass

from django.db.models import QuerySet

from otc.core.errors import DomainError, ErrorCode
from points.models import AllocationList, Program


@dataclass(frozen=True, slots=True)
class AllocationProof:
    """A claim under a list's root: amount in base units, 0-based position in the file, siblings from the leaf up."""

    root: str
    address: str
    amount: int
    position: int
    proof: list[str]


def lists_of(*, program: Program) -> QuerySet[AllocationList]:
    """Newest first."""
    return AllocationList.objects.filter(program=program).select_related("program")


def list_get(*, list_id: int) -> AllocationList:
    """With its program. Errors: NOT_FOUND."""
    found = AllocationList.objects.select_related("program").filter(pk=list_id).first()
    if found is None:
        raise DomainError(ErrorCode.NOT_FOUND, f"There is no allocation list {list_id}.")
    return found
