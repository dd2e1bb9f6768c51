"""The step on a real database: who may write, which node is believed, what is told to whom."""

import random
from contextlib import contextmanager

import pytest

from escrow.chain import tasks
from escrow.chain.client import RpcError, RpcFault
from escrow.chain.live import read_live
from escrow.chain.models import Block, ChainCursor, ChainEvent
from escrow.chain.planner import Depths, Extend
from escrow.chain.store import DatabaseStore, TipLostError
from escrow.chain.tokens import DECIMALS
from escrow.chain.watcher import Outcome, StepResult, watch, watch_step
from escrow.checks.state import state_hash
from escrow.contracts import bindings
from escrow.models import Account, Transfer
from escrow.services.rebuild import projection_refold
from otc.core.flags import is_on
from otc.core.models import FlagName, OutboxEvent
from points.models import MakerFunds, PayToken
from tests.sim.fake_chain import ESCROW, FakeChain, FakeNode
from tests.sim.fake_escrow import TOKENS, USERS, FakeEscrow, word
from tests.support import rows

pytestmark = pytest.mark.django_db
ALLOWED = bindings.PayTokenSet(token=TOKENS[0], allowed=True)


def deposit(amount: int) -> bindings.Deposited:
    return bindings.Deposited(token=TOKENS[0], user=USERS[0], from_=USERS[0], amount=amount)


@pytest.fixture
def chain():
    return rows.chain(escrow_address=ESCROW, final_depth=3, safe_depth=1, **rows.UNREAD)


@pytest.fixture
def fake():
    """Five blocks: a token is allowed in 1, deposits of 100 in 2 and 4."""
    made = FakeChain(random.Random(3), FakeEscrow(random.Random(3), {}, []))  # noqa: S311 - a seed that can be run again
    for events in ([ALLOWED], [deposit(100)], [], [deposit(100)]):
        made.mine(events)
    return made


class Broken(FakeNode):
    def answers(self, _calls):
        raise RpcError(RpcFault.UNREACHABLE, "down")


def catch_up(chain, *nodes) -> StepResult:
    result = watch_step(chain.pk, nodes=nodes)
    while result.behind:
        result = watch_step(chain.pk, nodes=nodes)
    chain.refresh_from_db()
    return result


def test_head_safe_and_final_follow_the_policy_of_the_chain(chain, fake):
    catch_up(chain, FakeNode(fake))
    assert (chain.head_number, chain.safe_number, chain.final_number) == (4, 3, 1)
    assert (chain.head_hash, chain.head_time) == (fake.head.hash, fake.head.timestamp)
    assert Account.objects.get(kind="free").balance == 200
    assert set(Transfer.objects.values_list("state", flat=True)) == {"pending"}
    fake.mine([])
    catch_up(chain, FakeNode(fake))
    assert sorted(Transfer.objects.values_list("state", flat=True)) == ["pending", "posted"]


def test_a_step_on_a_tip_that_moved_writes_nothing(chain, fake):
    node = FakeNode(fake)
    catch_up(chain, node)
    store = DatabaseStore(chain.pk)
    window = store.window()
    fake.mine([deposit(5)])
    reading = read_live(node, Extend(5, 5, live=True), tip=window.tip, policy=store.policy())
    catch_up(chain, node)
    before = (Block.objects.count(), ChainEvent.objects.count(), Transfer.objects.count())
    with pytest.raises(TipLostError):
        store.extend(window, reading, Depths(safe=4, final=2, history=2), {})
    assert (Block.objects.count(), ChainEvent.objects.count(), Transfer.objects.count()) == before


def test_the_next_endpoint_is_asked_when_one_fails_or_lags(chain, fake):
    assert catch_up(chain, Broken(fake), FakeNode(fake)).outcome is not Outcome.WAITING
    lagging = FakeChain(random.Random(3), FakeEscrow(random.Random(3), {}, []))  # noqa: S311
    lagging.blocks = fake.blocks[:4]
    fake.mine([])
    assert watch_step(chain.pk, nodes=[FakeNode(lagging), FakeNode(fake)]).outcome is Outcome.EXTENDED
    waiting = watch_step(chain.pk, nodes=[FakeNode(lagging), Broken(fake)])
    assert (waiting.outcome, waiting.behind) == (Outcome.WAITING, False)
    assert "lags" in waiting.detail
    assert "down" in waiting.detail


