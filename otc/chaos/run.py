"""Seeds, one after another: a market day under faults, healed, drained, judged."""

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.db import Error
from django.db.models import Count, F

from escrow.keeper.models import Attempt, Intent, IntentState, Signer
from escrow.keeper.services import signer_resume
from escrow.models import Block, ChainEvent, Deal
from escrow.services.rebuild import chain_forget
from otc.accounts.models import User
from otc.chaos import checks
from otc.chaos.faults import Faults
from otc.chaos.seen import Seen, look
from otc.chaos.settling import CANCEL_WAIT, People
from otc.chaos.stage import ChaosError, Happenings, Stage
from otc.chaos.trading import RIGHTS, Call, Place
from otc.core import clock, failpoints
from otc.core.errors import DomainError
from otc.core.flags import flag_set, is_on
from otc.core.models import Chain, FlagName, OutboxEvent
from otc.rehearsal.node import NodeError
from otc.stack import anvil
from points.domain.markets import rules_text_hash
from points.domain.offers import OfferTerms
from points.models import Market, Program, Project, ProjectMember
from points.services.markets import market_register
from points.services.offers import offer_post

PACE_SECONDS = 0.25  # that the workers get between two acts, unless they are done sooner
DRAIN_SECONDS = 90.0
HALT_SECONDS = 30.0
DEEP = (70, 100)  # final depths that no reorganisation of a seed reaches
SHALLOW = (5, 12)
HALTING = 8  # every so many seeds, something final is replaced
PAST_FINALITY = 4  # so many blocks at most
FAULTS = 0.5  # of the steps
EARLY_FILLS = 3  # before anything breaks
TOLD = {"Resold", "Matched", "Delivered", "RightsDelivered", "RightWithdrawn"}  # events that a report counts


@dataclass(frozen=True, slots=True)
class Plan:
    """What is drawn before a seed begins. `quorum`: so many of the two endpoints must name a block before it is final. `halts`: a
    reorganisation goes past finality, and an operator helps.
    """

    seed: int
    final_depth: int
    quorum: int
    halts: bool

    @classmethod
    def of(cls, seed: int) -> "Plan":
        chance = random.Random(f"plan {seed}")  # noqa: S311 - a seed that can be run again
        halts = seed % HALTING == 0
        shallow = halts or chance.random() < 0.35  # noqa: PLR2004 - the deep ones allow more
        return cls(seed, chance.randint(*(SHALLOW if shallow else DEEP)), chance.choice([1, 2]), halts)


@dataclass
class Result:
    """What a seed came to. `happened` is (seconds, what)."""

    seed: int
    seconds: float
    violations: list[str]
    injected: Counter[str]
    depths: list[int]
    seen: Counter[str]
    happened: list[tuple[float, str]]
    armed: list[str] = field(default_factory=list)


