"""How soon after `eth_sendRawTransaction` a subscriber of the outbox sees the row: the running venue, beside one that polls every five seconds.

The whole stack runs as `manage.py up` starts it, with a block every second. Deposits are sent at random moments. In turns, the worker
reads the chain, woken by beat; or this process holds the reader's lock and lets the same watcher step every five seconds.
"""

import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from escrow.chain.watcher import watch_step
from escrow.contracts import bindings
from otc.bench.report import Row
from otc.core import clock
from otc.core.locks import advisory_lock
from otc.core.models import Chain
from otc.core.outbox import outbox_listen
from otc.rehearsal.wallets import KeyWallet
from otc.stack import anvil
from otc.stack.layout import Layout
from otc.stack.stack import Stack

SAMPLES = 100  # of each design
TURN = 20  # samples of a design in a row
PAUSES = (0.3, 1.7)  # seconds between two deposits
POLL_SECONDS = 5.0
LOST_SECONDS = 30.0  # a deposit that nobody saw by then is lost
BAR = 1.0  # seconds
SEED = 20  # of the moments
MINT, APPROVE = "0x40c10f19", "0x095ea7b3"  # mint(address,uint256), approve(address,uint256)


def run() -> list[Row]:
    with Stack(Layout.of("bench"), say=_say, port=0) as stack:
        stack.start(fresh=True)
        stack.supervisor.in_background()
        seconds = _Bench(stack).measure()
    worker, polling = sorted(seconds["worker"]), sorted(seconds["polling"])
    return [
        Row("live, p50", _share(worker, 0.5), "s", BAR, beside=f"polling: {_share(polling, 0.5):.2f} s"),
        Row("live, p99", _share(worker, 0.99), "s", beside=f"polling: {_share(polling, 0.99):.2f} s"),
        Row("live, longest", worker[-1], "s", beside=f"polling: {polling[-1]:.2f} s"),
        Row("polling / live, p50", _share(polling, 0.5) / _share(worker, 0.5), "times"),
        Row("samples of each", len(worker), "deposits", SAMPLES, "at least"),
    ]


def _share(ordered: list[float], share: float) -> float:
    """The value that this share of the sorted values does not exceed."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


class _Bench:
    """Sends one base unit after another from one wallet: its funds tell which deposits a row is about."""

    def __init__(self, stack: Stack) -> None:
        self._url = stack.rpc_url
        self._chain = Chain.objects.get(pk=anvil.CHAIN_ID)
        self._token = next(iter(stack.contracts.tokens.values()))
        nonce = int(anvil.rpc(self._url, "eth_getTransactionCount", anvil.address("buyer"), "pending"), 16)
        self._wallet = KeyWallet("buyer", anvil.key("buyer"), nonce=nonce)
        self._random = random.Random(SEED)  # noqa: S311 - a bench repeats, it hides nothing
        self._sent: list[tuple[str, float]] = []  # design and moment; the n-th makes n + 1 units
        self._seen: list[tuple[int, float]] = []  # units and the moment at which the subscriber was told of them
        self._done = threading.Event()

    def measure(self) -> dict[str, list[float]]:
        """Seconds of each deposit by design."""
        self._send(self._token, MINT + _words(self._wallet.address))
        self._send(self._token, APPROVE + _words(self._chain.escrow_address))
        subscriber = threading.Thread(target=self._subscribe)
        subscriber.start()
        try:
            while len(self._sent) < 2 * SAMPLES:
                self._turn("worker")
                with self._polling():
                    self._turn("polling")
                _say(f"{len(self._sent)} of {2 * SAMPLES} deposits")
        finally:
            self._done.set()
            subscriber.join()
        found: dict[str, list[float]] = {"worker": [], "polling": []}
        for place, (design, moment) in enumerate(self._sent):
            found[design].append(self._seen_at(place + 1) - moment)
        return found

    def _turn(self, design: str) -> None:
        """Sends TURN deposits, and waits until the last was seen."""
        for _ in range(TURN):
            clock.wait(self._random.uniform(*PAUSES))
            data = bindings.encode_deposit(self._token, 1, self._wallet.address)
            raw = self._signed(self._chain.escrow_address, data)
            self._sent.append((design, clock.monotonic()))
            anvil.rpc(self._url, "eth_sendRawTransaction", raw)
        until = clock.monotonic() + LOST_SECONDS
        while self._seen_at(len(self._sent)) == float("inf"):
            if clock.monotonic() > until:
                raise RuntimeError(f"no subscriber was told of deposit {len(self._sent)} in {LOST_SECONDS:.0f} s")
            clock.wait(0.05)

    def _seen_at(self, units: int) -> float:
        """When the subscriber was told of at least so many units: a step that folds two deposits tells of the later one."""
        return next((moment for told, moment in self._seen if told >= units), float("inf"))

    def _signed(self, to: str, data: str) -> str:
        wanted = {"chain_id": self._chain.chain_id, "to": to, "data": data, "value": "0", "gas": 300_000}
        return self._wallet.sign_transaction(wanted)

    def _send(self, to: str, data: str) -> None:
        anvil.rpc(self._url, "eth_sendRawTransaction", self._signed(to, data))

    # ------------------------------------------------------------ threads, each with a database connection of its own

    def _subscribe(self) -> None:
        try:
            for rows in outbox_listen(after=0, idle_seconds=0.5):
                moment = clock.monotonic()
                for row in rows:
                    if row.type == "funds.changed" and row.payload["address"] == self._wallet.address:
                        self._seen.append((int(row.payload["free"]), moment))
                if self._done.is_set():
                    return
        finally:
            connection.close()

    @contextmanager
    def _polling(self) -> Iterator[None]:
        """The worker finds the chain locked; a thread steps every POLL_SECONDS."""
        ended = threading.Event()
        poller = threading.Thread(target=self._poll, args=(ended,))
        poller.start()
        try:
            yield
        finally:
            ended.set()
            poller.join()

    def _poll(self, ended: threading.Event) -> None:
        try:
            while not ended.is_set():
                with advisory_lock(f"escrow.chain:{self._chain.pk}") as got:
                    while got and not ended.is_set():
                        began = clock.monotonic()
                        while watch_step(self._chain.pk).behind:
                            pass
                        ended.wait(max(0.0, began + POLL_SECONDS - clock.monotonic()))
                clock.wait(0.01)  # the worker is in a step
        finally:
            connection.close()


def _words(address: str) -> str:
    """The arguments (address, many units) of a token's call."""
    return address[2:].rjust(64, "0") + f"{10**12:064x}"
