"""Amounts as people write them, and the named roundings. Money is an `int` of base units everywhere else.

Units of a program (points, allocation, ...) are another type: they are counted, never added to money.
"""

from decimal import ROUND_DOWN, Decimal, InvalidOperation, localcontext

from otc.core.errors import DomainError, ErrorCode

UINT128_MAX = 2**128 - 1


def parse_amount(text: str, *, decimals: int, field: str) -> int:
    """Base units of a decimal text such as `12.5`; exact or refused, never rounded. Errors: AMOUNT_INVALID."""
    rule = f"a positive decimal number with at most {decimals} places, such as 12.5"
    try:
        value = Decimal(text.strip())
    except InvalidOperation as error:
        raise DomainError(ErrorCode.AMOUNT_INVALID, f"{text!r} is not {rule}.", field=field) from error
    if not value.is_finite() or value < 0:
        raise DomainError(ErrorCode.AMOUNT_INVALID, f"{text!r} is not {rule}.", field=field)
    with localcontext() as context:
        context.prec = 120
        if abs(value.adjusted()) > 60:  # noqa: PLR2004 - far above any uint128, before scaling costs anything
            raise DomainError(ErrorCode.AMOUNT_INVALID, f"{text!r} is too large.", field=field)
        scaled = value.scaleb(decimals)
        if scaled != scaled.to_integral_value(ROUND_DOWN):
            raise DomainError(
                ErrorCode.AMOUNT_INVALID, f"{text!r} has more than {decimals} decimal places.", field=field
            )
        units = int(scaled)
    if units > UINT128_MAX:
        raise DomainError(ErrorCode.AMOUNT_INVALID, f"{text!r} is too large.", field=field)
    return units


def format_amount(base_units: int, *, decimals: int, places: int | None = None) -> str:
    """Decimal text of base units with thousands commas; trailing zeros dropped.

    With `places`, digits beyond are cut (never rounded up: a screen must not show more than there is).
    """
    sign = "-" if base_units < 0 else ""
    whole, fraction = divmod(abs(base_units), 10**decimals)
    digits = str(fraction).zfill(decimals) if decimals else ""
    if places is not None:
        digits = digits[:places]
    digits = digits.rstrip("0")
    return f"{sign}{whole:,}" + (f".{digits}" if digits else "")


def mul_div_floor(value: int, numerator: int, denominator: int) -> int:
    """floor(value * numerator / denominator)."""
    return value * numerator // denominator


def mul_div_ceil(value: int, numerator: int, denominator: int) -> int:
    """ceil(value * numerator / denominator)."""
    return -(-value * numerator // denominator)
