"""Deals whose delivery is attested: finalized or ended neutrally when their time is over, never slashed; what is moot can come back."""

import pytest

from escrow.keeper.models import Intent, IntentState
from escrow.keeper.planner import plan
from escrow.models import DealOutcome
from tests.support import rows
from tests.support.keeper_node import refusal
from tests.support.keeper_steps import drive, mine, states

pytestmark = pytest.mark.django_db
UNTIL = rows.START + 5 * 86_400
EVIDENCE = "0x" + "ee" * 32
ATTESTED = {"phase": 1, "phase_until": UNTIL, "attested_units": 100, "attestation_evidence": EVIDENCE}
DISPUTE = {"phase_until": UNTIL, "dispute_evidence": EVIDENCE, "bond": 5}
BY_BUYER = {**ATTESTED, **DISPUTE, "phase": 2, "disputed_by": rows.BUYER}
BY_SELLER = {**DISPUTE, "phase": 3, "disputed_by": rows.SELLER}


@pytest.fixture
def market(chain):
    market = rows.market(
        chain,
        settlement=1,
        attestor="0x" + "a7" * 20,
        arbitrator="0x" + "a8" * 20,
        challenge=86_400,
        arbitration_window=172_800,
        bond_bps=500,
    )
    rows.terms(market, token="0x" + "00" * 20)
    return market


def at(chain, time):
    chain.head_time = time
    chain.save(update_fields=["head_time"])


def due():
    return list(Intent.objects.order_by("pk").values_list("key", flat=True))


@pytest.mark.parametrize(("state", "action"), [(ATTESTED, "finalize"), (BY_BUYER, "timeout"), (BY_SELLER, "timeout")])
@pytest.mark.parametrize(("late", "count"), [(-1, 0), (0, 0), (1, 1)])
def test_the_end_is_due_one_second_after_its_time_and_never_a_slash(chain, market, state, action, late, count):
    deal = rows.deal(market, **state)
    at(chain, UNTIL + late)  # long past the window
    plan(chain_id=chain.pk)
    assert due() == [f"deal:{deal.deal_id}:{action}"] * count


def test_what_was_never_attested_is_slashed(chain, market):
    deal = rows.deal(market)
    plan(chain_id=chain.pk)
    assert due() == [f"deal:{deal.deal_id}:slash:0"]


@pytest.mark.parametrize("name", ["Attested", "Disputed", "Appealed"])
def test_an_attestation_that_is_not_safe_waits(chain, market, name):
    deal = rows.deal(market, **ATTESTED)
    rows.event(chain, block_number=10, name=name, deal_id=deal.deal_id)
    at(chain, UNTIL + 1)
    assert plan(chain_id=chain.pk) == 0
    chain.safe_number = 10
    chain.save()
    assert plan(chain_id=chain.pk) == 1


def test_a_market_of_which_something_is_not_safe_waits(chain, market):
    rows.deal(market)
    rows.event(chain, block_number=10, name="Extended", market_id=market.market_id)
    assert plan(chain_id=chain.pk) == 0


def test_a_deal_that_has_ended_is_left_alone(chain, market):
    rows.deal(market, **ATTESTED, outcome=DealOutcome.DELIVERED)
    at(chain, UNTIL + 1)
    assert plan(chain_id=chain.pk) == 0


def test_many_go_in_one_transaction_and_are_done(node, chain, market):
    deals = [rows.deal(market, **ATTESTED) for _ in range(3)]
    disputed = rows.deal(market, **BY_SELLER)
    at(chain, UNTIL + 1)
    assert drive(node).sent == 2
    mine(node, chain, blocks=4)
    drive(node)
    assert states() == ["done"] * 4
    assert node.closed == {**{deal.deal_id: 1 for deal in deals}, disputed.deal_id: 6}


@pytest.mark.parametrize(
    "error", [refusal("WrongPhase", b"\1" * 32, 2), refusal("TooEarly", 5, 4), refusal("DealClosed", b"\1" * 32, 5)]
)
def test_a_late_dispute_an_appeal_or_a_ruling_drops_its_own_deal_alone(node, chain, market, error):
    moved, other = rows.deal(market, **ATTESTED), rows.deal(market, **ATTESTED)
    at(chain, UNTIL + 1)
    node.refuses[moved.deal_id] = error
    assert drive(node).sent == 1
    assert Intent.objects.get(deal_id=moved.deal_id).state == IntentState.MOOT
    mine(node, chain)
    assert node.closed == {other.deal_id: 1}


def test_after_a_dispute_the_end_is_another_intent(node, chain, market):
    deal = rows.deal(market, **ATTESTED)
    at(chain, UNTIL + 1)
    node.refuses[deal.deal_id] = refusal("WrongPhase", b"\1" * 32, 2)
    drive(node)
    assert states() == ["moot"]
    for field, value in {**BY_BUYER, "phase_until": UNTIL + 100}.items():
        setattr(deal, field, value)
    deal.save()
    assert drive(node).planned == 0
    node.refuses.clear()
    at(chain, UNTIL + 101)
    assert drive(node).sent == 1
    assert due() == [f"deal:{deal.deal_id}:finalize", f"deal:{deal.deal_id}:timeout"]
    assert states() == ["moot", "sent"]


def test_what_an_appeal_made_moot_is_due_again_when_the_appeal_has_run_out(node, chain, market):
    deal = rows.deal(market, **BY_BUYER)
    at(chain, UNTIL + 1)
    node.refuses[deal.deal_id] = refusal("TooEarly", UNTIL + 101, UNTIL + 1)
    drive(node)
    deal.phase_until, deal.appeals = UNTIL + 100, 1
    deal.save()
    node.refuses.clear()
    at(chain, UNTIL + 100)
    assert drive(node).planned == 0
    assert states() == ["moot"]
    at(chain, UNTIL + 101)
    assert drive(node).sent == 1
    assert states() == ["sent"]


def test_somebody_who_is_faster_reverts_the_batch_and_the_others_go_on(node, chain, market):
    first, second = rows.deal(market, **ATTESTED), rows.deal(market, **ATTESTED)
    at(chain, UNTIL + 1)
    drive(node)
    node.closed[first.deal_id] = 1
    node.reverting.update(node.pool)
    mine(node, chain)
    drive(node)
    assert Intent.objects.get(deal_id=first.deal_id).state == IntentState.MOOT
    mine(node, chain, blocks=4)
    drive(node)
    assert states() == ["done", "moot"]
    assert node.closed == {first.deal_id: 1, second.deal_id: 1}
