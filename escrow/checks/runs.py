"""Runs the checks and writes down what they found. A difference is said in the log as critical, besides."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.db import transaction

from escrow.chain.reconcile import Report, reconcile
from escrow.checks.models import Check, CheckRun
from escrow.checks.verify import Verification, verify
from escrow.services.replay import Replay, replay
from otc.core import clock
from otc.core.models import Chain

log = logging.getLogger(__name__)

KEPT = timedelta(days=90)
SHOWN = 100  # differences kept of a run


def reconcile_run(*, chain: Chain) -> Report:
    """Compares contract and database. Never call it inside a transaction. Errors: CHAIN_UNAVAILABLE."""
    began = clock.monotonic()
    report = reconcile(chain)
    _keep(
        Check.RECONCILE,
        chain,
        block_number=report.block_number,
        checked=report.checked,
        differing=len(report.drifts),
        differences=[asdict(drift) for drift in report.drifts[:SHOWN]],
        seconds=clock.monotonic() - began,
    )
    if report.strangers:
        log.warning(
            "%s: %s tokens that are no payment tokens say less than the escrow owes of them, or nothing",
            chain,
            len(report.strangers),
        )
    return report


def verify_run(*, chains: Sequence[Chain]) -> list[Verification]:
    """Asks for the invariants of these chains, and for those of none."""
    found = verify(chains)
    for done in found:
        _keep(
            Check.VERIFY,
            done.chain,
            block_number=done.chain.head_number if done.chain is not None else None,
            checked=len(done.seconds),
            differing=sum(done.broken.values()),
            differences=[asdict(violation) for violation in done.violations[:SHOWN]],
            seconds=sum(done.seconds.values()),
        )
    return found


def replay_run(*, chain: Chain, install: bool) -> Replay:
    """Rebuilds and compares, and with `install` mends. Never call it inside a transaction. Errors: as `replay`."""
    done = replay(chain_id=chain.pk, install=install)
    names = done.live.differing(done.rebuilt)
    _keep(
        Check.REPLAY,
        chain,
        block_number=done.chain.head_number,
        checked=done.events,
        differing=len(names),
        differences=[{"part": name} for name in names],
        seconds=done.seconds,
    )
    return done


@transaction.atomic
def _keep(check: Check, chain: Chain | None, **found: Any) -> None:
    """Stores the run and forgets old ones."""
    CheckRun.objects.create(check_name=check, chain=chain, **found)
    CheckRun.objects.filter(ended_at__lt=clock.now() - KEPT).delete()
    if found["differing"]:
        log.critical("%s of %s: %s differences", check, chain or "the database", found["differing"])
