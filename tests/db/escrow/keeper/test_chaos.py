"""The keeper under whatever can happen: killed at any call, answered badly, reorged. Afterwards each deal is closed once."""

import random

import pytest

from escrow.keeper.driver import drive_once
from escrow.keeper.models import Attempt, Intent, IntentState, SendResult, Signer
from escrow.keeper.policy import Policy
from escrow.keeper.signer import from_key
from otc.stack.anvil import KEYS
from tests.support import rows
from tests.support.keeper_node import DELIVERED, SLASHED, FakeNode

pytestmark = pytest.mark.django_db
KEEPER = from_key(KEYS[9])
POLICY = Policy(max_items=2, max_in_flight=3)
CALLS = ("pulse", "receipts", "known", "block_hashes", "read", "views", "estimate", "try_each", "send")
UNTIL = rows.START + 100
ATTESTED = {"phase": 1, "phase_until": UNTIL, "attested_units": 100, "attestation_evidence": rows.word(1)}


class KilledError(BaseException):
    """As kill -9: nothing of ours runs after it."""


class Killer:
    """A node that kills the process before or after its nth call."""

    def __init__(self, node: FakeNode, at: int, *, before: bool) -> None:
        self.node, self.left, self.before = node, at, before

    def __getattr__(self, name):
        call = getattr(self.node, name)
        if name not in CALLS:
            return call

        def counted(*args, **kwargs):
            self.left -= 1
            if self.left == 0 and self.before:
                raise KilledError
            answer = call(*args, **kwargs)
            if self.left == 0:
                raise KilledError
            return answer

        return counted


def prepare(count, *, attested=0):
    """Deals to slash, and deals to finalize: (chain, outcome by deal)."""
    chain = rows.chain(head_time=rows.START + rows.WINDOW + 1)
    market = rows.market(chain)
    rows.terms(market)
    deals = {rows.deal(market).deal_id: SLASHED for _ in range(count)}
    return chain, deals | {rows.deal(market, **ATTESTED).deal_id: DELIVERED for _ in range(attested)}


def settle(chain, node):
    """Calm: the keeper runs and blocks come until nothing is left to do."""
    for _ in range(12):
        drive_once(chain_id=chain.pk, node=node, signer=KEEPER, policy=POLICY)
        node.mine()
        node.fold(chain)


def all_closed_once(chain, node, deals):
    assert node.closed == deals
    assert {intent.state for intent in Intent.objects.all()} <= {IntentState.DONE, IntentState.MOOT}
    signer = Signer.objects.get()
    assert signer.halted == ""
    assert signer.next_nonce == signer.final_nonce == node.nonce
    nonces = list(Attempt.objects.filter(succeeded__isnull=False).values_list("nonce", flat=True))
    assert sorted(nonces) == list(range(signer.next_nonce))


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("at", range(1, 26))
def test_killed_at_any_call(at, before):
    chain, deals = prepare(5)
    node = FakeNode()
    killer = Killer(node, at, before=before)
    try:
        for _ in range(4):
            drive_once(chain_id=chain.pk, node=killer, signer=KEEPER, policy=POLICY)
            node.mine()
            node.fold(chain)
    except KilledError:
        pass
    settle(chain, node)
    all_closed_once(chain, node, deals)
    assert Signer.objects.get().next_nonce == 3  # five deals, two a transaction: never one more


@pytest.mark.parametrize("seed", range(8))  # tests/sim has the longer days
def test_bad_days(seed):
    rng = random.Random(seed)  # noqa: S311 - a seed that can be run again
    chain, deals = prepare(6, attested=4)
    node = FakeNode()
    bad = [result for result in SendResult if result not in {SendResult.UNKNOWN, SendResult.KNOWN}]
    for _ in range(30):
        event = rng.randrange(8)
        if event == 0:
            node.answers = [(rng.choice(bad), "as the dice fell") for _ in range(rng.randrange(3))]
        elif event == 1 and node.number > 12:
            node.reorg(rng.randint(1, 2), keeps_pool=rng.random() < 0.5)
            node.number += 2
        elif event == 2:
            node.pool.clear()
        elif event == 3:
            somebody = rng.choice(list(deals))
            node.closed.setdefault(somebody, deals[somebody])
        elif event == 4:
            node.base_fee = rng.choice([1, 10, 40]) * 10**9
        elif event == 5:
            node.reverting.update(rng.sample(sorted(node.pool), min(1, len(node.pool))))
        try:
            at = Killer(node, rng.randint(1, 12), before=rng.random() < 0.5) if rng.random() < 0.4 else node
            drive_once(
                chain_id=chain.pk, node=at, signer=KEEPER, policy=Policy(max_items=2, max_in_flight=3, max_reverts=99)
            )
        except KilledError:
            pass
        if rng.random() < 0.7:
            node.mine()
        node.fold(chain)
    node.answers, node.base_fee = [], 10**9
    node.reverting.clear()
    Attempt.objects.update(broadcast_at="2020-01-01T00:00:00Z")  # whatever waits is old now
    settle(chain, node)
    settle(chain, node)
    all_closed_once(chain, node, deals)
