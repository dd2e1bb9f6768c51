"""Nonsense to every operation of the API, as its own schema lists them: a clear 4xx, nothing stored, never a 5xx."""

import itertools

import pytest
from django.db import connection
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from otc.accounts.models import User

SCHEMA = SchemaGenerator().get_schema(request=None, public=True)
OPERATIONS = [
    (method, path, operation)
    for path, operations in SCHEMA["paths"].items()
    for method, operation in operations.items()
    if method in {"get", "post"}
]
WORDS = [
    "0x12",
    "0x" + "g" * 64,
    "-1",
    "9" * 30,
    "a b",
    "\u0661",
    "x" * 500,
    "%00",
    "' OR 1=1",
    "0x" + "ff" * 32,
    "0x" + "ff" * 20,
    "1",
]
BODIES = [
    {},
    {"unknown": 1},
    {"": None},
    {
        "address": [],
        "chain_id": {},
        "message": 5,
        "signature": {},
        "offer": [],
        "action": {},
        "params": 7,
        "slug": None,
    },
    {"offer": {"units": -1}, "signature": "0x", "slug": "\x00", "name": "\x00", "action": "fill", "account": "0x1"},
    {
        "offer": {"units": 1.5, "payment": "1e9"},
        "slug": "x" * 500,
        "name": "y" * 500,
        "kind": 99,
        "project": 1,
        "format": 3,
    },
]
each = pytest.mark.parametrize(
    ("method", "path", "operation"),
    OPERATIONS,
    ids=lambda value: value["operationId"] if isinstance(value, dict) else "",
)


def places(path, word):
    names = [part.split("}")[0] for part in path.split("{")[1:]]
    return path.format(**dict.fromkeys(names, word))


def rows():
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, n_tup_ins FROM pg_stat_xact_user_tables WHERE n_tup_ins > 0")
        return dict(cursor.fetchall())


def judge(answer, sent):
    assert answer.status_code < 500, (sent, answer.content)
    if answer.status_code >= 400:
        assert answer["Content-Type"] == "application/problem+json", sent
        body = answer.json()
        assert body["detail"], sent
        assert body["code"] in SCHEMA["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]


@pytest.fixture(params=["stranger", "wallet"])
def caller(request, db):
    client = APIClient(raise_request_exception=False)
    if request.param == "wallet":
        client.force_authenticate(User.objects.for_wallet("0x" + "5e" * 20))
    return client


@each
def test_paths_and_parameters(caller, chain, method, path, operation):
    if "{" in path:
        for word in WORDS:
            judge(
                getattr(caller, method)(
                    places(path, word), **({"data": {}, "format": "json"} if method == "post" else {})
                ),
                word,
            )
    if method == "get":
        names = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
        for name, word in itertools.product(names, WORDS):
            judge(caller.get(places(path, "0x" + "ab" * 32), {name: word}), (name, word))


@each
def test_bodies(caller, chain, method, path, operation):
    if method != "post":
        return
    before = rows()
    for body in BODIES:
        answer = caller.post(places(path, "x"), body, format="json", HTTP_IDEMPOTENCY_KEY="k")
        judge(answer, body)
        assert answer.status_code >= 400 or operation["operationId"] == "auth_sign_out", (body, answer.content)
    raw = caller.generic(
        "POST", places(path, "x"), b"\xff\xfe", content_type="application/json", HTTP_IDEMPOTENCY_KEY="k"
    )
    judge(raw, "bytes")
    assert rows() == before