def test_no_endpoint_is_said_plainly(chain):
    assert watch_step(chain.pk, nodes=[]) == StepResult(
        Outcome.WAITING, "no endpoint is configured, or all of them rest"
    )


def test_a_halt_needs_every_node_that_answers(chain, fake):
    for _ in range(4):
        fake.mine([])
    catch_up(chain, FakeNode(fake))
    other = FakeChain(random.Random(3), FakeEscrow(random.Random(3), {}, []))  # noqa: S311
    other.blocks = list(fake.blocks)
    other.reorg(6, 7, empty=True)
    assert watch_step(chain.pk, nodes=[FakeNode(other), FakeNode(fake)]).outcome is Outcome.LEVEL
    assert watch_step(chain.pk, nodes=[FakeNode(other), Broken(fake)]).outcome is Outcome.WAITING
    assert not is_on(FlagName.PAUSE_KEEPER)
    assert watch_step(chain.pk, nodes=[FakeNode(other)]).outcome is Outcome.HALTED
    chain.refresh_from_db()
    assert chain.halted
    assert is_on(FlagName.PAUSE_KEEPER)
    assert OutboxEvent.objects.get(type="chain.halted").aggregate == f"chain:{chain.pk}"


def test_events_that_contradict_each_other_halt_and_leave_nothing_behind(chain, fake):
    catch_up(chain, FakeNode(fake))
    never_opened = bindings.Settled(id=word(9), tranche=0, outcome=2, closed=True, to_buyer=1, to_seller=0, fee=0)
    fake.mine([deposit(7), never_opened])
    assert watch_step(chain.pk, nodes=[FakeNode(fake)]).outcome is Outcome.HALTED
    assert Account.objects.get(kind="free").balance == 200
    assert ChainCursor.objects.get().tip_number == 4


def test_money_that_was_never_there_halts(chain, fake):
    fake.mine([bindings.Withdrawn(token=TOKENS[0], user=USERS[0], to=USERS[0], amount=201)])
    assert catch_up(chain, FakeNode(fake)).outcome is Outcome.HALTED
    assert not Account.objects.filter(balance__gt=200).exists()


def test_a_block_that_comes_back_is_read_as_new_rows(chain, fake):
    catch_up(chain, FakeNode(fake))
    branch = fake.blocks[-1:]
    fake.reorg(1, 1, empty=True)
    catch_up(chain, FakeNode(fake))
    fake.restore(branch)
    fake.mine([])
    catch_up(chain, FakeNode(fake))
    assert Block.objects.filter(hash=branch[0].hash).count() == 2
    assert Block.objects.filter(hash=branch[0].hash, canonical=True).count() == 1
    assert Account.objects.get(kind="free").balance == 200
    assert Transfer.objects.filter(state="void").count() == 1


def test_funds_and_tokens_reach_the_book_and_the_outbox(chain, fake):
    catch_up(chain, FakeNode(fake))
    assert PayToken.objects.get().allowed
    assert MakerFunds.objects.get().free == 200
    told = OutboxEvent.objects.filter(type="funds.changed").order_by("sequence")
    assert [event.payload["free"] for event in told] == ["200"]
    fake.reorg(1, 2, empty=True)
    catch_up(chain, FakeNode(fake))
    assert [event.payload["free"] for event in told.all()][1] == "100"


class Asked(FakeNode):
    """A node with one answer to `decimals()`."""

    def __init__(self, chain, answer):
        super().__init__(chain)
        self._answer = answer

    def _one(self, method, params):
        decimals = method == "eth_call" and params[0]["data"] == DECIMALS
        return self._answer if decimals else super()._one(method, params)


def test_a_node_that_fails_to_ask_a_token_for_its_decimals_is_passed_over(chain, fake):
    hurried = Asked(fake, RpcError(RpcFault.RATE_LIMITED, "slow down"))
    result = watch_step(chain.pk, nodes=[hurried])
    assert (result.outcome, result.detail) == (Outcome.WAITING, "rate_limited: slow down")
    assert [model.objects.count() for model in (PayToken, ChainCursor, ChainEvent)] == [0, 0, 0]
    catch_up(chain, hurried, FakeNode(fake))
    token = PayToken.objects.get()
    assert (token.decimals, token.allowed) == (6, True)


