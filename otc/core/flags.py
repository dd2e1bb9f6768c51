"""Kill switches: read per step, changed with a reason."""

from django.db import transaction

from otc.core.errors import DomainError, ErrorCode
from otc.core.models import Flag, FlagName


def is_on(name: FlagName) -> bool:
    """Whether the switch is thrown."""
    return Flag.objects.filter(name=name, on=True).exists()


def require_off(name: FlagName) -> None:
    """Errors: PAUSED with the reason that operators gave."""
    flag = Flag.objects.filter(name=name, on=True).first()
    if flag is not None:
        raise DomainError(
            ErrorCode.PAUSED,
            f"Paused by the operators: {flag.reason or FlagName(name).label}. Money already in escrow is not affected; try later.",
        )


@transaction.atomic
def flag_set(*, name: FlagName, on: bool, reason: str) -> Flag:
    """Throws or releases a switch. Errors: INVALID when the reason is empty."""
    if not reason.strip():
        raise DomainError(ErrorCode.INVALID, "Say why: the reason is shown to traders and kept.", field="reason")
    flag, _ = Flag.objects.update_or_create(name=name, defaults={"on": on, "reason": reason.strip()})
    return flag
