"""How long the checks take on a chain of 100,000 events, and for how long anybody waits for them."""

import sys

from escrow.chain.watcher import Outcome, watch
from escrow.checks.runs import reconcile_run, replay_run, verify_run
from escrow.models import Account
from otc.bench.activity import arguments, chain_made
from otc.bench.anvil import Anvil
from otc.bench.database import bench_database
from otc.bench.registered import venue_registered
from otc.bench.report import Row
from otc.core import clock
from otc.core.models import Chain
from otc.stack.layout import Layout


def run() -> list[Row]:
    state, facts = chain_made(Layout.of("bench").root / "chain", say=_say)
    with bench_database() as database, Anvil(*arguments(state)) as node:
        database.fresh()
        chain = venue_registered(facts, url=node.url, chain_id=int(node.rpc("eth_chainId"), 16))
        while watch(chain.pk, budget=60.0).outcome is not Outcome.LEVEL:
            pass
        return _measure(Chain.objects.get(pk=chain.pk))


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _measure(chain: Chain) -> list[Row]:
    began = clock.monotonic()
    report = reconcile_run(chain=chain)
    reconciled = clock.monotonic() - began
    began = clock.monotonic()
    (of_chain, of_none) = verify_run(chains=[chain])
    verified = clock.monotonic() - began
    seconds = of_chain.seconds | of_none.seconds
    slowest = max(seconds, key=lambda name: seconds[name])
    compared = replay_run(chain=chain, install=False)
    Account.objects.filter(pk=Account.objects.order_by("pk").values("pk")[:1]).update(balance=1)
    mended = replay_run(chain=chain, install=True)
    differing = len(report.drifts) + len(of_chain.violations) + len(of_none.violations) + int(not compared.same)
    return [
        Row("events", compared.events, "events"),
        Row("differences found in a sound database", differing, "differences", 0),
        Row("reconcile", reconciled, "s", beside=f"{report.checked:,} facts"),
        Row(
            "verify",
            verified,
            "s",
            beside=f"{len(seconds)} invariants, the slowest {slowest}: {seconds[slowest]:.1f} s",
        ),
        Row("replay beside the live state", compared.seconds, "s", beside="nobody waits"),
        Row("replay in place of a damaged one", mended.locked_seconds, "s", beside="reader and posting wait"),
    ]
