"""What an operator watches, as numbers: read from the database in ten queries at most, because the processes that know it are many.

`chain` is the chain's own number, `escrow` which of its escrows. Ages are in seconds of our clock. docs/operations.md has the alarms.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, F, Min

from escrow.models import CheckRun, EndpointHealth, Intent, IntentState, Reorg, Signer
from otc.core import clock
from otc.core.models import Chain, Flag, FlagName, OutboxEvent

REORG_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
UNDER_WAY = (IntentState.PLANNED, IntentState.SENT, IntentState.MINED)

Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Gauge:
    """One metric: its values by labels. Every value has the same label names."""

    name: str
    help: str
    values: list[tuple[Labels, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Histogram:
    """One distribution by labels: how many values are at most each of `buckets`, how many there are, and their sum."""

    name: str
    help: str
    buckets: tuple[int, ...]
    values: list[tuple[Labels, list[int], int, int]] = field(default_factory=list)


def gauges() -> list[Gauge | Histogram]:
    """All of them, now."""
    chains = {chain.pk: chain for chain in Chain.objects.filter(active=True)}
    labels = {pk: {"chain": str(chain.chain_id), "escrow": str(chain.kind)} for pk, chain in chains.items()}
    return [
        *_chains(chains.values(), labels),
        *_endpoints(chains, labels),
        _reorgs(labels),
        *_intents(labels),
        *_signers(),
        *_checks(labels),
        *_outbox(),
        _switches(),
    ]


def _age(moment: datetime | None) -> float:
    return 0.0 if moment is None else max(0.0, (clock.now() - moment).total_seconds())


def _chains(chains: Iterable[Chain], labels: Mapping[int, Labels]) -> Iterator[Gauge]:
    head = Gauge("forelock_chain_head_number", "Newest block that was folded.")
    age = Gauge("forelock_chain_head_age_seconds", "Seconds since the time of the newest folded block.")
    depth = Gauge("forelock_chain_unfinal_blocks", "Folded blocks that are not final yet.")
    halted = Gauge("forelock_chain_halted", "1: the reader stopped for a person.")
    for chain in chains:
        of = labels[chain.pk]
        halted.values.append((of, float(bool(chain.halted))))
        if chain.head_number is not None and chain.head_time is not None:
            head.values.append((of, chain.head_number))
            age.values.append((of, max(0, clock.unix_now() - chain.head_time)))
            final = -1 if chain.final_number is None else chain.final_number
            depth.values.append((of, chain.head_number - final))
    yield from (head, age, depth, halted)


def _endpoints(chains: Mapping[int, Chain], labels: Mapping[int, Labels]) -> Iterator[Gauge]:
    failures = Gauge("forelock_endpoint_failures", "Failures of an endpoint in a row, up to now; 0: it works.")
    silent = Gauge("forelock_endpoint_silent_seconds", "Seconds since an endpoint last worked.")
    latency = Gauge("forelock_endpoint_latency_seconds", "How long its last look took.")
    width = Gauge("forelock_endpoint_range_blocks", "Blocks of logs that are asked of an endpoint at once.")
    behind = Gauge("forelock_chain_lag_blocks", "How far the folded head is behind the best endpoint's.")
    best: dict[int, int] = {}
    for row in EndpointHealth.objects.filter(chain__in=labels).order_by("pk"):
        of = {**labels[row.chain_id], "endpoint": row.name, "digest": row.digest[2:10]}
        failures.values.append((of, row.failures))
        width.values.append((of, row.width))
        if row.seen_at is not None:
            silent.values.append((of, _age(row.seen_at)))
        if row.latency_ms is not None:
            latency.values.append((of, row.latency_ms / 1000))
        if row.head_number is not None and not row.failures:
            best[row.chain_id] = max(best.get(row.chain_id, 0), row.head_number)
    for pk, head in best.items():
        behind.values.append((labels[pk], max(0, head - (chains[pk].head_number or 0))))
    yield from (failures, silent, latency, width, behind)


def _reorgs(labels: Mapping[int, Labels]) -> Histogram:
    found = Histogram(
        "forelock_reorg_depth_blocks", "Blocks taken back at once, of all reorganisations.", REORG_BUCKETS
    )
    depths: dict[int, Counter[int]] = {pk: Counter() for pk in labels}
    rows = Reorg.objects.filter(chain__in=labels).order_by()
    for pk, depth, count in rows.values_list("chain", F("from_number") - F("to_number")).annotate(count=Count("id")):
        depths[pk][depth] += count
    for pk, counts in depths.items():
        within = [sum(count for depth, count in counts.items() if depth <= bound) for bound in REORG_BUCKETS]
        total = sum(depth * count for depth, count in counts.items())
        found.values.append((labels[pk], within, counts.total(), total))
    return found


def _intents(labels: Mapping[int, Labels]) -> Iterator[Gauge]:
    count = Gauge("forelock_intents", "What the keeper wants done, by state.")
    oldest = Gauge("forelock_intent_oldest_age_seconds", "Age of the oldest intent that is under way; 0: none.")
    rows = Intent.objects.filter(chain__in=labels).order_by()
    found = {
        (pk, state): (number, first)
        for pk, state, number, first in rows.values_list("chain", "state").annotate(
            number=Count("id"), first=Min("created_at")
        )
    }
    for pk, of in labels.items():
        for state in IntentState:
            number, first = found.get((pk, state.value), (0, None))
            count.values.append(({**of, "state": state.value}, number))
            if state in UNDER_WAY:
                oldest.values.append(({**of, "state": state.value}, _age(first)))
    yield from (count, oldest)


def _signers() -> Iterator[Gauge]:
    halted = Gauge("forelock_signer_halted", "1: the signer stopped for a person.")
    notice = Gauge("forelock_signer_notice", "1: the signer sends nothing now, for a reason that goes away by itself.")
    open_nonces = Gauge("forelock_signer_unfinal_transactions", "Transactions of the signer that are not final yet.")
    floor = Gauge("forelock_signer_balance_floor_wei", "Below this balance the signer sends nothing.")
    balance = Gauge("forelock_signer_balance_wei", "What the signer had when its node was last asked.")
    for signer in Signer.objects.order_by("pk"):
        of = {"chain": str(signer.chain_id), "signer": signer.address}
        halted.values.append((of, float(bool(signer.halted))))
        notice.values.append((of, float(bool(signer.notice))))
        floor.values.append((of, float(signer.balance_floor)))
        if signer.balance is not None:
            balance.values.append((of, float(signer.balance)))
        if signer.next_nonce is not None:
            open_nonces.values.append((of, signer.next_nonce - signer.final_nonce))
    yield from (halted, notice, open_nonces, floor, balance)


def _checks(labels: Mapping[int, Labels]) -> Iterator[Gauge]:
    """The newest run of each check and chain; `chain` is empty for what belongs to none."""
    none = {"chain": "", "escrow": ""}
    differing = {
        "reconcile": Gauge("forelock_drift", "Facts that differed between contract and database, in the last comparison."),
        "verify": Gauge("forelock_verify_failures", "Places where an invariant of the database did not hold, at the last look."),
        "replay": Gauge("forelock_replay_differences", "Parts of the state that differed from its last rebuild."),
    }  # fmt: skip
    age = Gauge("forelock_check_age_seconds", "Seconds since a check last came to an end.")
    newest = CheckRun.objects.order_by("check_name", "chain_id", "-id").distinct("check_name", "chain_id")
    for run in newest.defer("differences"):
        if run.chain_id is None or run.chain_id in labels:
            of = none if run.chain_id is None else labels[run.chain_id]
            differing[run.check_name].values.append((of, run.differing))
            age.values.append(({"check": run.check_name, **of}, _age(run.ended_at)))
    yield from (*differing.values(), age)


def _outbox() -> Iterator[Gauge]:
    waiting = OutboxEvent.objects.filter(relayed_at=None).aggregate(count=Count("id"), first=Min("created_at"))
    yield Gauge("forelock_outbox_waiting", "Outbox rows that nobody has relayed yet.", [({}, waiting["count"])])
    yield Gauge(
        "forelock_outbox_oldest_age_seconds", "Age of the oldest of them; 0: none.", [({}, _age(waiting["first"]))]
    )


def _switches() -> Gauge:
    on = set(Flag.objects.filter(on=True).values_list("name", flat=True))
    values = [({"switch": name.value}, float(name.value in on)) for name in FlagName]
    return Gauge("forelock_switch_on", "1: operators, or a halt, threw this switch.", values)
