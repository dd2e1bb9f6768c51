"""The REST API as a partner's wallet calls it, without a server between."""

from itertools import count

from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from otc.accounts.models import User
from otc.core.fields import to_checksum
from points.domain.markets import DAY
from tests.support import rows
from tests.support.signed_offers import digest_of, terms_of

V1 = "/api/v1/"
_keys = count(1)


class Client:
    """JSON in and out, with an Idempotency-Key of its own for each POST."""

    def __init__(self, user: User | None = None) -> None:
        self.http = APIClient()
        if user is not None:
            self.http.force_authenticate(user)

    def get(self, path: str, **headers):
        return self.http.get(V1 + path, headers=headers)

    def post(self, path: str, body, *, key: str | None = None, **headers):
        headers["Idempotency-Key"] = key or f"key-{next(_keys)}"
        return self.http.post(V1 + path, body, format="json", headers=headers)

    def upload(self, path: str, content: bytes, *, name: str = "list.csv", key: str | None = None):
        file = SimpleUploadedFile(name, content, content_type="text/csv")
        headers = {"Idempotency-Key": key or f"key-{next(_keys)}"}
        return self.http.post(V1 + path, {"file": file}, format="multipart", headers=headers)


def fields_of(answer) -> list[str]:
    assert answer["Content-Type"] == "application/problem+json", answer.content
    return [error["field"] for error in answer.json()["errors"]]


def market_body(chain, **changes) -> dict:
    body = {
        "program": "ens-airdrop",
        "pay_token": rows.TOKEN,
        "resolver": to_checksum(rows.RESOLVER),
        "guardian": to_checksum(rows.GUARDIAN),
        "objection": DAY,
        "min_window": DAY,
        "max_window": 7 * DAY,
        "long_stop": chain.head_time + 90 * DAY,
        "rules_text": "One unit is one base unit of ENS.\n",
    }
    return {**body, **changes}


def offer_body(market, maker, **changes) -> dict:
    terms = terms_of(market, maker.address, **changes)
    body = {name: getattr(terms, name) for name in terms.__slots__}
    for name in ("units", "payment", "collateral", "min_fill", "epoch", "salt"):
        body[name] = str(body[name])
    body["side"] = "sell" if terms.side else "buy"
    return {"offer": body, "signature": "0x" + maker.sign(digest_of(market, terms)).hex()}
