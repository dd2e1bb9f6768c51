"""One effect per Idempotency-Key, whatever the callers do at the same time."""

from datetime import timedelta
from functools import partial
from threading import Event

import pytest
from django.db.models import F
from django.db.models.functions import Now

from otc.core import idempotency
from otc.core.errors import DomainError, ErrorCode
from otc.core.idempotency import Answer, IdempotentRequest
from otc.core.models import IdempotencyRecord, OutboxEvent
from otc.core.outbox import outbox_add
from tests.support.threads import run_together


def request(key="k-1", body=None, **more):
    fields = {"scope": "0xseller", "endpoint": "/api/v1/offers", "body": {"units": "5"} if body is None else body}
    return IdempotentRequest(key=key, **{**fields, **more})


def effect():
    event = outbox_add(type="offer.posted", aggregate="offer:1", payload={})
    return 201, {"sequence": event.sequence}


@pytest.mark.django_db
class TestOneCaller:
    def test_the_second_call_gets_the_stored_answer(self):
        first = idempotency.perform(request(), effect)
        assert first == Answer(201, {"sequence": 1}, replayed=False)
        assert idempotency.replay(request()) == Answer(201, {"sequence": 1}, replayed=True)
        assert idempotency.perform(request(), effect) == Answer(201, {"sequence": 1}, replayed=True)
        assert OutboxEvent.objects.count() == 1

    def test_the_order_of_keys_in_the_body_does_not_matter(self):
        idempotency.perform(request(body={"a": 1, "b": 2}), effect)
        assert idempotency.perform(request(body={"b": 2, "a": 1}), effect).replayed

    def test_another_body_is_refused(self):
        idempotency.perform(request(), effect)
        with pytest.raises(DomainError) as refused:
            idempotency.perform(request(body={"units": "6"}), effect)
        assert (refused.value.code, refused.value.status) == (ErrorCode.IDEMPOTENCY_KEY_REUSED, 422)

    @pytest.mark.parametrize("other", [{"key": "k-2"}, {"scope": "0xbuyer"}, {"endpoint": "/api/v1/markets"}])
    def test_another_key_caller_or_path_is_another_request(self, other):
        idempotency.perform(request(), effect)
        assert not idempotency.perform(request(**other), effect).replayed

    def test_a_failure_stores_nothing_and_frees_the_key(self):
        def refuse():
            effect()
            raise DomainError(ErrorCode.OFFER_EXPIRED, "too late")

        with pytest.raises(DomainError):
            idempotency.perform(request(), refuse)
        assert not IdempotencyRecord.objects.exists()
        assert not OutboxEvent.objects.exists()
        assert idempotency.perform(request(), effect).body == {"sequence": 1}

    def test_old_answers_are_forgotten(self, settings):
        idempotency.perform(request(), effect)
        idempotency.perform(request(key="k-2"), effect)
        age = timedelta(seconds=settings.IDEMPOTENCY_SECONDS + 1)
        IdempotencyRecord.objects.filter(key="k-1").update(created_at=Now() - age)
        assert idempotency.idempotency_forget() == 1
        assert IdempotencyRecord.objects.get().key == "k-2"


@pytest.mark.parametrize(
    ("key", "code"),
    [("", ErrorCode.IDEMPOTENCY_KEY_MISSING), ("x" * 256, ErrorCode.INVALID), ("a\nb", ErrorCode.INVALID)],
)
def test_a_key_is_1_to_255_printable_characters(key, code):
    with pytest.raises(DomainError) as refused:
        request(key=key)
    assert (refused.value.code, refused.value.field) == (code, "Idempotency-Key")


@pytest.mark.django_db(transaction=True)
class TestManyCallers:
    def test_one_effect_and_every_other_answer_is_the_same_or_in_flight(self):
        answers = run_together([partial(idempotency.perform, request(), effect) for _ in range(8)])
        assert OutboxEvent.objects.count() == 1
        stored = [answer for answer in answers if isinstance(answer, Answer)]
        assert [answer.replayed for answer in stored].count(False) == 1
        assert {answer.body["sequence"] for answer in stored} == {1}
        others = [answer for answer in answers if not isinstance(answer, Answer)]
        assert all(isinstance(error, DomainError) and error.code is ErrorCode.IDEMPOTENCY_IN_FLIGHT for error in others)

    def test_while_one_runs_the_other_hears_so_at_once(self):
        running, heard = Event(), Event()

        def slow():
            running.set()
            assert heard.wait(20)
            return effect()

        def second():
            assert running.wait(20)
            try:
                idempotency.perform(request(), effect)
            except DomainError as error:
                return error.code
            finally:
                heard.set()

        first, code = run_together([partial(idempotency.perform, request(), slow), second])
        assert (first.replayed, code) == (False, ErrorCode.IDEMPOTENCY_IN_FLIGHT)
        assert IdempotencyRecord.objects.filter(status=F("status")).count() == 1
