"""History that is read ahead: it stands when a process dies, is folded in bites, and goes when the chain it is of is not the node's."""

import random

import pytest

from escrow.chain import watcher
from escrow.chain.client import RpcError, RpcFault
from escrow.chain.models import ChainEvent, StagedBlock, StagedLog
from escrow.chain.planner import Header, Staged, TipWindow
from escrow.chain.readings import EscrowLog, Reading
from escrow.chain.staging import staged, staged_bite, staging_add, staging_drop
from escrow.chain.store import DatabaseStore, TipLostError
from escrow.chain.watcher import Outcome, watch_step
from escrow.models import Account
from escrow.services.rebuild import chain_forget
from otc.core import clock
from tests.db.escrow.test_chain_watcher import ALLOWED, catch_up, deposit
from tests.sim.fake_chain import ESCROW, FakeChain, FakeNode
from tests.sim.fake_escrow import FakeEscrow, word
from tests.support import rows

pytestmark = pytest.mark.django_db
UNTIL = 1e12  # of the monotonic clock: as long as it takes


@pytest.fixture
def chain():
    return rows.chain(escrow_address=ESCROW, final_depth=3, safe_depth=1, **rows.UNREAD)


@pytest.fixture
def fake():
    """Twenty-four blocks, the last final one is 20. A token is allowed in 1, a deposit of 10 in every later one."""
    made = FakeChain(random.Random(3), FakeEscrow(random.Random(3), {}, []))  # noqa: S311 - a seed that can be run again
    made.mine([ALLOWED])
    for _ in range(22):
        made.mine([deposit(10)])
    return made


class Counted(FakeNode):
    """Ranges of four blocks; keeps which were asked for, and stops answering after `upto` of them."""

    def __init__(self, fake, *, upto=99):
        super().__init__(fake)
        self.width.LOGS, self.width.blocks, self.width.refused = 10**6, 4, 5
        self.ranges, self._upto = [], upto

    def _one(self, method, params):
        if method == "eth_getLogs" and "fromBlock" in params[0]:
            if len(self.ranges) == self._upto:
                raise RpcError(RpcFault.UNREACHABLE, "down")
            self.ranges.append((int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)))
        return super()._one(method, params)


@pytest.fixture
def bites(monkeypatch):
    """Bites of six events, and the size of each that is folded."""
    monkeypatch.setattr(watcher, "BITE", 6)
    folded, extend = [], DatabaseStore.extend

    def counting(self, window, reading, depths, tokens):
        folded.append(len(reading.logs))
        extend(self, window, reading, depths, tokens)

    monkeypatch.setattr(DatabaseStore, "extend", counting)
    return folded


def nothing_is_staged():
    return not StagedBlock.objects.exists() and not StagedLog.objects.exists()


def test_narrow_ranges_are_folded_in_bites_of_their_own_size(chain, fake, bites):
    node = Counted(fake)
    assert watch_step(chain.pk, nodes=[node], until=UNTIL).outcome is Outcome.EXTENDED
    assert len(node.ranges) >= 5
    assert bites == [6, 6, 6, 2]
    assert nothing_is_staged()
    catch_up(chain, node)
    assert Account.objects.get(kind="free").balance == 220
    assert ChainEvent.objects.count() == 23


def test_a_process_that_dies_leaves_what_it_read(chain, fake, bites, monkeypatch):
    def die(name):
        if name == "watcher.staged" and StagedLog.objects.count() > 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(watcher, "reach", die)
        with pytest.raises(KeyboardInterrupt):
            watch_step(chain.pk, nodes=[Counted(fake)], until=UNTIL)
    read = staged(chain.pk)
    assert (read.tip.number, read.logs) == (7, 7)
    assert bites == []
    node = Counted(fake)
    watch_step(chain.pk, nodes=[node], until=UNTIL)
    assert node.ranges[0][0] == 8
    catch_up(chain, node)
    assert Account.objects.get(kind="free").balance == 220


def test_what_is_less_than_a_bite_waits_for_more(chain, fake, bites):
    result = watch_step(chain.pk, nodes=[Counted(fake, upto=1)], until=UNTIL)
    assert (result.outcome, result.behind, bites) == (Outcome.STAGED, True, [])
    assert staged(chain.pk).tip.number == 3
    result = watch_step(chain.pk, nodes=[Counted(fake, upto=1)], until=UNTIL)
    assert (result.outcome, bites) == (Outcome.EXTENDED, [6])
    chain.refresh_from_db()
    assert (chain.head_number, staged(chain.pk).logs) == (6, 1)


