"""Several endpoints of one chain: which is asked, who must rest, what makes a block final."""

import random
from datetime import timedelta

import pytest

from escrow.chain import health
from escrow.chain.client import RpcFault, http_node
from escrow.chain.endpoints import chain_answers
from escrow.chain.health import FORKED, MOVED, ChainEndpoints, endpoint_digest, pause_after
from escrow.chain.models import ChainCursor, EndpointHealth
from escrow.chain.watcher import Outcome, StepResult, watch, watch_step
from escrow.contracts import bindings
from escrow.models import Account
from otc.core import clock
from otc.core.flags import is_on
from otc.core.models import Chain, Finality, FlagName
from tests.sim.fake_chain import ESCROW, FakeChain, FakeNode
from tests.sim.fake_escrow import TOKENS, USERS, FakeEscrow
from tests.support import rows
from tests.support.rpc_server import RpcServer, black_hole, dripping, serving

pytestmark = pytest.mark.django_db
ALLOWED = bindings.PayTokenSet(token=TOKENS[0], allowed=True)
DEPOSITED = bindings.Deposited(token=TOKENS[0], user=USERS[0], from_=USERS[0], amount=100)


@pytest.fixture
def fake():
    """Ten blocks: a token is allowed in 1, a deposit in 5 and in 9."""
    made = FakeChain(random.Random(3), FakeEscrow(random.Random(3), {}, []))  # noqa: S311 - a seed that can be run again
    for number in range(1, 10):
        made.mine({1: [ALLOWED], 5: [DEPOSITED], 9: [DEPOSITED]}.get(number, []))
    for block in made.blocks:
        block.logs[:] = [log for log in block.logs if len(log["topics"]) > 1]
    return made


@pytest.fixture
def servers(fake):
    """Three endpoints that serve the same chain."""
    with (
        serving(RpcServer(FakeNode(fake))) as first,
        serving(RpcServer(FakeNode(fake))) as second,
        serving(RpcServer(FakeNode(fake))) as third,
    ):
        yield first, second, third


