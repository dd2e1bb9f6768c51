"""Which endpoint of a chain is asked next, and when a bad one is tried again. The state is in the database: all processes share it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from escrow.chain.client import HttpNode, Node, RpcError, http_node, within
from escrow.chain.models import EndpointHealth
from escrow.chain.readings import header_of
from otc.core import clock
from otc.core.models import Chain

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 16.0  # seconds; doubles with each failure in a row
LONGEST_RETRY_AFTER = 300.0  # seconds: what a node may ask for
MOVES_FREE = 2  # times in a row that a node may contradict itself before it must rest: chains do move
GIVEN_UP = 6  # failures in a row after which nobody waits for a node's word
LAG = 3  # blocks behind the best endpoint, from which on another one is asked first
SAVED_FOR = 5.0  # seconds for which a row that says nothing new is not written again
PROBE_EVERY = 20.0  # seconds between looks at an endpoint that is not asked because others are better
PROBE_SECONDS = 1.0


class Endpoints(Protocol):
    """The nodes that a step may ask, and who hears how they did."""

    def ready(self) -> Sequence[Node]:
        """Best first. None: all of them rest, or there are none."""
        ...

    def worked(self, node: Node, *, head: int, seconds: float) -> None:
        """The node answered; `head` is its newest block, `seconds` the time of its look."""
        ...

    def failed(self, node: Node, fault: str, *, retry_after: float = 0.0) -> None:
        """The node failed, lied or contradicted itself."""
        ...

    def misses_one(self) -> bool:
        """One that worked not long ago rests: it may contradict what the others say."""
        ...


@dataclass(frozen=True, slots=True)
class GivenNodes:
    """Nodes in a fixed order, of whose health nothing is kept."""

    nodes: Sequence[Node]

    def ready(self) -> Sequence[Node]:
        return self.nodes

    def worked(self, node: Node, *, head: int, seconds: float) -> None: ...

    def failed(self, node: Node, fault: str, *, retry_after: float = 0.0) -> None: ...

    def misses_one(self) -> bool:
        return False


MOVED = "moved"  # the fault of a node whose answers don't fit together
FORKED = "forked"  # of one that shows another chain below what others and we call final


def pause_after(failures: int, fault: str, retry_after: float = 0.0) -> float:
    """Seconds of rest after so many failures in a row, the last of them `fault`."""
    free = MOVES_FREE if fault == MOVED else 0
    if failures <= free:
        return 0.0
    doubled = FIRST_PAUSE * 2.0 ** min(failures - free - 1, 10)
    return max(min(doubled, LONGEST_PAUSE), min(retry_after, LONGEST_RETRY_AFTER))


class ChainEndpoints:
    """The endpoints of one chain. A row per URL, made when there is something to say."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._nodes = [http_node(url, chain.chain_id) for url in chain.rpc_urls]
        self._rows: dict[str, EndpointHealth] = {}

    def ready(self) -> Sequence[Node]:
        """Healthy ones in the configured order, then those that lag, then those that failed and have rested since."""
        now = clock.now()
        return [node for node in self.ordered() if not self._rests(self._rows[node.url], now)]

    def ordered(self) -> list[HttpNode]:
        """All of them, best first; the resting ones last."""
        self._load()
        now = clock.now()
        best = max((row.head_number or 0 for row in self._rows.values()), default=0)

        def rank(node: HttpNode) -> tuple[bool, bool, bool]:
            row = self._rows[node.url]
            lags = row.head_number is not None and row.head_number < best - LAG
            return self._rests(row, now), row.retry_at is not None, lags

        return sorted(self._nodes, key=rank)

    def worked(self, node: Node, *, head: int, seconds: float) -> None:
        row = self._rows[self._url(node)]
        before = (row.failures, row.width, row.refused_width)
        row.failures, row.fault, row.retry_at = 0, "", None
        row.width, row.refused_width = node.width.blocks, node.width.refused
        row.head_number, row.latency_ms = head, round(seconds * 1000)
        now = clock.now()
        fresh = row.seen_at is not None and now - row.seen_at < timedelta(seconds=SAVED_FOR)
        if not fresh or before != (row.failures, row.width, row.refused_width):
            row.seen_at = now
            self._save(row)

    def failed(self, node: Node, fault: str, *, retry_after: float = 0.0) -> None:
        row = self._rows[self._url(node)]
        row.failures, row.fault = row.failures + 1, fault
        row.width, row.refused_width = node.width.blocks, node.width.refused
        rest = pause_after(row.failures, fault, retry_after)
        row.retry_at = clock.now() + timedelta(seconds=rest) if rest else None
        self._save(row)

    def misses_one(self) -> bool:
        now = clock.now()
        return any(row.failures < GIVEN_UP and self._rests(row, now) for row in self._rows.values())

    def probe(self) -> None:
        """Looks briefly at one endpoint that was not heard of for long, so that a better one is found again. Errors: none."""
        now = clock.now()
        old = now - timedelta(seconds=PROBE_EVERY)
        for node in self.ordered()[1:]:
            row = self._rows[node.url]
            known = row.seen_at is not None and row.seen_at > old and row.retry_at is None
            if known or self._rests(row, now):
                continue
            begun = clock.monotonic()
            try:
                with within(PROBE_SECONDS):
                    head = header_of(node.call("eth_getBlockByNumber", "latest", False)).number
            except RpcError as error:
                self.failed(node, error.fault, retry_after=error.retry_after)
            else:
                self.worked(node, head=head, seconds=clock.monotonic() - begun)
            return

    # ------------------------------------------------------------ rows

    def _load(self) -> None:
        """Reads the rows, and gives each node the width that any process learnt. Rows of endpoints that were taken out go."""
        stored = {row.digest: row for row in EndpointHealth.objects.filter(chain=self._chain)}
        for node in self._nodes:
            digest = endpoint_digest(node.url)
            row = stored.pop(digest, None) or EndpointHealth(chain=self._chain, digest=digest, name=node.name)
            self._rows[node.url] = row
            if row.pk is not None:
                node.width.blocks, node.width.refused = row.width, row.refused_width
        if stored:
            EndpointHealth.objects.filter(pk__in=[row.pk for row in stored.values()]).delete()

    @staticmethod
    def _rests(row: EndpointHealth, now: datetime) -> bool:
        return row.retry_at is not None and row.retry_at > now

    @staticmethod
    def _url(node: Node) -> str:
        assert isinstance(node, HttpNode), "only nodes that `ready` gave"  # noqa: S101
        return node.url

    @staticmethod
    def _save(row: EndpointHealth) -> None:
        """The last word of whichever process spoke last."""
        EndpointHealth.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["chain", "digest"], update_fields=EndpointHealth.SAID
        )


def endpoint_digest(url: str) -> str:
    """What stands for a URL in the database: the URL itself may hold a provider's key."""
    return "0x" + sha256(url.encode()).hexdigest()