@pytest.mark.parametrize("answer", [RpcError(RpcFault.REVERTED, "no"), "0x", f"0x{37:064x}"])
def test_a_token_without_decimals_is_not_listed_until_it_says_them(chain, fake, answer, caplog):
    catch_up(chain, Asked(fake, answer))
    assert f"takes {TOKENS[0]}, which does not say its decimals" in caplog.text
    assert [model.objects.count() for model in (PayToken, MakerFunds)] == [0, 0]
    assert Account.objects.get(kind="free").balance == 200
    projection_refold(chain_id=chain.pk)
    assert not PayToken.objects.exists()
    fake.mine([ALLOWED])
    catch_up(chain, FakeNode(fake))
    token = PayToken.objects.get()
    assert (token.decimals, token.allowed, MakerFunds.objects.get().free) == (6, True, 200)
    before = state_hash(chain)
    projection_refold(chain_id=chain.pk)
    assert state_hash(chain) == before


def test_logs_that_this_version_does_not_know_are_kept_raw(chain, fake):
    fake.blocks[-1].logs.append(fake._place(4, fake.head.hash, 9, {"topics": ["0x" + "5a" * 32], "data": "0x0102"}))
    catch_up(chain, FakeNode(fake))
    event = ChainEvent.objects.get(name="")
    assert (bytes(event.data), event.topics, event.args) == (b"\x01\x02", ["0x" + "5a" * 32], {})


def test_a_chain_that_is_being_read_is_left_alone(chain, fake, monkeypatch):
    monkeypatch.setattr("escrow.chain.watcher.advisory_lock", locked_elsewhere)
    assert watch(chain.pk, nodes=[FakeNode(fake)]).outcome is Outcome.BUSY
    assert not ChainCursor.objects.exists()


@contextmanager
def locked_elsewhere(_name):
    """The lock as another session holds it."""
    yield False


def test_beat_wakes_every_active_chain_that_runs(chain, monkeypatch):
    rows.chain(chain_id=2, active=False)
    rows.chain(chain_id=3, halted="a person looks")
    woken = []
    monkeypatch.setattr(tasks.watch_chain, "apply_async", lambda args, **_options: woken.append(args))
    tasks.watch_all()
    assert woken == [(chain.pk,)]


@pytest.mark.parametrize(("spacing", "stays"), [(1, True), (2, True), (3, False), (12, False)])
def test_a_reader_stays_with_a_chain_whose_blocks_come_fast(chain, monkeypatch, spacing, stays):
    for number in range(tasks.FAST_BLOCKS):
        Block.objects.create(
            chain=chain, number=number, hash=word(number), parent_hash=word(0), timestamp=spacing * number
        )
    time, looks = [0.0], []

    def look(_pk, **_options):
        looks.append(time[0])
        return StepResult(Outcome.LEVEL)

    monkeypatch.setattr(tasks.clock, "monotonic", lambda: time[0])
    monkeypatch.setattr(tasks.clock, "wait", lambda seconds: time.__setitem__(0, time[0] + seconds))
    monkeypatch.setattr(tasks, "watch", look)
    tasks.watch_chain(chain.pk)
    assert len(looks) == (7 if stays else 1)
    assert looks[-1] < tasks.STAY + tasks.LOOK_EVERY


@pytest.mark.parametrize("outcome", [Outcome.BUSY, Outcome.HALTED, Outcome.WAITING])
def test_a_reader_stays_only_while_it_is_level_with_the_head(chain, monkeypatch, outcome):
    looks = []
    monkeypatch.setattr(tasks, "watch", lambda _pk, **_options: looks.append(1) or StepResult(outcome))
    monkeypatch.setattr(tasks, "_is_fast", lambda _pk: True)
    tasks.watch_chain(chain.pk)
    assert looks == [1]


@pytest.mark.parametrize("behind", [True, False])
def test_a_reader_that_is_behind_wakes_itself(chain, monkeypatch, behind):
    woken = []
    monkeypatch.setattr(tasks, "watch", lambda _pk, **_options: StepResult(Outcome.EXTENDED, behind=behind))
    monkeypatch.setattr(tasks.watch_chain, "apply_async", lambda args, **_options: woken.append(args))
    tasks.watch_chain(chain.pk)
    assert woken == ([(chain.pk,)] if behind else [])
