"""Kill switches: read per step, changed with a reason."""

import pghistory
from django.db import transaction

from otc.core.errors import DomainError, ErrorCode
from otc.core.models import Flag, FlagName

REASON_MAX = 300


def is_on(name: FlagName) -> bool:
    """Whether the switch is thrown."""
    return Flag.objects.filter(name=name, on=True).exists()


def require_off(name: FlagName) -> None:
    """Errors: PAUSED with the reason that operators gave."""
    flag = Flag.objects.filter(name=name, on=True).first()
    if flag is not None:
        raise DomainError(
            ErrorCode.PAUSED,
            f"Paused by the operators: {flag.reason} Money already in escrow is not affected: "
            "withdrawing, delivering and claiming go on.",
        )


@transaction.atomic
def flag_set(*, name: FlagName, on: bool, reason: str) -> Flag:
    """Throws or releases a switch; its history is kept. Errors: INVALID without a reason of 1 to 300 characters."""
    reason = reason.strip()
    if not 0 < len(reason) <= REASON_MAX:
        raise DomainError(
            ErrorCode.INVALID,
            f"Say why in 1 to {REASON_MAX} characters: the reason is shown to traders and kept.",
            field="reason",
        )
    with pghistory.context(reason=reason):
        flag, _ = Flag.objects.update_or_create(name=FlagName(name), defaults={"on": on, "reason": reason})
    return flag
