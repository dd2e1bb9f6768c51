"""Closing accounts: staff accounts by superusers only, and one superuser remains whatever happens at once."""

from functools import partial
from threading import Event

import pytest
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.test import RequestFactory

from otc.accounts.models import User
from otc.accounts.services import account_active_set
from otc.core.errors import DomainError, ErrorCode
from tests.support.threads import run_together


def superuser(name):
    return User.objects.create_superuser(name, "a long enough password")


def close(user, *, by, active=False):
    return account_active_set(user_id=user.pk, active=active, reason="Looked at it.", by=by)


def refused(user, *, by, active=False):
    before = list(User.objects.order_by("pk").values())
    with pytest.raises(DomainError) as error:
        close(user, by=by, active=active)
    assert list(User.objects.order_by("pk").values()) == before
    return error.value.code


@pytest.mark.django_db
@pytest.mark.parametrize("lost", ["is_active", "is_staff", "is_superuser"])
def test_who_lost_the_right_meanwhile_is_refused(lost):
    first, second = superuser("first"), superuser("second")
    User.objects.filter(pk=first.pk).update(**{lost: False})
    assert first.is_superuser  # as its request still sees it
    assert refused(second, by=first) is ErrorCode.FORBIDDEN
    request = RequestFactory().post("/")
    request.user = first
    second.is_superuser = False
    with pytest.raises(PermissionDenied):
        admin.site._registry[User].save_model(request, second, form=None, change=True)
    second.refresh_from_db()
    assert second.is_superuser


@pytest.mark.django_db
def test_refusals():
    user, wallet = superuser("user"), User.objects.for_wallet("0x" + "5e" * 20)
    assert refused(user, by=user) is ErrorCode.FORBIDDEN
    assert refused(wallet, by=user, active=True) is ErrorCode.CONFLICT
    assert refused(User(pk=-1), by=user) is ErrorCode.NOT_FOUND


@pytest.mark.django_db(transaction=True)
def test_of_superusers_who_close_each_other_at_once_one_remains():
    users = [superuser(f"superuser {n}") for n in range(4)]
    pairs = list(zip(users, users[1:] + users[:1], strict=True))
    answers = run_together([partial(close, user, by=by) for user, by in pairs])
    closed = [answer for answer in answers if isinstance(answer, User)]
    assert {answer.code for answer in answers if not isinstance(answer, User)} == {ErrorCode.FORBIDDEN}
    assert User.objects.filter(is_active=True).count() == len(users) - len(closed) > 0


@pytest.mark.django_db(transaction=True)
def test_who_is_being_closed_waits_and_is_then_refused():
    first, second = superuser("first"), superuser("second")
    held, done = Event(), Event()

    @transaction.atomic
    def closes():
        close(second, by=first)
        held.set()
        assert done.wait(20)

    def closes_back():
        assert held.wait(20)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        try:
            return close(first, by=second)
        finally:
            done.set()

    _, waited = run_together([closes, closes_back])
    assert "lock timeout" in str(waited)
    assert refused(first, by=second) is ErrorCode.FORBIDDEN
    assert list(User.objects.filter(is_active=True)) == [first]
