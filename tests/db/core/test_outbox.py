"""Events stand in the transaction of their change, and count without gaps within their aggregate."""

from functools import partial

import pytest
from django.db import IntegrityError, transaction

from otc.core.models import OutboxEvent
from otc.core.outbox import NewEvent, outbox_add, outbox_add_locked
from tests.support.threads import run_together


def sequences(aggregate):
    return list(OutboxEvent.objects.filter(aggregate=aggregate).order_by("id").values_list("sequence", flat=True))


def add(aggregate, count=1):
    with transaction.atomic():
        for _ in range(count):
            outbox_add(type="deal.opened", aggregate=aggregate, payload={"units": "1"}, depth="seen")


@pytest.mark.django_db(transaction=True)
class TestConcurrency:
    def test_sequences_have_no_gap_and_follow_the_ids(self):
        results = run_together([partial(add, "deal:1", 5) for _ in range(6)])
        assert results == [None] * 6
        assert sequences("deal:1") == list(range(1, 31))

    def test_a_rolled_back_change_leaves_no_gap(self):
        add("deal:1")
        with transaction.atomic():
            outbox_add(type="deal.opened", aggregate="deal:1", payload={})
            transaction.set_rollback(True)
        add("deal:1")
        assert sequences("deal:1") == [1, 2]

    def test_an_event_needs_a_transaction(self):
        with pytest.raises(AssertionError, match="transaction"):
            outbox_add(type="deal.opened", aggregate="deal:1", payload={})
        with pytest.raises(AssertionError, match="transaction"):
            outbox_add_locked([NewEvent("deal.opened", "deal:1", {})])


@pytest.mark.django_db
class TestMany:
    def test_aggregates_count_apart_and_go_on(self):
        add("deal:1", 2)
        outbox_add_locked(
            [NewEvent("a", "deal:1", {}), NewEvent("b", "deal:2", {"x": 1}, "safe"), NewEvent("c", "deal:1", {})]
        )
        add("deal:1")
        assert (sequences("deal:1"), sequences("deal:2")) == ([1, 2, 3, 4, 5], [1])
        event = OutboxEvent.objects.get(aggregate="deal:2")
        assert (event.type, event.payload, event.depth, event.relayed_at) == ("b", {"x": 1}, "safe", None)

    def test_nothing_to_tell_asks_nothing(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            outbox_add_locked([])

    def test_the_database_refuses_the_same_sequence_twice(self):
        add("deal:1")
        with pytest.raises(IntegrityError, match="outbox_sequence_once"), transaction.atomic():
            OutboxEvent.objects.create(type="a", aggregate="deal:1", sequence=1, payload={})
