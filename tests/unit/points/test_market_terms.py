import dataclasses

import pytest
from eth_hash.auto import keccak

from points.domain import markets
from points.domain.markets import DAY, MarketTerms

NOW = 1_700_000_000


def terms(**changes) -> MarketTerms:
    base = {
        "resolver": "0x" + "01" * 20,
        "guardian": "0x" + "02" * 20,
        "pay_token": "0x" + "03" * 20,
        "kind": 1,
        "objection": DAY,
        "min_window": DAY,
        "max_window": DAY,
        "long_stop": NOW + 1,
        "rules_hash": "0x" + "04" * 32,
    }
    return MarketTerms(**{**base, **changes})


def errors(**changes) -> list[str]:
    return [field for field, _ in markets.terms_errors(terms(**changes), head_time=NOW)]


def test_the_tightest_good_terms_pass():
    assert errors() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"objection": 30 * DAY}, []),
        ({"max_window": 365 * DAY}, []),
        ({"long_stop": NOW + 3650 * DAY}, []),
        ({"max_ratio_num": 2**128 - 1, "max_ratio_den": 1}, []),
        ({"resolver": "0x" + "00" * 20}, ["resolver"]),
        ({"guardian": "0x" + "00" * 20}, ["guardian"]),
        ({"guardian": "0x" + "01" * 20}, ["guardian"]),
        ({"kind": 4}, ["kind"]),
        ({"settlement": 2}, ["settlement"]),
        ({"attestor": "0x" + "05" * 20}, ["attestor"]),
        ({"arbitrator": "0x" + "05" * 20}, ["arbitrator"]),
        ({"challenge": 1}, ["challenge"]),
        ({"arbitration_window": 1}, ["arbitration_window"]),
        ({"bond_bps": 1}, ["bond_bps"]),
        ({"objection": DAY - 1}, ["objection"]),
        ({"objection": 30 * DAY + 1}, ["objection"]),
        ({"min_window": DAY - 1}, ["min_window"]),
        ({"min_window": DAY + 1}, ["max_window"]),
        ({"max_window": 365 * DAY + 1}, ["max_window"]),
        ({"long_stop": NOW}, ["long_stop"]),
        ({"long_stop": NOW + 3650 * DAY + 1}, ["long_stop"]),
        ({"max_ratio_num": 1}, ["max_ratio_den"]),
        ({"max_ratio_den": 1}, ["max_ratio_den"]),
        ({"max_ratio_num": 2**128, "max_ratio_den": 1}, ["max_ratio_num"]),
    ],
)
def test_each_rule_names_its_field(changes, expected):
    assert errors(**changes) == expected


ATTESTED = {
    "settlement": 1,
    "attestor": "0x" + "05" * 20,
    "arbitrator": "0x" + "06" * 20,
    "challenge": DAY,
    "arbitration_window": DAY,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"challenge": 30 * DAY, "arbitration_window": 90 * DAY, "bond_bps": 10_000}, []),
        ({"attestor": "0x" + "00" * 20}, ["attestor"]),
        ({"arbitrator": "0x" + "00" * 20}, ["arbitrator"]),
        ({"arbitrator": "0x" + "05" * 20}, ["arbitrator"]),
        ({"challenge": DAY - 1}, ["challenge"]),
        ({"challenge": 30 * DAY + 1}, ["challenge"]),
        ({"arbitration_window": DAY - 1}, ["arbitration_window"]),
        ({"arbitration_window": 90 * DAY + 1}, ["arbitration_window"]),
        ({"bond_bps": 10_001}, ["bond_bps"]),
    ],
)
def test_attested_terms_name_who_proves_and_who_judges(changes, expected):
    assert errors(**{**ATTESTED, **changes}) == expected


def test_market_id_is_the_hash_of_the_struct():
    value = terms(max_ratio_num=3, max_ratio_den=4)
    words = [
        bytes.fromhex(v[2:]).rjust(32, b"\0") if isinstance(v, str) else v.to_bytes(32, "big")
        for v in (getattr(value, field.name) for field in dataclasses.fields(MarketTerms))
    ]
    assert markets.market_terms_hash(value) == "0x" + keccak(b"".join(words)).hex()
    assert len(words) == 17


def test_every_term_changes_the_id():
    base, ids = terms(), set()
    for field in dataclasses.fields(MarketTerms):
        value = getattr(base, field.name)
        other = value + 1 if isinstance(value, int) else value[:-2] + "99"
        ids.add(markets.market_terms_hash(dataclasses.replace(base, **{field.name: other})))
    assert len(ids | {markets.market_terms_hash(base)}) == 18


def test_rules_hash_is_of_the_utf8_text():
    assert markets.rules_text_hash("Règles") == "0x" + keccak("Règles".encode()).hex()
    assert markets.rules_text_hash("") == "0x" + keccak(b"").hex()
