"""What a seed is played on: a stack of its own behind two endpoints, brought back to the same beginning before each seed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kombu.exceptions import OperationalError as BrokerError

from otc.chaos.proxy import Proxy
from otc.chaos.seen import Contracts
from otc.core import clock, failpoints
from otc.core.models import EscrowKind
from otc.rehearsal import abi
from otc.rehearsal.node import Node, NodeError
from otc.stack import anvil
from otc.stack.layout import Layout
from otc.stack.stack import Stack

POLL_SECONDS = 0.05
LONGEST_BACKOFF = 0.5  # of a service that was killed: the next seed needs it
BEFORE = 70  # blocks before a seed's first transaction, so that a reorganisation of 64 finds what to replace
RICH = 10**15  # base units of the payment token for each trader
DELIVERABLE = 10**24
TRADERS = ("seller", "buyer", "maker", "taker")
FEE_BPS = 50
GAS = hex(1_500_000)  # of a transaction of theirs


class ChaosError(Exception):
    """The stack did not get where it had to in time, with nothing wrong with it any more; the text says what was waited for."""


@dataclass
class Happenings:
    """What was done to the stack, and what it said, by seconds since the seed began."""

    began: float = field(default_factory=clock.monotonic)
    lines: list[tuple[float, str]] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.lines.append((clock.monotonic() - self.began, text))


class Stage:
    """Use as a context manager. `node` is the real one; the workers know only the two `endpoints` before it."""

    def __init__(self, layout: Layout, *, say: Callable[[str], None], external: dict[str, str] | None = None) -> None:
        self.failpoints = layout.root / "failpoints"
        self.happened = Happenings()
        self.stack = Stack(
            layout,
            say=self._heard,
            progress=lambda step, result, seconds: say(f"  {step:<14} {result:<58} {seconds:5.1f} s"),
            block_time=None,
            external={failpoints.VARIABLE: str(self.failpoints), **(external or {})},
            port=0,
        )
        self.restarts: list[str] = []
        self.endpoints: list[Proxy] = []
        self.highest = 0  # block number the node ever had in this seed
        self._base = ""

    def __enter__(self) -> Self:
        self.failpoints.mkdir(parents=True, exist_ok=True)
        for path in self.failpoints.iterdir():
            path.unlink()
        self.stack.start(fresh=True)
        self.stack.supervisor.longest_backoff = LONGEST_BACKOFF
        self.stack.supervisor.in_background()
        self.node = Node(self.stack.rpc_url)
        self.endpoints = [Proxy(lambda: self.stack.rpc_url, seed=at) for at in range(2)]
        self.contracts = self._deploy()
        self._make_base()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for endpoint in self.endpoints:
            endpoint.close()
        self.stack.__exit__(kind, error, trace)

    def _heard(self, text: str) -> None:
        """What the supervisor says: deaths and restarts."""
        self.happened.note(text.partition(" Its log:")[0])
        if " ended (" in text or " did not answer" in text:
            self.restarts.append(text.split(" ", 1)[0])

    # ------------------------------------------------------------ the same beginning

    def _deploy(self) -> Contracts:
        """What is delivered later; the escrows and the payment token are there."""
        from escrow.contracts.deploy.tokens import RightSpec, TokenSpec, token_deploy

        def made(spec: TokenSpec | RightSpec) -> str:
            return token_deploy(rpc_url=self.stack.rpc_url, key=anvil.key("owner"), spec=spec)

        there = self.stack.contracts
        return Contracts(
            tokens=there.escrow,
            rights=there.rights_escrow,
            pay=there.tokens["fUSDC"],
            delivered=made(TokenSpec("Harbor", "HRB", 18)),
            keys=made(RightSpec("Harbor key", "KEY")),
            passes=made(RightSpec()),
        )

    def _make_base(self) -> None:
        """Gives everybody tokens that the escrows may pull, and rights their leave; keeps the chain as it is then."""
        from escrow.contracts import bindings

        all_of_it, has = "approve(address,uint256)", self.contracts
        for escrow in (has.tokens, has.rights):
            self.send("owner", escrow, bindings.encode_set_fee(FEE_BPS))
        for role in TRADERS:
            for token, amount in ((has.pay, RICH), (has.delivered, DELIVERABLE)):
                self.send(role, token, abi.call_data("mint(address,uint256)", anvil.address(role), amount))
                self.send(role, token, abi.call_data(all_of_it, has.tokens, 2**256 - 1))
            self.send(role, has.pay, abi.call_data(all_of_it, has.rights, 2**256 - 1))
            for right in (has.keys, has.passes):
                self.send(role, right, abi.call_data("setApprovalForAll(address,bool)", has.rights, True))
        self.node.mine()
        self._base = str(self.node.call("anvil_dumpState"))

    def reset(self, *, final_depth: int, quorum: int) -> list[Any]:
        """Chain, database and Redis as after the deployment; the rows of both escrows, behind the two endpoints. Workers run on."""
        from otc.core.models import Chain

        Chain.objects.update(active=False)
        self.quiet()
        self.node.call("anvil_reset")
        self.node.call("anvil_loadState", self._base)
        self.node.call("evm_setAutomine", False)
        self.highest = 0
        self.mine(BEFORE)
        _empty_database()
        failpoints.disarm(self.failpoints)
        has = self.contracts
        escrows = ((EscrowKind.TOKENS, has.tokens), (EscrowKind.RIGHTS, has.rights))
        return [self._register(kind, escrow, final_depth, quorum) for kind, escrow in escrows]

    def _register(self, kind: EscrowKind, escrow: str, final_depth: int, quorum: int) -> Any:
        from otc.core.chains import chain_register
        from points.services.pay_tokens import pay_token_register

        chain = chain_register(
            chain_id=anvil.CHAIN_ID,
            kind=kind,
            name="Chaos",
            rpc_url=self.endpoints[0].url,
            public_rpc_url="",
            escrow_address=escrow,
            start_block=self.stack.contracts.start_block,
            safe_depth=1,
            final_depth=final_depth,
        )
        chain.active = False  # until people have opened their markets
        chain.rpc_urls, chain.final_quorum = [endpoint.url for endpoint in self.endpoints], quorum
        chain.save(update_fields=["active", "rpc_urls", "final_quorum"])
        pay_token_register(chain=chain, address=self.contracts.pay, symbol="fUSDC", decimals=6)
        return chain

    def quiet(self) -> None:
        """Takes the ticks away that wait, and returns once no worker reads or writes an inactive chain any more."""
        self.until(lambda: bool(self.redis().flushall()), "Redis answers")
        self.until(lambda: not _locks_held(), "the workers let go of the chain")

    def redis(self) -> Any:
        import redis

        return redis.Redis.from_url(self.stack.env["REDIS_URL"])

    # ------------------------------------------------------------ the chain

    def send(self, role: str, to: str, data: str) -> None:
        """A transaction of an account that the node has the key of. NodeError."""
        fields = {"from": anvil.address(role), "to": to, "data": data, "gas": GAS}
        self.node.call("eth_sendTransaction", fields)

    def mine(self, blocks: int = 1) -> None:
        self.node.mine(blocks)
        self.highest = max(self.highest, self.node.block_number())

    def move_to(self, timestamp: int) -> None:
        """A block of this time or later."""
        if self.node.now() < timestamp:
            self.node.move_to(timestamp)
            self.highest = max(self.highest, self.node.block_number())

    # ------------------------------------------------------------ the processes

    def wake(self) -> None:
        """The ticks that beat sends each second, now. Lost when Redis is down, as they would be."""
        from otc.celery import app

        try:
            for name, queue in (("escrow.chain.watch_all", "chain"), ("escrow.keeper.drive_all", "keeper")):
                app.send_task(name, queue=queue, expires=5, retry=False)
        except BrokerError:
            return

    def pid(self, service: str) -> int | None:
        return self.stack.supervisor.pids().get(service)

    def children(self, service: str) -> list[int]:
        """The processes that `service` started: Celery's workers, PostgreSQL's backends."""
        pid = self.pid(service)
        try:
            text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii") if pid else ""
        except OSError:
            return []
        return [int(word) for word in text.split()]

    # ------------------------------------------------------------ waiting

    def until(
        self, holds: Callable[[], bool], what: str, *, seconds: float = 60.0, every: float = POLL_SECONDS
    ) -> None:
        """Polls until `holds`; a node, database or Redis that is down does not hold. ChaosError when it takes too long."""
        if not self.wait(holds, seconds=seconds, every=every):
            raise ChaosError(f"Waited {seconds:.0f} s in vain: {what}.")

    def wait(self, holds: Callable[[], bool], *, seconds: float, every: float = POLL_SECONDS) -> bool:
        """As `until`; False when it takes too long."""
        from django.db import Error, connection
        from redis import RedisError

        deadline = clock.monotonic() + seconds
        while True:
            try:
                if holds():
                    return True
            except (NodeError, RedisError):
                pass
            except Error:
                connection.close()
            if clock.monotonic() > deadline:
                return False
            clock.wait(every)


def _locks_held() -> bool:
    """Whether any process reads a chain or drives a signer now."""
    from django.db import connection

    from otc.core.locks import SPACE

    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = %s)", [SPACE])
        return bool(cursor.fetchone()[0])


def _empty_database() -> None:
    """Every row of ours goes, in one statement."""
    from django.apps import apps
    from django.db import connection

    ours = {"core", "accounts", "points", "escrow"}
    names = sorted(
        {
            connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 - Django's documented interface
            for model in apps.get_models(include_auto_created=True)
            if model._meta.app_label in ours and model._meta.managed  # noqa: SLF001 - as above
        }
    )
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(names)} CASCADE")
