"""The hourly clean-up."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session

from otc.accounts.models import AccessToken, User
from otc.accounts.services import token_issue
from otc.accounts.tasks import forget_expired
from otc.celery import app
from otc.core import clock
from otc.core.models import IdempotencyRecord


@pytest.mark.django_db
def test_what_can_no_longer_be_used_goes_and_the_rest_stays(client):
    user = User.objects.for_wallet("0x" + "5e" * 20)
    client.force_login(user)
    live = Session.objects.get()
    Session.objects.create(session_key="old", session_data="", expire_date=clock.now() - timedelta(seconds=1))
    token_issue(user=user)
    _, old = token_issue(user=user)
    AccessToken.objects.filter(pk=old.pk).update(expires_at=clock.now() - timedelta(seconds=1))
    record = {"scope": "s", "endpoint": "/", "request_hash": "0x" + "00" * 32, "status": 201, "body": {}}
    IdempotencyRecord.objects.create(key="new", **record)
    IdempotencyRecord.objects.create(key="old", created_at=clock.now() - timedelta(days=9), **record)
    forget_expired()
    assert list(Session.objects.all()) == [live]
    assert AccessToken.objects.count() == 1
    assert IdempotencyRecord.objects.get().key == "new"


def test_beat_knows_the_task():
    app.loader.import_default_modules()
    assert app.conf.beat_schedule["forget-expired"]["task"] in app.tasks
