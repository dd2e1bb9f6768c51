"""REST: whatever is sent, a 4xx names field and rule, and nothing is stored."""

import pytest

from otc.core.models import IdempotencyRecord, OutboxEvent
from points.models import Market, Offer, Program, Project
from tests.support import rows
from tests.support.api_client import V1, fields_of, market_body, offer_body

# ---------------------------------------------------------------- nonsense

DEEP = "[" * 100_000
BAD_TEXT = [None, 1, 1.5, True, [], {}, "", "a\0b", "x" * 5000]
BAD_SLUG = [*BAD_TEXT, "Ens", "-x", "x--y", "x" * 61, "ä"]
BAD_ADDRESS = [
    None,
    1,
    True,
    [],
    {},
    "",
    "0x",
    "0x12",
    "0x" + "zz" * 20,
    "ab" * 20,
    "0x" + "ab" * 21,
    "0x\0" + "a" * 39,
]
BAD_HASH = [None, 1, True, [], {}, "", "0x12", "0x" + "zz" * 32, "ab" * 32, "0x" + "ab" * 33]
BAD_UINT = [
    None,
    1.5,
    -1,
    True,
    [],
    {},
    "",
    "-1",
    "+1",
    "1.0",
    "1e3",
    "0x10",
    "01",
    " 1",
    "1_0",
    "٣",
    str(2**256),
    10**30,
    "9" * 5000,
]
BAD_INT = [*BAD_UINT, 2**53, str(2**53)]

OFFER_BAD = {
    "maker": BAD_ADDRESS,
    "taker": BAD_ADDRESS,
    "side": [None, 0, 1, True, "", "BUY", "both", [], {}, "x\0"],
    "market": BAD_HASH,
    "pay_token": BAD_ADDRESS,
    "units": [*BAD_UINT, "0", str(2**128)],
    "payment": [*BAD_UINT, "0", str(2**128)],
    "collateral": [*BAD_UINT, str(2**128)],
    "min_fill": [*BAD_UINT, "0", "1001"],
    "max_fee_bps": [*BAD_INT, 10_001],
    "expiry": [*BAD_INT, 2**40],
    "epoch": BAD_UINT,
    "salt": BAD_UINT,
    "ref": BAD_HASH,
}


def cases(bad: dict[str, list]) -> list[tuple[str, object]]:
    return [(field, value) for field, values in bad.items() for value in values]


def refused_at(answer, *fields: str) -> None:
    assert 400 <= answer.status_code < 500, answer.content
    body = answer.json()
    assert answer["Content-Type"] == "application/problem+json"
    assert set(fields) & set(fields_of(answer)), body
    assert body["detail"]
    assert body["request_id"]


def nothing_stored() -> bool:
    return not (IdempotencyRecord.objects.exists() or OutboxEvent.objects.exists() or Offer.objects.exists())


def test_nonsense_in_an_offer(anyone, market, seller, funded):
    good = offer_body(market, seller)
    for field, value in cases(OFFER_BAD):
        refused_at(anyone.post("offers", {**good, "offer": {**good["offer"], field: value}}), f"offer.{field}", field)
        without = {name: kept for name, kept in good["offer"].items() if name != field}
        refused_at(anyone.post("offers", {**good, "offer": without}), f"offer.{field}")
    for value in [None, 1, "", "0x1", "zz", "0x" + "zz" * 65, "0x" + "00" * 5000, [], {}]:
        refused_at(anyone.post("offers", {**good, "signature": value}), "signature")
    for value in [None, 1, "x", [], [1]]:
        refused_at(anyone.post("offers", {**good, "offer": value}), "offer")
    refused_at(anyone.post("offers", {**good, "offer": {**good["offer"], "minFill": "1"}}), "offer.minFill")
    refused_at(anyone.post("offers", {**good, "chain_id": 0}), "chain_id")
    refused_at(anyone.post("offers", {**good, "more": 1}), "more")
    assert nothing_stored()
    assert anyone.post("offers", good).status_code == 201


def test_nonsense_to_prepare(anyone, market, seller):
    good = {
        "maker": seller.address,
        "side": "buy",
        "market": market.market_id,
        "units": "1000",
        "payment": "5000",
        "collateral": "0",
    }
    bad = {name: values for name, values in OFFER_BAD.items() if name not in {"pay_token", "epoch", "salt"}}
    for field, value in cases(bad):
        refused_at(anyone.post("offers/prepare", {**good, field: value}), field)
    for field in ("epoch", "salt", "pay_token", "price"):
        refused_at(anyone.post("offers/prepare", {**good, field: "1"}), field)
    assert nothing_stored()
    assert anyone.post("offers/prepare", good).status_code == 200


