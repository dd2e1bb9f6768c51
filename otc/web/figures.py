"""How numbers, addresses and times are written on the pages. Pure: the only place that decides on digits.

Figures are cut, never rounded up: a screen must not show more than there is. Whoever signs sees the exact amount (`places=None`).
"""

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext

from otc.core.amounts import format_amount

BPS = 10_000
FINE_PLACES = 6
SIGNIFICANT = 5
MINUTE, HOUR, DAY = 60, 3600, 86_400
FEW_DAYS = 3


def amount(base_units: int, *, decimals: int, exact: bool = False) -> str:
    """Decimal text with thousands commas: all places when `exact`, else few enough to be read at a glance."""
    if exact:
        return format_amount(base_units, decimals=decimals)
    whole = abs(base_units) // 10**decimals
    places = FINE_PLACES if whole == 0 else 4 if whole < 1000 else 2  # noqa: PLR2004 - a table of its own
    text = format_amount(base_units, decimals=decimals, places=places)
    if base_units and not text.strip("-0."):
        return "under 0." + "0" * (FINE_PLACES - 1) + "1"
    return text


def typed(base_units: int, *, decimals: int) -> str:
    """As an input field takes it back: exact, without commas."""
    return format_amount(base_units, decimals=decimals, grouped=False)


def price(price_e18: int, *, unit_decimals: int, pay_decimals: int) -> str:
    """Price of one unit in the payment token, to five significant digits, from floor(payment * 10^18 / units)."""
    return decimal_text(unit_price(price_e18, unit_decimals=unit_decimals, pay_decimals=pay_decimals))


def unit_price(price_e18: int, *, unit_decimals: int, pay_decimals: int) -> Decimal:
    """Price of one unit in whole payment tokens, exact."""
    with localcontext() as context:
        context.prec = 120
        return Decimal(price_e18).scaleb(unit_decimals - pay_decimals - 18)


def decimal_text(value: Decimal) -> str:
    """Five significant digits, and never fewer than cents; commas; no exponent; no trailing zeros."""
    if value == 0:
        return "0"
    with localcontext() as context:
        context.prec = 120
        places = max(2, SIGNIFICANT - 1 - value.adjusted())
        cut = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
        text = f"{cut:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(bps: int) -> str:
    """`150%`, `62.5%`."""
    with localcontext() as context:
        context.prec = 90
        text = f"{(Decimal(bps) / 100).quantize(Decimal('0.01'), rounding=ROUND_DOWN):,f}"
    return text.rstrip("0").rstrip(".") + "%"


def short(value: str) -> str:
    """First and last digits of an address or hash."""
    return f"{value[:6]}…{value[-4:]}"


def duration(seconds: int) -> str:
    """The two largest units: `2 d 3 h`, `4 h 5 min`, `12 min 30 s`, `8 s`."""
    seconds = max(0, seconds)
    if seconds >= FEW_DAYS * DAY:
        return f"{seconds // DAY} d"
    if seconds >= DAY:
        return f"{seconds // DAY} d {seconds % DAY // HOUR} h"
    if seconds >= HOUR:
        return f"{seconds // HOUR} h {seconds % HOUR // MINUTE} min"
    if seconds >= MINUTE:
        return f"{seconds // MINUTE} min {seconds % MINUTE} s"
    return f"{seconds} s"


def long_duration(seconds: int) -> str:
    """A term of a contract in words: `24 hours`, `7 days`."""
    for size, word in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        # A day or two is clearer in hours: windows are compared by the hour.
        if seconds % size == 0 and seconds >= (FEW_DAYS * DAY if size == DAY else size):
            count = seconds // size
            return f"{count:,} {word}{'' if count == 1 else 's'}"
    return f"{seconds:,} seconds"


def pieces(count: int, symbol: str) -> str:
    """`1 piece of KEY`, `2 pieces`."""
    return f"{count:,} piece{'' if count == 1 else 's'}{f' of {symbol}' if symbol else ''}"