def test_a_node_that_fails_before_anything_is_staged_is_passed_over(chain, fake):
    result = watch_step(chain.pk, nodes=[Counted(fake, upto=0), Counted(fake)], until=UNTIL)
    assert result.outcome is Outcome.EXTENDED


def test_time_that_is_over_ends_reading_and_folding(chain, fake, bites, monkeypatch):
    seconds = iter(range(10**6))
    monkeypatch.setattr(clock, "monotonic", lambda: float(next(seconds)))
    watch_step(chain.pk, nodes=[Counted(fake)], until=0.0)
    assert bites == [3]  # one range, as wide as the node allows


def other_branch(fake, depth):
    other = FakeChain(random.Random(5), FakeEscrow(random.Random(5), {}, []))  # noqa: S311
    other.blocks = list(fake.blocks)
    other.reorg(depth, depth, empty=True)
    return other


def test_what_is_staged_of_a_branch_that_the_node_does_not_have_is_dropped(chain, fake, bites):
    for _ in range(4):
        watch_step(chain.pk, nodes=[Counted(fake, upto=1)], until=0.0)
    assert ChainEvent.objects.exists()
    tip = DatabaseStore(chain.pk).window().tip
    assert tip.number < 20
    stage_up_to(chain, fake, 20)
    assert (
        watch_step(chain.pk, nodes=[FakeNode(other_branch(fake, 23 - tip.number))], until=UNTIL).outcome
        is Outcome.WAITING
    )
    assert nothing_is_staged()
    catch_up(chain, FakeNode(fake))
    assert Account.objects.get(kind="free").balance == 220


def stage_up_to(chain, fake, number):
    store = DatabaseStore(chain.pk)
    window, tip = store.window(), staged(chain.pk).tip
    block = fake.blocks[number]
    header = Header(block.number, block.hash, block.parent_hash, block.timestamp)
    store.stage(window, tip or window.tip, Reading((header,), ()))


def test_another_writer_of_staging_is_noticed(chain, fake):
    catch_up(chain, FakeNode(fake))
    store = DatabaseStore(chain.pk)
    window = store.window()
    stage_up_to(chain, fake, 20)
    before = staged(chain.pk)
    with pytest.raises(TipLostError):
        store.stage(window, window.tip, Reading((before.tip,), ()))
    with pytest.raises(TipLostError):
        store.stage(TipWindow(0, 5, (before.tip,)), before.tip, Reading((), ()))
    assert staged(chain.pk) == before


def test_a_rewind_and_a_fresh_start_leave_nothing_staged(chain, fake):
    catch_up(chain, FakeNode(fake))
    stage_up_to(chain, fake, 23)
    fake.reorg(2, 3, empty=True)
    assert watch_step(chain.pk, nodes=[FakeNode(fake)]).outcome is Outcome.REWOUND
    assert nothing_is_staged()
    stage_up_to(chain, fake, 22)
    chain_forget(chain_id=chain.pk)
    assert nothing_is_staged()


def test_a_bite_is_whole_blocks_and_nothing_above_its_limit(chain):
    headers = tuple(Header(number, word(number), word(number - 1), number) for number in (3, 4, 7, 9))
    logs = tuple(
        EscrowLog(number, index, word(number), word(40), ESCROW, (word(1), word(2)), "0x0102", None)
        for number, count in ((3, 2), (4, 3), (7, 1))
        for index in range(count)
    )
    staging_add(chain.pk, Reading(headers, logs))
    assert staged(chain.pk) == Staged(headers[-1], 6)
    assert staged_bite(chain.pk, 9, 3) == Reading(headers[:2], logs[:5])
    assert staged_bite(chain.pk, 9, 100) == Reading(headers, logs)
    assert staged_bite(chain.pk, 8, 100) == Reading(headers[:3], logs)
    assert staged_bite(chain.pk, 2, 100) == Reading((), ())
    staging_drop(chain.pk, upto=4)
    assert staged_bite(chain.pk, 9, 100) == Reading(headers[2:], logs[5:])