def test_nonsense_in_a_project_program_or_market(team, chain, program):
    rows.market(chain)
    projects, programs, markets = Project.objects.count(), Program.objects.count(), Market.objects.count()
    good = {"slug": "new", "name": "New"}
    bad = {
        "slug": BAD_SLUG,
        "name": BAD_TEXT,
        "description": [None, 1, [], "\0", "x" * 2001],
        "website": [1, "x", "javascript:1"],
    }
    for field, value in cases(bad):
        refused_at(team.post("projects", {**good, field: value}), field)
    refused_at(team.post("projects", {**good, "verified": True}), "verified")

    good = {"project": "ens", "slug": "new", "name": "New", "kind": 1, "unit_name": "x"}
    bad = {
        "project": BAD_SLUG,
        "slug": BAD_SLUG,
        "name": BAD_TEXT,
        "unit_name": BAD_TEXT,
        "kind": [*BAD_INT, 4],
        "unit_decimals": [*BAD_INT, 19],
    }
    for field, value in cases(bad):
        refused_at(team.post("programs", {**good, field: value}), field)

    good = market_body(chain)
    bad = {
        "program": BAD_SLUG,
        "pay_token": BAD_ADDRESS,
        "resolver": BAD_ADDRESS,
        "guardian": BAD_ADDRESS,
        "attestor": BAD_ADDRESS,
        "objection": BAD_INT,
        "min_window": BAD_INT,
        "max_window": BAD_INT,
        "long_stop": BAD_INT,
        "max_ratio_num": BAD_UINT,
        "max_ratio_den": BAD_UINT,
        "settlement": BAD_INT,
        "rules_text": [None, 1, [], {}, "", "\0", "x" * 20_001],
    }
    for field, value in cases(bad):
        refused_at(team.post("markets", {**good, field: value}), field)
    refused_at(team.post("markets", {**good, "rules_hash": "0x" + "00" * 32}), "rules_hash")
    assert (Project.objects.count(), Program.objects.count(), Market.objects.count()) == (projects, programs, markets)
    assert nothing_stored()


def test_nonsense_to_verify(anyone):
    good = {"format": "packed", "root": "0x" + "00" * 32, "address": rows.BUYER, "amount": "1", "proof": []}
    bad = {
        "format": [None, 1, "", "Standard", "x\0"],
        "root": BAD_HASH,
        "address": BAD_ADDRESS,
        "amount": BAD_UINT,
        "index": BAD_UINT,
        "proof": [None, 1, "x", {}, [1], [None], ["0x12"], ["0x" + "00" * 32] * 65],
    }
    for field, value in cases(bad):
        answer = anyone.post("merkle/verify", {**good, field: value})
        assert answer.status_code == 400, (field, value)
        assert all(name == field or name.startswith(field) for name in fields_of(answer)), answer.content
    assert anyone.post("merkle/verify", good).json() == {"valid": False}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("offers?maker=0x12", "maker"),
        ("offers?market=0x12", "market"),
        ("offers?state=opened", "state"),
        ("offers?state=%00", "state"),
        ("offers?makers=1", "makers"),
        ("offers?limit=0", "limit"),
        ("offers?limit=x", "limit"),
        ("offers?cursor=x", "cursor"),
        ("offers?chain_id=-1", "chain_id"),
        ("offers/0x12", "offer_hash"),
        ("offers/%00", "offer_hash"),
        ("markets/0x12", "market_id"),
        ("markets/0x12/book", "market_id"),
        ("markets?status=final", "status"),
        ("markets?program=%00", "program"),
        ("markets?kind=1", "kind"),
        ("projects?x=1", "x"),
        ("programs?project=A", "project"),
        ("pay-tokens?x=1", "x"),
        ("programs/none", "program"),
        ("projects/none", "project"),
        ("allocation-lists/1/proof", "address"),
        ("allocation-lists/1/proof?address=x", "address"),
    ],
)
def test_nonsense_in_paths_and_queries(anyone, path, field):
    refused_at(anyone.get(path), field)


def test_unknown_things_are_not_found(anyone, market):
    for path in (f"offers/0x{'00' * 32}", f"markets/0x{'00' * 32}", "allocation-lists/7", f"allocation-lists/{10**30}"):
        answer = anyone.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    book = f"markets/{market.market_id}/book"
    for query in ("limit=0", "limit=201", "limit=1.5", "x=1", "chain_id=x"):
        refused_at(anyone.get(f"{book}?{query}"), query.partition("=")[0])


@pytest.mark.parametrize("path", ["projects", "programs", "markets", "offers", "offers/prepare", "merkle/verify"])
def test_bodies_that_are_no_object(team, path):
    for body in (
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe",
        DEEP.encode(),
        b"[1]",
        b'"x"',
        b"1",
        b"null",
        b'{"a": NaN}',
        b'{"a":"\\ud800"}',
    ):
        answer = team.http.post(V1 + path, body, content_type="application/json", headers={"Idempotency-Key": "k"})
        assert answer.status_code == 400, (body[:20], answer.content)
        assert answer["Content-Type"] == "application/problem+json"
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = team.http.post(V1 + path, b"x", content_type=content_type, headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    for method in ("put", "patch", "delete"):
        assert getattr(team.http, method)(V1 + path).status_code == 405
    assert nothing_stored()


def test_idempotency_keys_that_are_none(team):
    for key in ("", "x" * 256, "\u00e9\x00"):
        answer = team.http.post(
            V1 + "projects", {"slug": "x", "name": "X"}, format="json", headers={"Idempotency-Key": key}
        )
        assert (answer.status_code, fields_of(answer)) == (400, ["Idempotency-Key"])


def test_refusals_of_the_rules_name_field_and_code(anyone, market, seller, funded):
    good = offer_body(market, seller)
    other = offer_body(market, seller)
    cases = [
        ({"expiry": market.chain.head_time}, 422, "offer_expired", "expiry"),
        ({"epoch": "1"}, 422, "offer_stale_epoch", "epoch"),
        ({"collateral": "2500000000"}, 422, "funds_insufficient", "collateral"),
        ({"market": "0x" + "00" * 32}, 404, "not_found", "market"),
    ]
    for changes, status, code, field in cases:
        answer = anyone.post("offers", {**good, "offer": {**good["offer"], **changes}})
        assert (answer.status_code, answer.json()["code"], fields_of(answer)) == (status, code, [field])
    # No node answers here: whether a contract stands behind the maker can't be asked.
    wrong = anyone.post("offers", {**good, "signature": other["signature"]})
    assert wrong.json()["code"] in {"signature_invalid", "chain_unavailable"}
    assert nothing_stored()
