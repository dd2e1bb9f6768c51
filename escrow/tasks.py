"""Where Celery finds the tasks of this app."""

from escrow.chain.tasks import watch_all, watch_chain
from escrow.checks.tasks import nightly, reconcile_chain, replay_chain, verify_all
from escrow.keeper.tasks import drive, drive_all

__all__ = [
    "drive",
    "drive_all",
    "nightly",
    "reconcile_chain",
    "replay_chain",
    "verify_all",
    "watch_all",
    "watch_chain",
]
