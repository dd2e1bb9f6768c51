"""Events stand in the transaction of their change, count without gaps within their aggregate, and are read without missing one."""

import random
from functools import partial
from threading import Event, Semaphore

import pytest
from django.db import IntegrityError, connection, transaction

from otc.core import clock
from otc.core.models import Flag, OutboxEvent
from otc.core.outbox import (
    LOWEST_MARK,
    MARK,
    NewEvent,
    Page,
    outbox_add,
    outbox_add_locked,
    outbox_listen,
    outbox_read,
)
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


@pytest.mark.django_db(transaction=True)
class TestReading:
    """Ids are given out in one order and become visible in another."""

    def test_a_row_is_never_passed_over_while_a_lower_one_may_still_come(self):
        add("deal:0")
        (first,) = outbox_read(after=0).rows
        taken, go = Event(), Event()

        def slow():
            with transaction.atomic():
                outbox_add(type="slow", aggregate="deal:1", payload={})
                taken.set()
                assert go.wait(20)

        def quick():
            assert taken.wait(20)
            add("deal:2")
            try:
                return outbox_read(after=first.id)
            finally:
                go.set()

        (_, page) = run_together([slow, quick])
        assert page == Page([], held_back=True)
        rows, held_back = outbox_read(after=first.id)
        assert [row.type for row in rows] == ["slow", "deal.opened"]
        assert not held_back

    def test_what_was_rolled_back_holds_nothing_back(self):
        with transaction.atomic():
            outbox_add(type="a", aggregate="deal:1", payload={})
            transaction.set_rollback(True)
        add("deal:2")
        rows, held_back = outbox_read(after=0)
        assert [row.aggregate for row in rows] == ["deal:2"]
        assert not held_back

    def test_a_transaction_that_tells_nothing_holds_nothing_back(self):
        began, done = Event(), Event()

        def other():
            with transaction.atomic():
                Flag.objects.create(name="pause_taking")
                began.set()
                assert done.wait(20)

        def reader():
            assert began.wait(20)
            add("deal:1")
            try:
                return outbox_read(after=0)
            finally:
                done.set()

        (_, page) = run_together([other, reader])
        assert ([row.aggregate for row in page.rows], page.held_back) == (["deal:1"], False)

    def test_pages_go_on_from_the_last_id(self):
        add("deal:1", 5)
        first = outbox_read(after=0, limit=3).rows
        second = outbox_read(after=first[-1].id, limit=3).rows
        assert [row.sequence for row in first + second] == [1, 2, 3, 4, 5]

    def test_a_mark_is_read_back_beyond_31_bits(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT setval('core_outboxevent_id_seq', %s)", [2**31 * 3 + 5])
        with transaction.atomic():
            outbox_add(type="a", aggregate="deal:1", payload={})
            with connection.cursor() as cursor:
                cursor.execute(LOWEST_MARK, [2**31 * 3 + 6, 2**31 * 3 + 6, MARK])
                assert cursor.fetchone()[0] == 2**31 * 3 + 5

    def test_many_writers_and_a_reader_that_misses_nothing(self):
        """Writers of random length, some of which roll back; what the reader saw in its order is what is there, in order."""
        seed = 20
        rng = random.Random(seed)  # noqa: S311 - a seed that can be run again
        plans = [[(rng.randint(1, 4), rng.random() < 0.2) for _ in range(30)] for _ in range(4)]
        left = Semaphore(0)

        def writer(name, plan):
            for count, fails in plan:
                with transaction.atomic():
                    for _ in range(count):
                        outbox_add(type="a", aggregate=name, payload={})
                    transaction.set_rollback(fails)
            left.release()

        def reader():
            seen, ended = [], 0
            for rows in outbox_listen(after=0, idle_seconds=0.05):
                seen += [row.id for row in rows]
                ended += left.acquire(blocking=False)
                if not rows and ended == len(plans):
                    return seen
            return None

        jobs = [partial(writer, f"deal:{n}", plan) for n, plan in enumerate(plans)]
        *_, seen = run_together([*jobs, reader])
        assert seen == list(OutboxEvent.objects.order_by("id").values_list("id", flat=True)), seed
        assert len(seen) == sum(count for plan in plans for count, fails in plan if not fails), seed


@pytest.mark.django_db(transaction=True)
class TestListening:
    def test_a_commit_wakes_the_listener_once_for_all_its_rows(self):
        waiting = Event()

        def listener():
            began = None
            for rows in outbox_listen(after=0, idle_seconds=30):
                assert began is None or rows
                if [row.aggregate for row in rows] == ["first"]:
                    began = clock.monotonic()
                    waiting.set()
                    continue
                return [row.aggregate for row in rows], clock.monotonic() - began
            return None

        def writer():
            add("first")
            assert waiting.wait(20)
            with transaction.atomic():
                outbox_add(type="a", aggregate="second", payload={})
                outbox_add_locked([NewEvent("a", "third", {}), NewEvent("a", "fourth", {})])

        ((told, seconds), _) = run_together([listener, writer])
        assert told == ["second", "third", "fourth"]
        assert seconds < 10  # woken: the idle time is 30

    def test_without_news_it_lets_the_caller_stop(self):
        listening = outbox_listen(after=0, idle_seconds=0.01)
        assert next(listening) == []
        listening.close()
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_listening_channels()")
            assert cursor.fetchone()[0] == 0
