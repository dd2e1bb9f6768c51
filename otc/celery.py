"""The Celery application. Tasks are wake-ups: they take ids only, are idempotent, and losing one costs latency alone."""

import os

from celery import Celery

from otc.consuming import ConnectsAnew

# Django's checks load every page to look at its routes: half of a worker's start, and it has none. `manage.py check` and `migrate` run them.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

app = Celery("otc")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["consumer"].add(ConnectsAnew)
