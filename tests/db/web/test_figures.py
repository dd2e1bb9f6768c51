"""How figures are written: never more than there is, readable at a glance."""

import gzip
from pathlib import Path

import pytest

from otc.web import figures

PROJECT = Path(__file__).resolve().parents[3]
E18 = 10**18


@pytest.mark.parametrize(
    ("base_units", "decimals", "shown", "exact"),
    [
        (0, 6, "0", "0"),
        (1, 6, "0.000001", "0.000001"),
        (1, 18, "under 0.000001", "0.000000000000000001"),
        (1_999_999, 6, "1.9999", "1.999999"),
        (1_234_567_899_999, 6, "1,234,567.89", "1,234,567.899999"),
        (999_999_999_999_999_999, 18, "0.999999", "0.999999999999999999"),
        (12, 0, "12", "12"),
    ],
)
def test_amounts_are_cut_never_rounded_up(base_units, decimals, shown, exact):
    assert figures.amount(base_units, decimals=decimals) == shown
    assert figures.amount(base_units, decimals=decimals, exact=True) == exact


@pytest.mark.parametrize(
    ("price_e18", "unit_decimals", "pay_decimals", "shown"),
    [
        (412_345 * E18, 0, 6, "0.41235"),
        (18_500_000 * E18 // E18, 18, 6, "18.5"),
        (1_234_567_891 * E18, 0, 6, "1,234.57"),
        (1, 0, 18, "0." + "0" * 35 + "1"),
        (0, 0, 6, "0"),
    ],
)
def test_prices_have_five_digits(price_e18, unit_decimals, pay_decimals, shown):
    assert figures.price(price_e18, unit_decimals=unit_decimals, pay_decimals=pay_decimals) == shown


@pytest.mark.parametrize(
    ("bps", "shown"), [(0, "0%"), (50, "0.5%"), (10_000, "100%"), (12_345, "123.45%"), (10**9, "10,000,000%")]
)
def test_percents(bps, shown):
    assert figures.percent(bps) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (90_000, "1 d 1 h"), (300_000, "3 d")],
)
def test_time_left(seconds, shown):
    assert figures.duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(86_400, "24 hours"), (604_800, "7 days"), (3600, "1 hour"), (61, "61 seconds")]
)
def test_terms_of_time(seconds, shown):
    assert figures.long_duration(seconds) == shown


def test_scripts_stay_small():
    """60 KB gzipped for all scripts of a page, htmx included."""
    htmx = PROJECT / "node_modules" / "htmx.org" / "dist" / "htmx.min.js"
    own = sorted((PROJECT / "static" / "public" / "js").glob("*.js"))
    assert len(own) >= 5
    sizes = [len(gzip.compress(path.read_bytes())) for path in [htmx, *own] if path.exists()]
    assert sum(sizes) < 60 * 1024
