"""Hex in Python and what is refused on the way to a column."""

import contextlib

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from otc.core.fields import UINT256_MAX, AddressField, Hash32Field, Uint256Field, normal_hex, to_checksum

ADDRESS = "0x" + "ab" * 20


@given(st.binary(min_size=20, max_size=20))
def test_any_spelling_becomes_lower_case_hex(raw):
    expected = "0x" + raw.hex()
    for spelling in (raw, bytearray(raw), memoryview(raw), expected, "0x" + raw.hex().upper(), "0X" + raw.hex()):
        assert normal_hex(spelling, 20) == expected


@given(st.one_of(st.text(max_size=60), st.binary(max_size=40), st.integers(), st.none()))
def test_nonsense_is_a_value_error(value):
    with contextlib.suppress(ValueError):
        assert len(normal_hex(value, 20)) == 42


@pytest.mark.parametrize(
    "text", ["0x" + " " * 40, "0x" + "ab " * 13 + "a", "0x" + "\u0661" * 40, "ab" * 20, "0x" + "gg" * 20, "0x"]
)
def test_hex_with_blanks_or_other_digits_is_refused(text):
    with pytest.raises(ValueError, match=r"expected 0x and 40 hex digits|non-hexadecimal"):
        normal_hex(text, 20)


def test_checksum_form():
    assert to_checksum("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266") == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def test_a_form_value_is_cleaned_and_an_empty_one_is_none():
    field = AddressField(null=True, blank=True)
    assert field.clean(ADDRESS.upper().replace("0X", "0x"), None) == ADDRESS
    assert field.to_python("") is None
    with pytest.raises(ValidationError):
        field.clean("0x12", None)
    assert Hash32Field().to_python("0x" + "CD" * 32) == "0x" + "cd" * 32


@pytest.mark.parametrize("value", [0, 1, UINT256_MAX])
def test_a_uint256_is_cleaned_to_int(value):
    cleaned = Uint256Field().clean(str(value), None)
    assert (cleaned, type(cleaned)) == (value, int)


@pytest.mark.parametrize("value", ["-1", str(UINT256_MAX + 1), "1.5", "NaN", "Infinity", "ten", [], "1e999999999999"])
def test_what_is_no_uint256_is_refused(value):
    with pytest.raises(ValidationError):
        Uint256Field().clean(value, None)


def test_a_float_is_never_an_amount():
    with pytest.raises(TypeError, match="float"):
        Uint256Field().get_prep_value(1.0)
