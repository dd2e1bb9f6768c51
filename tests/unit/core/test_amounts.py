"""Amounts as text: exact both ways or refused, and the two roundings."""

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otc.core.amounts import UINT128_MAX, format_amount, mul_div_ceil, mul_div_floor, parse_amount
from otc.core.errors import DomainError, ErrorCode

base_units = st.integers(0, UINT128_MAX)
decimals = st.integers(0, 36)


@given(base_units, decimals)
def test_what_is_written_is_read_back(units, places):
    assert parse_amount(format_amount(units, decimals=places, grouped=False), decimals=places, field="x") == units


@given(base_units, decimals)
def test_the_text_is_the_exact_quotient(units, places):
    assert Fraction(format_amount(units, decimals=places).replace(",", "")) == Fraction(units, 10**places)


@given(base_units, decimals, st.integers(0, 20))
def test_cut_digits_never_show_more_than_there_is(units, places, shown):
    text = format_amount(units, decimals=places, places=shown, grouped=False)
    gap = Fraction(units, 10**places) - Fraction(text)
    assert 0 <= gap < Fraction(1, 10 ** min(shown, places))


@pytest.mark.parametrize(
    ("units", "places", "text"),
    [(0, 6, "0"), (1, 6, "0.000001"), (1_500_000, 6, "1.5"), (1_234_567_890_000, 6, "1,234,567.89"), (-5, 1, "-0.5"), (7, 0, "7")],
)  # fmt: skip
def test_written_for_people(units, places, text):
    assert format_amount(units, decimals=places) == text


@pytest.mark.parametrize(
    ("text", "places", "units"),
    [("12.5", 6, 12_500_000), ("0", 6, 0), (" 7 ", 0, 7), ("007", 0, 7), ("1.", 2, 100), (".5", 1, 5), ("1.50000000", 1, 15)],
)  # fmt: skip
def test_read_from_people(text, places, units):
    assert parse_amount(text, decimals=places, field="payment") == units


@pytest.mark.parametrize(
    "text",
    ["", " ", ".", "-1", "+1", "1e5", "1_000", "1,500", "0x10", "NaN", "Infinity", "1.2.3", "١٢", "1 000", "1" * 101, "12.345", "\x00"],
)  # fmt: skip
def test_anything_else_is_refused_by_field(text):
    with pytest.raises(DomainError) as refused:
        parse_amount(text, decimals=2, field="payment")
    assert (refused.value.code, refused.value.field) == (ErrorCode.AMOUNT_INVALID, "payment")


def test_the_largest_amount_is_a_uint128():
    assert parse_amount(str(UINT128_MAX), decimals=0, field="x") == UINT128_MAX
    with pytest.raises(DomainError):
        parse_amount(str(UINT128_MAX + 1), decimals=0, field="x")


@given(st.text(max_size=120), decimals)
def test_no_text_makes_another_error(text, places):
    with contextlib.suppress(DomainError):
        assert isinstance(parse_amount(text, decimals=places, field="x"), int)


@given(st.integers(0, 2**256), st.integers(0, 2**128), st.integers(1, 2**128))
def test_roundings_are_the_floor_and_the_ceiling(value, numerator, denominator):
    exact = Fraction(value * numerator, denominator)
    assert mul_div_floor(value, numerator, denominator) == exact.__floor__()
    assert mul_div_ceil(value, numerator, denominator) == exact.__ceil__()
