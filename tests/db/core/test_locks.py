"""Locks: what SQL they are, whom they stop, and that they end with the connection."""

from threading import Event

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError

from otc.core.locks import advisory_lock, lock_row, lock_rows
from otc.core.models import Chain, Flag
from tests.support.threads import run_together


@pytest.fixture
def flags(db):
    return Flag.objects.bulk_create(Flag(name=name) for name in ("pause_taking", "pause_keeper", "pause_posting"))


@pytest.mark.django_db
class TestRows:
    def test_rows_are_locked_for_no_key_update_in_order_of_their_key(self, flags, django_assert_num_queries):
        with django_assert_num_queries(1) as asked:
            locked = lock_rows(Flag.objects.exclude(name="pause_taking").order_by("-changed_at"))
        assert [flag.name for flag in locked] == ["pause_keeper", "pause_posting"]
        assert 'ORDER BY "core_flag"."name" ASC FOR NO KEY UPDATE OF "core_flag"' in asked[0]["sql"]

    def test_one_row_or_none(self, flags, django_assert_num_queries):
        with django_assert_num_queries(1) as asked:
            assert lock_row(Flag.objects.filter(name="pause_taking")).name == "pause_taking"
        assert asked[0]["sql"].endswith('LIMIT 1 FOR NO KEY UPDATE OF "core_flag"')
        assert lock_row(Flag.objects.filter(name="no")) is None


@pytest.mark.django_db(transaction=True)
class TestHolding:
    def test_a_lock_needs_a_transaction(self):
        with pytest.raises(TransactionManagementError):
            lock_row(Chain.objects.all())

    def test_a_held_row_lets_references_in_and_writers_wait(self):
        chain = Chain.objects.create(pk=1, chain_id=1, name="A", escrow_address="0x" + "e5" * 20, start_block=1)
        held, done = Event(), Event()

        def holder():
            with transaction.atomic():
                lock_row(Chain.objects.filter(pk=chain.pk))
                held.set()
                assert done.wait(20)

        def other():
            assert held.wait(20)
            try:
                with transaction.atomic():  # an insert that refers to the row takes FOR KEY SHARE on it
                    chain.pay_tokens.create(address="0x" + "aa" * 20, symbol="USD", decimals=6)
                with connection.cursor() as cursor:
                    cursor.execute("SELECT count(*) FROM core_chain")
                    cursor.execute("SET lock_timeout = '50ms'")
                with transaction.atomic():
                    lock_row(Chain.objects.filter(pk=chain.pk))
            finally:
                done.set()

        results = run_together([holder, other])
        assert results[0] is None
        assert "lock timeout" in str(results[1])
        assert chain.pay_tokens.count() == 1


@pytest.mark.django_db(transaction=True)
class TestAdvisory:
    @staticmethod
    def _try(name):
        def attempt():
            with advisory_lock(name) as got:
                return got

        return run_together([attempt])[0]

    def test_one_holder_at_a_time_by_name(self):
        with advisory_lock("chain:1") as got:
            assert got
            assert self._try("chain:1") is False
            assert self._try("chain:2") is True
        assert self._try("chain:1") is True

    def test_it_ends_with_an_exception(self):
        with pytest.raises(RuntimeError), advisory_lock("chain:1"):
            raise RuntimeError
        assert self._try("chain:1") is True

    def test_it_ends_with_the_connection(self):
        def die_holding():
            with advisory_lock("chain:1") as got:
                assert got
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_backend_pid()")
                    backend = cursor.fetchone()[0]
                run_together([lambda: _terminate(backend)])
                return got

        assert run_together([die_holding]) == [True]
        assert self._try("chain:1") is True


def _terminate(backend):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
