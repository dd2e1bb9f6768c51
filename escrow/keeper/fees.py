"""What a transaction offers for gas, in wei per gas. Pure.

On a chain whose blocks have no base fee the tip is the whole price: with `base_fee` 0 both fees of a `Fees` are that price.
"""

from dataclasses import dataclass

BASE_FEE_HEADROOM = 2  # six full blocks in a row raise the base fee by this much
BUMP_NUM, BUMP_DEN = 9, 8  # +12.5%: nodes refuse a replacement below +10%, some below +12.5%
MIN_TIP = 1


@dataclass(frozen=True, slots=True)
class Fees:
    max_fee: int
    priority_fee: int


def first_fees(*, base_fee: int, tip: int, cap: int) -> Fees | None:
    """Fees of a new transaction; None when the chain is dearer than `cap`."""
    tip = max(tip, MIN_TIP)
    if base_fee + tip > cap:
        return None
    return Fees(max_fee=min(BASE_FEE_HEADROOM * base_fee + tip, cap), priority_fee=tip)


def bumped_fees(previous: Fees, *, base_fee: int, tip: int, cap: int) -> Fees | None:
    """Fees that replace `previous` at the same nonce: both at least +12.5%, and what the chain asks now. None above `cap`."""
    now = first_fees(base_fee=base_fee, tip=tip, cap=cap)
    if now is None:
        return None
    max_fee = max(_bump(previous.max_fee), now.max_fee)
    priority_fee = max(_bump(previous.priority_fee), now.priority_fee)
    return Fees(max_fee, min(priority_fee, max_fee)) if max_fee <= cap else None


def _bump(value: int) -> int:
    return -(-value * BUMP_NUM // BUMP_DEN)
