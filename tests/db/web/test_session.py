"""Signing in by signature in the browser."""

import json

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from otc.accounts.models import SignInNonce, User
from points.models import Offer
from tests.db.web.conftest import browser


def post(client, path, body):
    return client.post(path, json.dumps(body), content_type="application/json", headers={"host": "localhost"})


@pytest.fixture
def client(chain):
    return browser()


def ask(client, chain, who):
    return post(client, "/sign-in/message", {"address": who.address, "chain_id": chain.chain_id}).json()["message"]


def signature(who, message):
    return "0x" + bytes(Account.sign_message(encode_defunct(text=message), who.key).signature).hex()


def test_a_signature_opens_a_session_and_sign_out_ends_it(client, chain, seller):
    message = ask(client, chain, seller)
    assert "localhost wants you to sign in" in message
    answer = post(client, "/sign-in", {"message": message, "signature": signature(seller, message)})
    assert answer.status_code == 200
    assert answer.json()["address"].lower() == seller.address
    assert "Signed in as" in client.get("/portfolio").content.decode()
    client.post("/sign-out")
    assert "Sign in with wallet" in client.get("/portfolio").content.decode()


def test_a_message_is_good_once(client, chain, seller):
    message = ask(client, chain, seller)
    body = {"message": message, "signature": signature(seller, message)}
    assert post(client, "/sign-in", body).status_code == 200
    again = post(browser(), "/sign-in", body)
    assert (again.status_code, again.json()["code"]) == (401, "sign_in_refused")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"address": "0x12", "chain_id": 31337}, "address"),
        ({"chain_id": 31337}, "address"),
        ({"address": "0x" + "ab" * 20, "chain_id": "31337"}, "chain_id"),
        ({"address": "0x" + "ab" * 20, "chain_id": 5}, "chain_id"),
        ({"address": "0x" + "ab" * 20, "chain_id": 2**70}, "chain_id"),
        ({"address": "0x" + "ab" * 20, "chain_id": -1}, "chain_id"),
    ],
)
def test_nonsense_is_refused_by_field(client, body, field):
    answer = post(client, "/sign-in/message", body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field
    assert not User.objects.exists()


@pytest.mark.parametrize("body", [{}, [], 7, {"message": 3}, {"message": "hello", "signature": "0x12"}])
def test_no_message_no_session(client, body):
    assert post(client, "/sign-in", body).status_code in {400, 401, 422}
    assert not User.objects.exists()
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("path", ["/sign-in", "/sign-in/message", "/offers/signed"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[" * 200_000,
        b'{"message": ' * 100_000,
        b'{"message": "\\ud800", "address": "\\ud800"}',
        b'{"message": NaN}',
        b'{"chain_id": ' + b"9" * 5_000 + b', "address": "0x' + b"ab" * 20 + b'"}',
    ],
    ids=["none", "half", "bytes", "null", "deep lists", "deep objects", "surrogate", "nan", "huge"],
)
def test_a_body_that_is_no_json_object_is_a_400_and_stores_nothing(chain, seller, path, body):
    answer = browser(seller).post(path, body, content_type="application/json", headers={"host": "localhost"})
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert not SignInNonce.objects.exists()
    assert not Offer.objects.exists()


def test_other_methods_are_refused(client):
    for path in ("/sign-in", "/sign-in/message", "/sign-out"):
        assert client.get(path).status_code == 405
