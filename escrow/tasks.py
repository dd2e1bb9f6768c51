"""Where Celery finds the tasks of this app."""

from escrow.chain.tasks import watch_all, watch_chain
from escrow.keeper.tasks import drive, drive_all

__all__ = ["drive", "drive_all", "watch_all", "watch_chain"]
