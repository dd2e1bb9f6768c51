"""Signing in through the REST API: nonce, verify, me, sign-out."""

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

SELLER = Account.from_key("0x" + "11" * 32)


def sign_in(api, account=SELLER):
    asked = api.post("/api/v1/auth/nonce", {"address": account.address, "chain_id": 31337}, format="json")
    assert asked.status_code == 200, asked.content
    signature = account.sign_message(encode_defunct(text=asked.json()["message"])).signature
    body = {"message": asked.json()["message"], "signature": "0x" + signature.hex()}
    return body, api.post("/api/v1/auth/verify", body, format="json")


def test_a_wallet_signs_in_asks_who_it_is_and_signs_out(api, chain):
    _, answer = sign_in(api)
    assert answer.status_code == 200
    assert answer.json()["address"] == SELLER.address
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {answer.json()['token']}"}
    me = api.get("/api/v1/me", **bearer)
    assert (me.status_code, me.json()["address"], me.json()["projects"]) == (200, SELLER.address, [])
    assert api.post("/api/v1/auth/sign-out", **bearer).status_code == 204
    gone = api.get("/api/v1/me", **bearer)
    assert (gone.status_code, gone.json()["code"]) == (401, "sign_in_required")
    assert gone["Content-Type"] == "application/problem+json"
    assert gone["WWW-Authenticate"] == 'Bearer realm="forelock"'


def test_the_same_signature_signs_in_once(api, chain):
    body, _ = sign_in(api)
    again = api.post("/api/v1/auth/verify", body, format="json")
    assert (again.status_code, again.json()["code"]) == (401, "sign_in_refused")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"address": "0x12", "chain_id": 31337}, "address"),
        ({"address": 12, "chain_id": 31337}, "address"),
        ({"address": SELLER.address, "chain_id": "many"}, "chain_id"),
        ({"address": SELLER.address, "chain_id": 10**30}, "chain_id"),
        ({"address": SELLER.address, "chain_id": 1}, "chain_id"),
        ({"address": SELLER.address}, "chain_id"),
        ({"address": SELLER.address, "chain_id": 31337, "adress": "x"}, "adress"),
    ],
)
def test_nonsense_for_a_nonce_is_refused_by_field(api, chain, body, field):
    answer = api.post("/api/v1/auth/nonce", body, format="json")
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert field in answer.json()["detail"] or answer.json()["errors"][0]["detail"] == answer.json()["detail"]
