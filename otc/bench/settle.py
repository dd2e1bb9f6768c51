"""Ten thousand deals past one deadline, on a real stack whose worker is killed with SIGKILL every few seconds while it settles them.

PostgreSQL, Redis, anvil with a block a second, Celery's beat and worker are started here; reader and keeper are those of production. The
deals are opened by fills of signed offers, a hundred in a transaction. What happened is counted from the chain's logs and receipts,
not from our tables. Deals have a hundred buyers, as those of a venue do: each buyer's first credit in a batch costs more than the next.
"""

import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.core.management import CommandError
from eth_account import Account
from eth_utils.crypto import keccak

from escrow.contracts import bindings, hashing, structs, words
from escrow.models import Deal, DealOutcome, Intent, IntentState
from otc.accounts.models import User
from otc.bench.report import Row
from otc.core import clock
from otc.core.models import Chain, EscrowKind
from otc.core.signatures import sign_digest
from otc.rehearsal import abi
from otc.rehearsal.node import Node, NodeError, TransactionError
from otc.stack import anvil, processes
from otc.stack.errors import StackError
from otc.stack.layout import PROJECT, Layout
from otc.stack.stack import Stack
from otc.stack.supervisor import Service
from points.models import Market, PayToken, Program, Project, ProjectMember
from points.services.markets import market_register

DEALS = 10_000
SELLERS, BUYERS = 10, 100
FILLS_PER_CALL = 100
DAY = 86_400
USD = 10**6
PAYMENT, COLLATERAL = 25 * USD, 10 * USD  # of a deal of one unit
ALIVE = 3.0, 8.0  # seconds that a worker lives once it is ready
PATIENCE = 1_200.0  # seconds
POLL = 0.2
GAS = 16_000_000  # of a transaction that opens deals
ZERO, NOBODY = "0x" + "00" * 32, "0x" + "00" * 20
SEED = 20


def run(*, deals: int = DEALS) -> list[Row]:
    """Opens `deals` deals, lets them fall due, and settles them under kills. Leaves nothing running. The bars are for 1,000 and more.

    Errors: CommandError.
    """
    if deals < 1:
        raise CommandError(f"--deals {deals}: name at least one deal.")
    # Whoever asks for the end: the stack ends with this process, in order.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    layout = Layout.of("bench")
    try:
        with Stack(layout, say=_say, block_time=1, port=0) as stack:
            stack.reserve(fresh=True)
            stack.start_servers()
            stack.prepare_data()
            stack.supervisor.start(stack.beat())
            stack.supervisor.in_background()
            return _measured(stack, Worker(stack, stack.worker()), deals)
    except (NodeError, StackError, TransactionError) as error:
        raise CommandError(f"The bench stopped: {error}\nLogs: {layout.log}") from error