class Seed:
    """One seed on a stage that was just reset."""

    def __init__(self, stage: Stage, plan: Plan) -> None:
        self.stage, self.plan = stage, plan
        self.chance = random.Random(f"seed {plan.seed}")  # noqa: S311 - a seed that can be run again
        self.seen: Counter[str] = Counter()
        self.people = People(
            random.Random(f"people {plan.seed}"),  # noqa: S311 - as above
            chain_id=anvil.CHAIN_ID,
            contracts=stage.contracts,
        )
        self.chains: list[Chain] = stage.reset(final_depth=plan.final_depth, quorum=plan.quorum)  # of tokens, of rights
        self.faults = Faults(
            stage,
            random.Random(f"faults {plan.seed}"),  # noqa: S311 - as above
            final_depth=plan.final_depth,
        )

    # ------------------------------------------------------------ the day

    def play(self) -> list[str]:
        """The whole seed; its violations."""
        note = self.stage.happened.note
        self._open()
        note("trading begins")
        halt_at = self.chance.randrange(3) if self.plan.halts else None
        self._steps(8, self.people.trade, lambda _seen: 0)
        if halt_at == 0:
            self._break_finality()
        note("terms are proposed")
        self._steps(2, self.people.propose, lambda _seen: 0)
        self._steps(6, self.people.settle, self.people.start)
        if halt_at == 1:
            self._break_finality()
        self._steps(4, self.people.settle, lambda seen: self.people.deadline(seen) + 1)
        if halt_at == 2:  # noqa: PLR2004 - the last of three
            self._break_finality()
        self._steps(3, self.people.settle, lambda seen: self.people.deadline(seen) + CANCEL_WAIT)
        note("all heals")
        try:
            self._drain()
        except ChaosError as error:
            return [str(error), *self._stuck()]
        note("all is checked")
        self._count()
        return checks.violations(self.stage, self.chains)

    def _open(self) -> None:
        """The markets are registered, money is in the escrows, offers are posted; nothing is broken yet."""
        now = self.stage.node.now()
        self.people.open(now, lambda name: rules_text_hash(self._rules(name)))
        Chain.objects.update(active=True)
        self._level()
        self._register()
        self._send(self.people.openings())
        self.stage.mine()
        self._level()
        self._post()
        for _ in range(EARLY_FILLS):
            self._send(self.people.fill(self._look()))
            self.stage.mine()

    def _send(self, calls: Iterable[Call]) -> None:
        for role, to, data in calls:
            self.stage.send(role, to, data)

    def _rules(self, name: str) -> str:
        return f"Chaos, seed {self.plan.seed}: {name}."

    def _register(self) -> None:
        resolver = User.objects.for_wallet(anvil.address("resolver"))
        project = Project.objects.create(slug="harbor", name="Harbor")
        ProjectMember.objects.create(project=project, user=resolver)
        points = Program.objects.create(project=project, slug="season", name="Season", kind=0, unit_name="point")
        keys = Program.objects.create(project=project, slug="keys", name="Keys", kind=3, unit_name="key")
        for chain in self.chains:
            chain.refresh_from_db()
        tokens, rights = self.chains
        for name, place in self.people.places.items():
            program, chain = (keys, rights) if name == RIGHTS else (points, tokens)
            self._register_one(resolver, program, chain, place)

    def _post(self) -> None:
        """Half of the offers stand in the book too, as far as their makers' money allows."""
        markets = {market.market_id: market for market in Market.objects.select_related("chain", "pay_token")}
        for signed in self.people.offers[::2]:
            terms = OfferTerms(**{name: getattr(signed.offer, name) for name in OfferTerms.__dataclass_fields__})
            try:
                offer_post(market=markets[signed.place.market_id], terms=terms, signature=signed.signature)
            except DomainError as error:
                self.seen[f"offers not posted: {error.code}"] += 1
            else:
                self.seen["offers posted"] += 1

    def _register_one(self, resolver: User, program: Program, chain: Chain, place: Place) -> None:
        terms = place.terms
        market = market_register(
            user=resolver,
            program=program,
            chain=chain,
            pay_token_address=terms.pay_token,
            rules_text=self._rules(place.name),
            resolver=terms.resolver,
            guardian=terms.guardian,
            objection=terms.objection,
            min_window=terms.min_window,
            max_window=terms.max_window,
            long_stop=terms.long_stop,
            attestor=terms.attestor,
            arbitrator=terms.arbitrator,
            settlement=terms.settlement,
            challenge=terms.challenge,
            arbitration_window=terms.arbitration_window,
            bond_bps=terms.bond_bps,
        )
        if market.market_id != place.market_id:
            raise ChaosError(f"The market {place.name} is {market.market_id} here and {place.market_id} on chain.")

    def _steps(self, count: int, act: Callable[[Seen], Iterable[Call]], at: Callable[[Seen], int]) -> None:
        """So many acts at or after a chain time, each with the chance of a fault, each with a block or some."""
        for _ in range(count):
            try:
                seen = self._look()
                self.stage.move_to(at(seen))
                self._send([*self.people.again(seen), *act(seen)])
            except NodeError as error:
                self.seen["steps without a node"] += 1
                self.stage.happened.note(f"nobody could act: {error}"[:160])
            if self.chance.random() < FAULTS:
                self.faults.inject()
            self.faults.tick()
            with suppress(NodeError):
                self.stage.mine(self.chance.choice([0, 1, 1, 1, 2, 4]))
            self.stage.wake()
            self.stage.wait(self._is_level, seconds=PACE_SECONDS)

    def _look(self) -> Seen:
        return look(self.stage.node, self.stage.contracts, first_block=self.chains[0].start_block)

    def _is_level(self) -> bool:
        head = self.stage.node.call("eth_getBlockByNumber", "latest", False)
        return not Chain.objects.exclude(head_hash=head["hash"]).exists()

    def _level(self) -> None:
        self.stage.wake()
        self.stage.until(self._is_level, "the reader is level with the node")

    # ------------------------------------------------------------ past finality

    def _break_finality(self) -> None:
        """Replaces a final block: the reader must halt, the keeper pause, a page go out; then the operator's way out."""
        self.faults.heal()
        # A node that was started again can't undo what is older, nor its first block since.
        self.stage.mine(self.plan.final_depth + PAST_FINALITY + 1)
        oldest = self.stage.node.block_number() - self.plan.final_depth
        self._level()
        self.stage.until(
            lambda: not Chain.objects.exclude(final_number__gte=oldest).exists(), "what is deep enough is final"
        )
        finals = [final for final in Chain.objects.values_list("final_number", flat=True) if final is not None]
        depth = self.stage.node.block_number() - min(finals) + self.chance.randint(1, PAST_FINALITY)
        self.stage.happened.note(f"past finality: {self.faults.reorg(depth, returning=False)}")
        self.stage.wake()
        self.stage.until(self._is_halted, "the reader halts when something final is replaced", seconds=HALT_SECONDS)
        self.seen["halts"] += 1
        if not is_on(FlagName.PAUSE_KEEPER) or not OutboxEvent.objects.filter(type="chain.halted").exists():
            raise ChaosError("The reader halted, and the keeper was not paused or nobody was told.")
        self._way_out()

    def _is_halted(self) -> bool:
        """Both escrows' readers."""
        return not Chain.objects.filter(halted="").exists()

    def _way_out(self) -> None:
        """As docs/operations.md says: the chain really changed, so it is read anew; the switch is released."""
        for chain in self.chains:
            chain_forget(chain_id=chain.pk)
        for pk in Signer.objects.values_list("pk", flat=True):
            signer_resume(signer_pk=pk)
        flag_set(name=FlagName.PAUSE_KEEPER, on=False, reason="the chain was read anew")
        self.stage.highest = self.stage.node.block_number()
        self.stage.happened.note("the operator read the chain anew and released the switch")
        self._level()

    # ------------------------------------------------------------ the end of the day

    def _drain(self) -> None:
        """Heals, passes every deadline, and goes on making blocks until nothing is left to do. ChaosError when it never is."""
        self.faults.heal()
        seen = self._look()
        for later in (seen.now, max(place.terms.long_stop for place in self.people.places.values()) + 1):
            self.stage.move_to(later)
            self._until(self._is_quiet, "the keeper has nothing under way")
        self._until(
            lambda: self._is_quiet() and self._look().all_closed(), "every deal past its deadlines is closed and final"
        )

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        self.stage.until(holds, what, seconds=DRAIN_SECONDS, every=PACE_SECONDS)

    def _is_quiet(self) -> bool:
        """Makes a step towards it: a block, a tick, the reader level; and the blocks to finality once nothing waits to be mined.
        Whether nothing of the keeper's is under way.
        """
        self.stage.mine()
        self.stage.wake()
        if not self.stage.wait(self._is_level, seconds=2.0):
            return False
        under_way = Intent.objects.filter(state__in=[IntentState.PLANNED, IntentState.SENT, IntentState.MINED])
        if under_way.exclude(state=IntentState.MINED).exists() or self.stage.node.pooled():
            return False
        nonces = Signer.objects.exclude(next_nonce=None).exclude(next_nonce=F("final_nonce"))
        # A reader that lacked a second voice for a moment knows of no final block for as long.
        behind = Chain.objects.filter(final_number__lt=F("head_number") - F("final_depth"))
        if not under_way.exists() and not nonces.exists() and not behind.exists():
            return True
        self.stage.mine(self.plan.final_depth)
        return False

    def _stuck(self) -> list[str]:
        """Why a seed did not drain, as far as the database tells."""
        try:
            said = [f"reader of {row}: {row.halted or 'runs'}, head {row.head_number}" for row in Chain.objects.all()]
            said += [
                f"signer {row.address}: {row.halted or row.notice or 'at work'}, next {row.next_nonce}, final {row.final_nonce}"
                for row in Signer.objects.all()
            ]
            said += [f"{intent}: {intent.detail}" for intent in Intent.objects.exclude(state=IntentState.DONE)[:10]]
            said += [f"deal {deal.deal_id} is open, phase {deal.phase}" for deal in Deal.objects.filter(outcome=0)[:10]]
        except Error as error:
            return [f"the database does not answer: {error}"]
        return said

    def _count(self) -> None:
        tokens, rights = self.chains
        self.seen["deals"] = Deal.objects.count()
        self.seen["deals in rights"] = Deal.objects.filter(chain=rights).count()
        self.seen["deals matched"] = Deal.objects.filter(matched_offer_hash__isnull=False).count()
        self.seen["intents done"] = Intent.objects.filter(state=IntentState.DONE).count()
        self.seen["keeper transactions"] = Attempt.objects.count()
        self.seen["replacements"] = Attempt.objects.filter(replaces__isnull=False).count()
        self.seen["blocks read"] = Block.objects.filter(chain=tokens).count()
        self.seen["blocks taken back"] = Block.objects.filter(chain=tokens, canonical=False).count()
        events = ChainEvent.objects.filter(canonical=True).order_by().values_list("name").annotate(Count("pk"))
        self.seen.update({f"event {name}": count for name, count in events if name in TOLD})


