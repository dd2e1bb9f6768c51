"""Probes: alive without anything, ready with database and Redis, and how far behind the chain is."""

import logging

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from redis.exceptions import ConnectionError as RedisConnectionError

from otc.core import clock
from otc.core.models import Chain


def test_alive_asks_nobody(client):
    answer = client.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


@pytest.mark.django_db
class TestReady:
    def test_ready_and_how_far_each_chain_is(self, client, chain):
        body = client.get("/readyz").json()
        assert (body["ok"], body["checks"]) == (True, {"database": True, "redis": True})
        assert body["chains"] == [
            {
                "chain_id": 31337,
                "escrow": "tokens",
                "head": None,
                "head_lag_seconds": None,
                "lagging": True,
                "halted": False,
            }
        ]
        Chain.objects.update(head_number=7, head_time=clock.unix_now() - 5, halted="x")
        told = client.get("/readyz").json()["chains"][0]
        assert (told["head"], 5 <= told["head_lag_seconds"] <= 10, told["lagging"], told["halted"]) == (
            7,
            True,
            False,
            True,
        )

    def test_a_chain_that_lags_does_not_take_the_site_down(self, client, chain):
        Chain.objects.update(head_number=7, head_time=1)
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["chains"][0]["lagging"]) == (200, True)

    def test_not_ready_without_the_database(self, client, monkeypatch, caplog):
        def down(*_args):
            raise OperationalError("down")

        monkeypatch.setattr(connection, "cursor", down)
        with caplog.at_level(logging.CRITICAL):
            answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["checks"]) == (503, {"database": False, "redis": True})

    def test_not_ready_without_redis(self, client, monkeypatch):
        def down(*_args):
            raise RedisConnectionError("down")

        monkeypatch.setattr(cache, "get", down)
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["checks"]) == (503, {"database": True, "redis": False})
