"""Amounts as people write them, and the named roundings. Money is an `int` of base units everywhere else.

Units of a program (points, allocation, ...) are another type: they are counted, never added to money.
"""

import re

from otc.core.errors import DomainError, ErrorCode

UINT128_MAX = 2**128 - 1
# Far above any amount; keeps the work on hostile input small.
TEXT_MAX = 100
PLAIN = re.compile(r"(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?")


def parse_amount(text: str, *, decimals: int, field: str) -> int:
    """Base units of a decimal text such as `12.5`; exact or refused, never rounded. Errors: AMOUNT_INVALID.

    No thousands separators: `1,500` is one and a half to half of the world.
    """
    found = PLAIN.fullmatch(text.strip()) if len(text) <= TEXT_MAX else None
    whole, fraction = (found["whole"], (found["fraction"] or "").rstrip("0")) if found else ("", "")
    if found is None or not (whole or found["fraction"]):
        raise _refuse(f"{text[:TEXT_MAX]!r} is not a plain decimal number such as 1500 or 12.5.", field)
    if len(fraction) > decimals:
        places = f"at most {decimals} decimal places" if decimals else "no decimal places"
        raise _refuse(f"{text!r} is too fine: this amount has {places}.", field)
    units = int(whole + fraction.ljust(decimals, "0") or "0")
    if units > UINT128_MAX:
        raise _refuse(f"{text!r} is more than any token has.", field)
    return units


def _refuse(detail: str, field: str) -> DomainError:
    return DomainError(ErrorCode.AMOUNT_INVALID, detail, field=field)


def format_amount(base_units: int, *, decimals: int, places: int | None = None, grouped: bool = True) -> str:
    """Decimal text of base units, trailing zeros dropped; with thousands commas unless `grouped` is off.

    With `places`, digits beyond are cut (never rounded up: a screen must not show more than there is). Ungrouped and uncut, it
    is what `parse_amount` reads back.
    """
    sign = "-" if base_units < 0 else ""
    whole, fraction = divmod(abs(base_units), 10**decimals)
    digits = str(fraction).zfill(decimals) if decimals else ""
    if places is not None:
        digits = digits[:places]
    digits = digits.rstrip("0")
    return f"{sign}{whole:{',' if grouped else ''}}" + (f".{digits}" if digits else "")


def mul_div_floor(value: int, numerator: int, denominator: int) -> int:
    """floor(value * numerator / denominator)."""
    return value * numerator // denominator


def mul_div_ceil(value: int, numerator: int, denominator: int) -> int:
    """ceil(value * numerator / denominator)."""
    return -(-value * numerator // denominator)