def play(stage: Stage, seed: int) -> Result:
    """One seed from its reset to its verdict. A stack that does not get where it must is a violation too."""
    stage.happened = Happenings()
    stage.restarts.clear()
    began = clock.monotonic()
    one = Seed(stage, Plan.of(seed))
    try:
        found = one.play()
    except (ChaosError, NodeError, Error) as error:
        found = [f"{type(error).__name__}: {error}"]
        # The next seed needs the stack: what was stopped goes on.
        with suppress(ChaosError, NodeError):
            one.faults.heal()
    one.seen.update({f"restarts of {name}": count for name, count in Counter(stage.restarts).items()})
    one.seen["requests in trouble"] = sum(endpoint.met for endpoint in stage.endpoints)
    return Result(
        seed=seed,
        seconds=clock.monotonic() - began,
        violations=found,
        injected=one.faults.injected,
        depths=one.faults.depths,
        seen=one.seen,
        happened=stage.happened.lines,
    )


def keep_logs(stage: Stage, seed: int) -> Path:
    """Copies what the processes wrote to a folder that the next run does not delete."""
    kept = stage.stack.layout.root / "kept" / f"seed-{seed}"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(stage.stack.layout.log, kept)
    return kept


def unreached(stage: Stage) -> list[str]:
    """The failpoints that no process came by since the stage was opened."""
    return [name for name in failpoints.NAMES if not failpoints.reached(stage.failpoints, name)]
