"""What operators decide about projects and markets: shown as checked, shown at all. Neither touches money nor an exit."""

import pghistory
from django.db import transaction

from otc.core.chains import escrow_ref
from otc.core.errors import DomainError, ErrorCode
from otc.core.locks import lock_row
from otc.core.outbox import NewEvent, outbox_add_locked
from points.models import Market, Project


@transaction.atomic
def project_verified_set(*, project_id: int, verified: bool, reason: str) -> Project:
    """Marks that the team was checked to stand behind the project, or takes that back. Locks the project.

    Errors: INVALID without a reason, NOT_FOUND, CONFLICT when it is so already.
    """
    _require_reason(reason)
    project = lock_row(Project.objects.filter(pk=project_id))
    if project is None:
        raise DomainError(ErrorCode.NOT_FOUND, "There is no such project.")
    if project.verified == verified:
        raise DomainError(ErrorCode.CONFLICT, f"{project} is {'verified' if verified else 'not verified'} already.")
    project.verified = verified
    with pghistory.context(reason=reason.strip()):
        project.save(update_fields=["verified"])
    return project


@transaction.atomic
def market_listed_set(*, market_pk: int, listed: bool, reason: str) -> Market:
    """Shows the market on the front page, or hides it; who has its address still reaches it. Locks the market.

    Errors: INVALID without a reason, NOT_FOUND, CONFLICT when it is so already.
    """
    _require_reason(reason)
    market = lock_row(Market.objects.filter(pk=market_pk))
    if market is None:
        raise DomainError(ErrorCode.NOT_FOUND, "There is no such market.")
    if market.listed == listed:
        raise DomainError(ErrorCode.CONFLICT, f"{market} is {'listed' if listed else 'not listed'} already.")
    market.listed = listed
    with pghistory.context(reason=reason.strip()):
        market.save(update_fields=["listed"])
    payload = {"market_id": market.market_id, **escrow_ref(market.chain), "listed": listed}
    outbox_add_locked([NewEvent("market.listed", f"market:{market.market_id}", payload)])
    return market


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise DomainError(ErrorCode.INVALID, "Say why: it is kept.", field="reason")