class HandOnTheClock:
    """Moves `clock.now` on, for rests that would take seconds."""

    def __init__(self, monkeypatch):
        self._real, self._ahead = clock.now, timedelta()
        monkeypatch.setattr(clock, "now", lambda: self._real() + self._ahead)

    def move(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


@pytest.fixture
def hand(monkeypatch):
    return HandOnTheClock(monkeypatch)


def chain_on(*urls: str, **values: object) -> Chain:
    return rows.chain(
        escrow_address=ESCROW, rpc_urls=list(urls), **{"final_depth": 3, "safe_depth": 1, **rows.UNREAD, **values}
    )


def catch_up(chain: Chain) -> StepResult:
    """Steps until there is nothing to do; the last one's result."""
    result = watch_step(chain.pk)
    while result.behind or result.outcome is Outcome.EXTENDED:
        result = watch_step(chain.pk)
    chain.refresh_from_db()
    return result


def row_of(url: str) -> EndpointHealth:
    return EndpointHealth.objects.get(digest=endpoint_digest(url))


# ---------------------------------------------------------------- health, fail-over


def test_a_silent_endpoint_is_left_within_five_seconds_and_rests(servers):
    with black_hole() as silent:
        chain = chain_on(silent, servers[0].url)
        begun = clock.monotonic()
        result = watch_step(chain.pk)
        took = clock.monotonic() - begun
        assert result.outcome is Outcome.EXTENDED
        assert took < 5.0
        row = row_of(silent)
        assert (row.failures, row.fault) == (1, RpcFault.TIMEOUT)
        assert [node.url for node in ChainEndpoints(chain).ready()] == [servers[0].url]
        begun = clock.monotonic()
        assert catch_up(chain).outcome is Outcome.LEVEL
        assert clock.monotonic() - begun < 4.0  # it was not asked again
        assert chain_answers(chain, [("eth_getBlockByNumber", ["0x0", False])])[0]["number"] == "0x0"


def test_an_endpoint_that_drips_is_left_as_one_that_is_silent(servers):
    """Each piece comes in time, the whole never does."""
    with dripping() as url:
        chain = chain_on(url, servers[0].url)
        begun = clock.monotonic()
        assert watch_step(chain.pk).outcome is Outcome.EXTENDED
        assert clock.monotonic() - begun < 5.0
        assert row_of(url).fault == RpcFault.TIMEOUT


def test_an_endpoint_that_looks_well_and_gives_no_logs_is_left_too(servers):
    first, second, _ = servers
    first.broken = lambda: first.respond() if first.asked < 3 else clock.wait(4.5)
    chain = chain_on(first.url, second.url)
    begun = clock.monotonic()
    assert watch_step(chain.pk).outcome is Outcome.EXTENDED
    assert clock.monotonic() - begun < 5.0
    assert row_of(first.url).fault == RpcFault.TIMEOUT


def test_rests_double_up_to_a_longest_and_a_node_names_its_own():
    assert [pause_after(n, RpcFault.TIMEOUT) for n in range(1, 8)] == [1, 2, 4, 8, 16, 16, 16]
    assert [pause_after(n, MOVED) for n in range(1, 6)] == [0, 0, 1, 2, 4]
    assert pause_after(1, RpcFault.RATE_LIMITED, 30.0) == 30.0
    assert pause_after(1, RpcFault.RATE_LIMITED, 10**9) == health.LONGEST_RETRY_AFTER


def test_a_rate_limit_is_respected_for_as_long_as_the_node_says(servers, hand):
    first, second, _ = servers
    chain = chain_on(first.url, second.url)
    first.broken = lambda: (429, {"Retry-After": "200"}, b"{}")
    assert catch_up(chain).outcome is Outcome.LEVEL
    asked = first.asked
    hand.move(150)
    catch_up(chain)
    assert first.asked == asked
    first.broken = None
    hand.move(60)
    catch_up(chain)
    assert first.asked > asked
    assert row_of(first.url).failures == 0
    assert [node.url for node in ChainEndpoints(chain).ready()] == [first.url, second.url]


def test_what_an_endpoint_allows_is_known_to_every_process(servers):
    first, _, _ = servers
    chain = chain_on(first.url)
    catch_up(chain)
    EndpointHealth.objects.update(width=7, refused_width=9)
    http_node.cache_clear()  # another process
    (node,) = ChainEndpoints(chain).ready()
    assert (node.width.blocks, node.width.refused) == (7, 9)


def test_an_endpoint_that_is_taken_out_is_heard_of_no_more(servers):
    first, second, _ = servers
    chain = chain_on(first.url, second.url)
    for url in chain.rpc_urls:
        EndpointHealth.objects.create(chain=chain, digest=endpoint_digest(url), name=url[7:], failures=9, width=50)
    elsewhere = rows.chain(chain_id=10)
    EndpointHealth.objects.create(
        chain=elsewhere, digest=endpoint_digest(second.url), name="other", failures=9, width=50
    )
    Chain.objects.filter(pk=chain.pk).update(rpc_urls=[first.url])
    catch_up(chain)
    assert set(EndpointHealth.objects.values_list("chain", "digest", "failures")) == {
        (chain.pk, endpoint_digest(first.url), 0),
        (elsewhere.pk, endpoint_digest(second.url), 9),
    }


def test_an_endpoint_that_contradicts_itself_may_do_so_twice_and_then_rests(servers):
    first, second, _ = servers
    chain = chain_on(first.url, second.url)
    catch_up(chain)

    class Torn(FakeNode):
        """Headers that don't follow each other."""

        def _one(self, method, params):
            answer = super()._one(method, params)
            if method == "eth_getBlockByNumber" and answer and int(answer["number"], 16) > 9:
                return answer | {"parentHash": "0x" + "00" * 32}
            return answer

    torn = first.node = Torn(first.node._chain)
    for _ in range(3):
        torn._chain.mine([])
        assert watch_step(chain.pk).outcome is Outcome.EXTENDED  # by the second, in the same step
    assert row_of(first.url).failures == 3
    assert [node.url for node in ChainEndpoints(chain).ready()] == [second.url]


def test_an_endpoint_of_another_chain_is_never_believed(servers):
    first, second, _ = servers
    first.chain_id = 1
    chain = chain_on(first.url, second.url)
    assert watch_step(chain.pk).outcome is Outcome.EXTENDED
    assert row_of(first.url).fault == RpcFault.WRONG_CHAIN


def test_an_endpoint_on_another_branch_below_what_is_final_is_rested(servers, fake):
    first, second, _ = servers
    chain = chain_on(second.url)
    catch_up(chain)
    other = FakeChain(random.Random(3), FakeEscrow(random.Random(3), {}, []))  # noqa: S311
    other.blocks = list(fake.blocks)
    other.reorg(8, 9, empty=True)
    first.node = FakeNode(other)
    chain.rpc_urls = [first.url, second.url]
    chain.save()
    assert watch_step(chain.pk).outcome is Outcome.LEVEL
    assert row_of(first.url).fault == FORKED
    assert not is_on(FlagName.PAUSE_KEEPER)


def test_when_all_rest_the_reader_waits_and_says_so(servers, hand):
    first, _, _ = servers
    chain = chain_on(first.url)
    first.broken = lambda: (500, {}, b"no")
    assert watch_step(chain.pk).outcome is Outcome.WAITING
    first.broken = None
    assert "rest" in watch_step(chain.pk).detail
    hand.move(1.1)
    assert catch_up(chain).outcome is Outcome.LEVEL


def test_a_better_endpoint_is_found_again_by_looking_at_it_now_and_then(servers, hand):
    first, second, _ = servers
    chain = chain_on(first.url, second.url)
    first.broken = lambda: (500, {}, b"no")
    catch_up(chain)
    assert ChainEndpoints(chain).ordered()[0].url == second.url
    first.broken = None
    hand.move(60)
    watch_step(chain.pk)
    assert ChainEndpoints(chain).ordered()[0].url == first.url


# ---------------------------------------------------------------- finality


class Tagged(FakeNode):
    """Calls the block `finalized` what the test says; None: a chain too young."""

    finalized: int | None = 0

    def _one(self, method, params):
        if method == "eth_getBlockByNumber" and params[0] == "finalized":
            return None if self.finalized is None else self._view()[self.finalized].header
        return super()._one(method, params)


def read_with(chain: Chain, *nodes: FakeNode) -> StepResult:
    result = watch_step(chain.pk, nodes=nodes)
    while result.behind:
        result = watch_step(chain.pk, nodes=nodes)
    chain.refresh_from_db()
    return result


@pytest.mark.parametrize(
    ("finality", "tag", "final"),
    [
        (Finality.DEPTH, 1, 6),
        (Finality.TAG, 1, 1),
        (Finality.TAG, 8, 8),
        (Finality.TAG, None, None),
        (Finality.LOWER, 1, 1),
        (Finality.LOWER, 8, 6),
        (Finality.LOWER, None, None),
    ],
)
def test_finality_is_by_tag_by_depth_or_the_lower(fake, finality, tag, final):
    chain = chain_on(finality=finality)
    node = Tagged(fake)
    node.finalized = tag
    read_with(chain, node)
    assert (chain.head_number, chain.final_number) == (9, final)


def test_finality_by_tag_moves_on_without_new_blocks_and_never_back(fake):
    chain = chain_on(finality=Finality.TAG)
    node = Tagged(fake)
    node.finalized = 4
    read_with(chain, node)
    node.finalized = 6
    assert read_with(chain, node).outcome is Outcome.LEVEL
    assert chain.final_number == 6
    node.finalized = 2
    read_with(chain, node)
    assert chain.final_number == 6


def test_a_tag_on_another_branch_than_the_head_is_not_believed(fake):
    chain = chain_on(finality=Finality.TAG)
    node = Tagged(fake)
    node.finalized = 4
    read_with(chain, node)

    class Lying(Tagged):
        def _one(self, method, params):
            answer = super()._one(method, params)
            return answer | {"hash": "0x" + "ab" * 32} if params[0] == "finalized" else answer

    liar = Lying(fake)
    liar.finalized = 7
    assert watch_step(chain.pk, nodes=[liar]).outcome is Outcome.WAITING
    chain.refresh_from_db()
    assert chain.final_number == 4


def forked_from(fake: FakeChain, depth: int) -> FakeChain:
    other = FakeChain(random.Random(3), FakeEscrow(random.Random(3), {}, []))  # noqa: S311
    other.blocks = list(fake.blocks)
    other.reorg(depth, depth, empty=True)
    return other


def test_a_quorum_must_name_the_same_block(fake):
    chain = chain_on("http://one", "http://two", final_quorum=2)
    assert read_with(chain, FakeNode(fake)).outcome is Outcome.WAITING  # nobody else, and nothing to begin with
    assert not ChainCursor.objects.exists()
    read_with(chain, FakeNode(fake), FakeNode(fake))
    assert chain.final_number == 6
    fake.mine([])
    read_with(chain, FakeNode(fake), FakeNode(forked_from(fake, 6)))
    assert (chain.head_number, chain.final_number) == (10, 6)
    read_with(chain, FakeNode(fake), FakeNode(forked_from(fake, 6)), FakeNode(fake))
    assert chain.final_number == 7
    assert not chain.halted


def test_a_quorum_goes_by_what_the_slower_one_has(fake):
    chain = chain_on("http://one", "http://two", final_quorum=2)
    slow = FakeChain(random.Random(3), FakeEscrow(random.Random(3), {}, []))  # noqa: S311
    slow.blocks = fake.blocks[:8]
    read_with(chain, FakeNode(fake), FakeNode(slow))
    assert (chain.head_number, chain.final_number) == (9, 4)
    assert Account.objects.get(kind="free").balance == 200


def test_disagreement_past_finality_halts(fake):
    chain = chain_on("http://one", "http://two", final_quorum=2)
    read_with(chain, FakeNode(fake), FakeNode(fake))
    other = forked_from(fake, 6)
    assert watch_step(chain.pk, nodes=[FakeNode(other), FakeNode(fake)]).outcome is Outcome.LEVEL
    assert watch_step(chain.pk, nodes=[FakeNode(other), FakeNode(other)]).outcome is Outcome.HALTED
    assert is_on(FlagName.PAUSE_KEEPER)


# ---------------------------------------------------------------- several chains


def test_several_chains_are_read_side_by_side_each_by_its_own_policy(fake):
    young = FakeChain(random.Random(4), FakeEscrow(random.Random(4), {}, []))  # noqa: S311
    for _ in range(5):
        young.mine([])
    with serving(RpcServer(FakeNode(fake))) as one, serving(RpcServer(FakeNode(young), chain_id=77)) as other:
        first = chain_on(one.url)
        second = chain_on(other.url, chain_id=77, final_depth=1)
        for chain in (first, second):
            while watch(chain.pk).outcome is not Outcome.LEVEL:
                pass
            chain.refresh_from_db()
    assert (first.head_number, first.final_number) == (9, 6)
    assert (second.head_number, second.final_number) == (5, 4)
    assert ChainCursor.objects.count() == 2
    assert Account.objects.filter(chain=second).count() == 0
    assert {row.chain_id for row in EndpointHealth.objects.all()} == {first.pk, second.pk}
