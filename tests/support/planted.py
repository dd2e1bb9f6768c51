"""Settings of a stack whose keeper has a bug: it sends a transaction before it is stored. The real one, but for that."""

from django.apps import AppConfig

from otc.settings import *  # noqa: F403 - the real settings
from otc.settings import INSTALLED_APPS as REAL_APPS

INSTALLED_APPS = [*REAL_APPS, "tests.support.planted.SendsBeforeStoring"]


class SendsBeforeStoring(AppConfig):
    name = "tests.support.planted"

    def ready(self):
        from escrow.keeper import sending

        signed = sending._signed

        def signed_and_sent(step, *given, **what):
            attempt = signed(step, *given, **what)
            step.node.send(bytes(attempt.raw))
            return attempt

        sending._signed = signed_and_sent
