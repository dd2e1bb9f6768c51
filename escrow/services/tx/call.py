"""What a builder makes: an unsigned call, what the account needs for it, and what it means in plain words."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from otc.core.models import Chain


class NeedKind(StrEnum):
    """ALLOWANCE and BALANCE are of the wallet at the token, ESCROW_BALANCE is free money inside the escrow."""

    ALLOWANCE = "allowance"
    BALANCE = "balance"
    ESCROW_BALANCE = "escrow_balance"


@dataclass(frozen=True, slots=True)
class Need:
    """`amount` in base units of `token`."""

    kind: NeedKind
    token: str
    amount: int


@dataclass(frozen=True, slots=True)
class Call:
    """A call without value. `to` is the escrow, except for an approval, which goes to the token."""

    chain: Chain
    to: str
    data: str
    explanation: tuple[str, ...]
    needs: tuple[Need, ...] = ()


def summed(needs: Iterable[Need]) -> tuple[Need, ...]:
    """One need per kind and token, without empty ones: a batch needs the sum."""
    totals: dict[tuple[NeedKind, str], int] = {}
    for need in needs:
        totals[need.kind, need.token] = totals.get((need.kind, need.token), 0) + need.amount
    return tuple(Need(kind, token, amount) for (kind, token), amount in totals.items() if amount)


def delivery_needs(token: str, amount: int) -> tuple[Need, ...]:
    """What pulling `amount` out of the wallet takes."""
    return Need(NeedKind.ALLOWANCE, token, amount), Need(NeedKind.BALANCE, token, amount)