def _measured(stack: Stack, worker: "Worker", deals: int) -> list[Row]:
    try:
        worker.start()
        venue = Venue(stack, deals)
        opened = venue.open()
        after = venue.miss_the_deadline()
        began = clock.monotonic()
        kills = _settle(worker, deals)
        settled = clock.monotonic() - began
        _until(_all_final, "every transaction of the keeper is final")
        final = clock.monotonic() - began
    finally:
        worker.kill()
    return _rows(_count(venue.node, venue.escrow, after), opened, kills, settled, final)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _until(holds: Callable[[], bool], what: str) -> None:
    """Polls until `holds`. Errors: CommandError that names `what`."""
    if not _within(PATIENCE, holds):
        raise CommandError(f"Waited {PATIENCE:.0f} s in vain: {what}.")


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Polls until `holds`, or `seconds` are over; whether it held."""
    deadline = clock.monotonic() + seconds
    while not holds():
        if clock.monotonic() > deadline:
            return False
        clock.wait(POLL)
    return True


# ---------------------------------------------------------------- the worker, and its deaths


class Worker:
    """Celery's worker, started again at once whenever it is killed: the stack's own supervisor would wait longer each time."""

    def __init__(self, stack: Stack, service: Service) -> None:
        self._stack, self._service = stack, service
        self._process: processes.Process | None = None
        self._log = stack.layout.log / "worker.log"

    def start(self) -> None:
        """Returns when it takes tasks."""
        with self._log.open("wb") as out:
            self._process = processes.start(
                list(self._service.command()),
                log=out,
                cwd=PROJECT,
                env=self._stack.env,
                death_signal=signal.SIGKILL,
            )
        processes.wait_until(
            lambda: self._service.ready(self._log.read_text(errors="replace")),
            seconds=self._service.start_seconds,
            what="worker",
            process=self._process,
            log=self._log,
        )

    def kill(self) -> None:
        """SIGKILL to it and its children."""
        if self._process is not None:
            processes.signal_group(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def _settle(worker: Worker, deals: int) -> int:
    """Lets the worker live for a few seconds, kills it, starts it again, until no deal is open. How often it was killed.

    After a life in which nothing got done those that follow are twice as long: so a slow machine gets there too.
    """
    chance = random.Random(SEED)  # noqa: S311 - a bench repeats, it hides nothing
    left, kills, patience = deals, 0, 1.0
    deadline = clock.monotonic() + PATIENCE
    while not _within(patience * chance.uniform(*ALIVE), lambda: _open_deals() == 0):
        before, left = left, _open_deals()
        if clock.monotonic() > deadline:
            raise CommandError(f"{left:,} of {deals:,} deals are still open.")
        patience *= 2 if left == before else 1
        worker.kill()
        kills += 1
        _say(f"kill -9, the worker, {kills}: {left:,} of {deals:,} deals are open")
        worker.start()
    return kills


def _open_deals() -> int:
    return Deal.objects.filter(outcome=DealOutcome.OPEN).count()


def _all_final() -> bool:
    return not Intent.objects.exclude(state__in=[IntentState.DONE, IntentState.MOOT]).exists()


# ---------------------------------------------------------------- the deals


class Venue:
    """One market of the demonstration's escrow; sellers who sign, buyers who fill."""

    def __init__(self, stack: Stack, deals: int) -> None:
        rows = Chain.objects.filter(kind=EscrowKind.TOKENS)
        _until(lambda: rows.get().head_time is not None, "the reader reads its first block")
        self.node = Node(stack.rpc_url)
        self.chain = rows.get()
        self.token = PayToken.objects.get(chain=self.chain, decimals=6)
        self.other = PayToken.objects.get(chain=self.chain, decimals=18)
        self.escrow = self.chain.escrow_address
        self.deals = deals
        self.market = Market()
        self._keys = [words.hexed(keccak(text=f"settle bench seller {number}")) for number in range(SELLERS)]
        self._buyers = [words.hexed(keccak(text=f"settle bench buyer {number}"))[:42] for number in range(BUYERS)]

    def open(self) -> set[str]:
        """Opens the deals, and waits until the reader has them all; their ids."""
        self.node.call("anvil_autoImpersonateAccount", True)
        self._fund()
        self._open_market()
        fills = self._fills()
        opened: set[str] = set()
        for start in range(0, len(fills), FILLS_PER_CALL):
            chunk = fills[start : start + FILLS_PER_CALL]
            buyer = self._buyers[start // FILLS_PER_CALL % BUYERS]
            opened |= self._opened(self._send(buyer, self.escrow, bindings.encode_fill_batch(chunk)))
        self.node.call("anvil_autoImpersonateAccount", False)
        self._wait_for_deals()
        return opened

    def miss_the_deadline(self) -> int:
        """The project proposes, nobody delivers; the first block after the deadline."""
        start = self.node.now() + DAY + 600
        terms = bindings.SettlementTerms(self.other.address, 10**18, 1, start, DAY, 10_000, 1, 0)
        call = bindings.encode_propose(structs.market_terms(self.market), terms)
        self._send(anvil.address("resolver"), self.escrow, call)
        self.node.call("evm_setNextBlockTimestamp", hex(start + DAY + 1))
        number = self.node.block_number()
        _until(lambda: self.node.now() > start + DAY, "the chain passes the deadline")
        _say(f"{self.deals:,} deals are past their deadline")
        return number

    def _wait_for_deals(self) -> None:
        _say(f"{self.deals:,} deals are open; the reader catches up")
        _until(lambda: Deal.objects.count() == self.deals, "the reader has every deal")

    def _fund(self) -> None:
        """Ether for who sends, payment tokens in the escrow for who trades."""
        self.node.give_ether(self._buyers, 10**24)
        funder = anvil.address("seller")
        each = self.deals * PAYMENT
        self._send(
            funder, self.token.address, abi.call_data("mint(address,uint256)", funder, each * (BUYERS + SELLERS))
        )
        self._send(funder, self.token.address, abi.call_data("approve(address,uint256)", self.escrow, 2**256 - 1))
        sellers = [address_of(key) for key in self._keys]
        deposits = [bindings.encode_deposit(self.token.address, each, to) for to in [*sellers, *self._buyers]]
        self._send(funder, self.escrow, bindings.encode_multicall([words.raw(call) for call in deposits]))

    def _open_market(self) -> None:
        resolver = User.objects.for_wallet(anvil.address("resolver"))
        project = Project.objects.create(slug="bench", name="Bench")
        ProjectMember.objects.create(project=project, user=resolver)
        program = Program.objects.create(project=project, slug="bench", name="Bench", kind=0, unit_name="point")
        market = market_register(
            user=resolver,
            program=program,
            chain=self.chain,
            pay_token_address=self.token.address,
            rules_text="One unit is one token.",
            resolver=anvil.address("resolver"),
            guardian=anvil.address("guardian"),
            objection=DAY,
            min_window=DAY,
            max_window=7 * DAY,
            long_stop=self.node.now() + 90 * DAY,
        )
        self.market = Market.objects.select_related("pay_token", "program").get(pk=market.pk)
        call = bindings.encode_create_market(structs.market_terms(self.market))
        self._send(anvil.address("resolver"), self.escrow, call)

    def _fills(self) -> list[bindings.Fill]:
        """Each of one unit; every seller signs one offer for his share."""
        fills = []
        for number, key in enumerate(self._keys):
            units = len(range(number, self.deals, SELLERS))
            if not units:
                continue
            offer = bindings.Offer(
                maker=address_of(key),
                taker=NOBODY,
                side=1,
                market=self.market.market_id,
                pay_token=self.token.address,
                units=units,
                payment=PAYMENT * units,
                collateral=COLLATERAL * units,
                min_fill=1,
                max_fee_bps=200,
                expiry=self.market.long_stop,
                epoch=0,
                salt=number,
                ref=ZERO,
            )
            digest = hashing.offer_hash(offer, chain_id=self.chain.chain_id, contract=self.escrow)
            signature = sign_digest(words.raw(digest), key)
            fills += [bindings.Fill(offer, signature, 1, ZERO)] * units
        return fills

    def _send(self, sender: str, to: str, data: str) -> dict[str, Any]:
        sent = self.node.call("eth_sendTransaction", {"from": sender, "to": to, "data": data, "gas": hex(GAS)})
        return self.node.include([sent], mine=False)[0]

    @staticmethod
    def _opened(receipt: dict[str, Any]) -> set[str]:
        logs = [log for log in receipt["logs"] if log["topics"][0] == bindings.Filled.TOPIC0]
        return {bindings.Filled.decode(log["topics"], log["data"]).deal.id for log in logs}


def address_of(key: str) -> str:
    """The address of a private key, in lower case."""
    return str(Account.from_key(key).address).lower()


# ---------------------------------------------------------------- what the chain says


@dataclass
class Counted:
    """From the logs and receipts of the blocks after the deadline. `transactions` are the keeper's, `gas` is theirs."""

    settled: Counter[str] = field(default_factory=Counter)
    not_slashed: int = 0
    transactions: int = 0
    failed: int = 0
    gas: int = 0


def _count(node: Node, escrow: str, first: int) -> Counted:
    keeper = anvil.address("keeper")
    found = Counted()
    for number in range(first, node.block_number() + 1):
        block = node.call("eth_getBlockByNumber", hex(number), True)
        hashes = [tx["hash"] for tx in block["transactions"] if tx["from"].lower() == keeper]
        for receipt in node.receipts(hashes):
            assert receipt is not None, "a mined transaction has a receipt"  # noqa: S101
            found.transactions += 1
            found.gas += int(receipt["gasUsed"], 16)
            found.failed += receipt["status"] != "0x1"
        for log in node.call("eth_getLogs", {"blockHash": block["hash"], "address": escrow}):
            if log["topics"][0] == bindings.Settled.TOPIC0:
                event = bindings.Settled.decode(log["topics"], log["data"])
                found.settled[event.id] += 1
                found.not_slashed += event.outcome != DealOutcome.SLASHED
    return found


def _rows(found: Counted, opened: set[str], kills: int, settled: float, final: float) -> list[Row]:
    count = len(opened)
    twice = sum(times > 1 for times in found.settled.values())
    strangers = len(set(found.settled) - opened)
    return [
        Row("deals past one deadline", count, "deals"),
        Row("slashed, by the chain's logs", len(set(found.settled) & opened), "deals", count, "at least"),
        Row("slashed twice", twice, "deals", 0),
        Row("ended otherwise, or never opened", found.not_slashed + strangers, "deals", 0),
        Row("worker killed with SIGKILL", kills, "times", 3, "at least"),
        Row("transactions", found.transactions, "", beside=f"{found.failed} failed"),
        Row("deals per transaction", round(count / found.transactions, 1), "deals", 100, "at least"),
        Row("gas per deal, whole transactions", round(found.gas / count), "gas", 25_000),
        Row("from the deadline to the last deal read as slashed", round(settled, 1), "s"),
        Row("until all is final", round(final, 1), "s"),
    ]
