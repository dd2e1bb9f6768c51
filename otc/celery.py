"""The Celery application. Tasks are wake-ups: they take ids only, are idempotent, and losing one costs latency alone."""

from celery import Celery

from otc.consuming import ConnectsAnew

app = Celery("otc")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["consumer"].add(ConnectsAnew)
