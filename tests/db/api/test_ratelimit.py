"""Rate limits against a real Redis: buckets, headers, and what happens without Redis."""

import logging

import pytest

from otc.accounts.models import User
from otc.accounts.services import token_issue
from otc.api import ratelimit

ME = "/api/v1/me"
NONCE = "/api/v1/auth/nonce"


@pytest.fixture
def limits(settings, redis_url):
    import redis

    settings.REDIS_URL = redis_url
    settings.RATE_LIMITS = {"read": (3, 60), "write": (2, 60)}
    ratelimit._script.cache_clear()
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    yield settings.RATE_LIMITS
    ratelimit._script.cache_clear()


@pytest.fixture
def bearer(db):
    def make(byte):
        token, _ = token_issue(user=User.objects.for_wallet("0x" + byte * 20))
        return {"HTTP_AUTHORIZATION": f"Bearer {token}"}

    return make


def test_a_bucket_empties_says_so_and_when_to_come_back(api, limits, bearer):
    seller = bearer("5e")
    answers = [api.get(ME, **seller) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer["RateLimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
    last = answers[-1]
    assert last["RateLimit-Policy"] == '"read";q=3;w=60'
    assert last["Content-Type"] == "application/problem+json"
    assert last.json()["code"] == "too_many_requests"
    assert 15 <= int(last["Retry-After"]) <= 20  # one call's share of the window


def test_each_wallet_has_its_own_bucket_whatever_its_address_is(api, limits, bearer):
    seller, buyer = bearer("5e"), bearer("b0")
    assert [api.get(ME, **seller).status_code for _ in range(4)][-1] == 429
    assert api.get(ME, **buyer).status_code == 200


def test_without_a_sign_in_the_address_counts_and_cannot_be_forged(api, limits, chain):
    body = {"address": "0x" + "5e" * 20, "chain_id": 31337}
    answers = [api.post(NONCE, body, format="json", HTTP_X_FORWARDED_FOR=f"10.0.0.{n}") for n in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0]["RateLimit-Policy"] == '"write";q=2;w=60'
    assert api.post(NONCE, body, format="json", REMOTE_ADDR="10.9.9.9").status_code == 200


def test_a_bucket_fills_again(api, limits, bearer, settings):
    settings.RATE_LIMITS = {"read": (2, 1)}
    seller = bearer("5e")
    codes = [api.get(ME, **seller).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    for _ in range(5000):  # half a second's worth of calls, then one passes
        if api.get(ME, **seller).status_code == 200:
            return
    pytest.fail("the bucket never filled")


def test_without_redis_calls_pass(api, limits, bearer, settings, caplog):
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    ratelimit._script.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert [api.get(ME, **bearer("5e")).status_code for _ in range(5)] == [200] * 5
    assert "not held" in caplog.text


def test_no_limit_no_headers(api, bearer):
    assert "RateLimit" not in api.get(ME, **bearer("5e"))
