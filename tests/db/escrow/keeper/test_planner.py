"""What is due becomes an intent, once; facts that are not deep enough, or no longer true, become none."""

import pytest
from django.db import transaction

from escrow.keeper.models import Attempt, Intent, IntentState, Signer
from escrow.keeper.planner import plan
from escrow.keeper.services import intents_doubt
from escrow.models import DealOutcome, DealTranche
from escrow.services.rebuild import chain_forget
from points.models import MarketStatus
from tests.support import rows

pytestmark = pytest.mark.django_db
DEADLINE = rows.START + rows.WINDOW


@pytest.fixture
def chain():
    return rows.chain(head_time=DEADLINE + 1)


@pytest.fixture
def market(chain):
    return rows.market(chain)


def at(chain, head_time):
    chain.head_time = head_time
    chain.save()


def keys():
    return sorted(Intent.objects.values_list("key", flat=True))


def test_a_missed_deadline_plans_one_slash(chain, market):
    rows.terms(market)
    deal = rows.deal(market)
    assert plan(chain_id=chain.pk) == 1
    assert plan(chain_id=chain.pk) == 0
    assert keys() == [f"deal:{deal.deal_id}:slash:0"]
    intent = Intent.objects.get()
    assert (intent.action, intent.deal_id, intent.tranche, intent.state) == (
        "slash",
        deal.deal_id,
        0,
        IntentState.PLANNED,
    )


@pytest.mark.parametrize(("late", "count"), [(-1, 0), (0, 0), (1, 1)])
def test_the_deadline_is_judged_by_the_heads_time(chain, market, late, count):
    at(chain, DEADLINE + late)
    rows.terms(market)
    rows.deal(market)
    assert plan(chain_id=chain.pk) == count


def test_a_deal_that_is_not_safe_waits(chain, market):
    rows.terms(market)
    rows.deal(market, block_number=10)
    assert plan(chain_id=chain.pk) == 0
    chain.safe_number = 10
    chain.save()
    assert plan(chain_id=chain.pk) == 1


def test_closed_deals_and_tranches_are_left_alone(chain, market):
    at(chain, rows.START + 10 * rows.PERIOD)
    rows.terms(market, tranches=3, tge_bps=5_000, period=rows.PERIOD)
    rows.deal(market, outcome=DealOutcome.DELIVERED)
    deal = rows.deal(market)
    DealTranche.objects.create(deal=deal, number=0, outcome=DealOutcome.DELIVERED)
    DealTranche.objects.create(deal=deal, number=1, delivered=5)
    assert plan(chain_id=chain.pk) == 2
    assert keys() == [f"deal:{deal.deal_id}:slash:1", f"deal:{deal.deal_id}:slash:2"]


@pytest.mark.parametrize(
    ("status", "time", "count"),
    [
        (MarketStatus.CANCELLED, rows.START, 1),
        (MarketStatus.OPEN, rows.LONG_STOP, 0),
        (MarketStatus.OPEN, rows.LONG_STOP + 1, 1),
        (MarketStatus.CANCEL_PROPOSED, rows.LONG_STOP, 0),
        (MarketStatus.CANCEL_PROPOSED, rows.LONG_STOP + 1, 1),
    ],
)
def test_refunds_of_cancelled_and_void_markets(chain, status, time, count):
    at(chain, time)
    deal = rows.deal(rows.market(chain, status=status))
    assert plan(chain_id=chain.pk) == count
    assert keys() == [f"deal:{deal.deal_id}:refund"] * count


def test_a_final_market_never_refunds_past_its_long_stop(chain, market):
    at(chain, rows.LONG_STOP + 1)
    rows.terms(market, start=rows.LONG_STOP)
    rows.deal(market)
    assert plan(chain_id=chain.pk) == 0


@pytest.mark.parametrize(("judged", "state"), [(10, IntentState.PLANNED), (11, IntentState.MOOT)])
def test_a_moot_intent_is_taken_up_again_once_the_fold_knows_better(chain, market, judged, state):
    rows.terms(market)
    rows.deal(market)
    plan(chain_id=chain.pk)
    Intent.objects.update(state=IntentState.MOOT, judged_block=judged, detail="slashed by somebody else")
    plan(chain_id=chain.pk)
    assert Intent.objects.get().state == state


@pytest.mark.parametrize("state", [IntentState.FAILED, IntentState.PLANNED])
def test_other_states_are_left_alone(chain, market, state):
    rows.terms(market)
    rows.deal(market)
    plan(chain_id=chain.pk)
    Intent.objects.update(state=state)
    assert plan(chain_id=chain.pk) == 0
    assert Intent.objects.get().state == state


@pytest.mark.parametrize(
    "values", [{"halted": "deep reorg"}, {"active": False}, {"head_number": None}, {"safe_number": None}]
)
def test_nothing_is_planned_on_a_chain_that_is_not_sound(values):
    chain = rows.chain(**{"head_time": DEADLINE + 1, **values})
    market = rows.market(chain)
    rows.terms(market)
    rows.deal(market)
    assert plan(chain_id=chain.pk) == 0


def test_planning_many_deals_takes_a_fixed_number_of_statements(chain, market, django_assert_max_num_queries):
    rows.terms(market)
    for _ in range(30):
        rows.deal(market)
    with django_assert_max_num_queries(11):
        assert plan(chain_id=chain.pk) == 30


def done(chain, deal):
    """What is planned for the deal, done by a transaction that was final."""
    signer, _ = Signer.objects.get_or_create(chain_id=chain.chain_id, address=rows.BUYER)
    attempt = rows.attempt(signer, Attempt.objects.count())
    intents = Intent.objects.filter(deal_id=deal.deal_id)
    for state in (IntentState.SENT, IntentState.DONE):
        intents.update(state=state, attempt=attempt)


def test_of_a_chain_that_is_read_anew_what_was_done_is_planned_again_where_it_was_undone(chain, market):
    rows.terms(market)
    kept, undone = rows.deal(market), rows.deal(market)
    assert plan(chain_id=chain.pk) == 2
    for deal in (kept, undone):
        done(chain, deal)
    assert plan(chain_id=chain.pk) == 0
    with transaction.atomic():
        intents_doubt(chain_id=chain.pk)
    kept.outcome, kept.closed_event = DealOutcome.SLASHED, rows.event(chain, name="Settled", deal_id=kept.deal_id)
    kept.paid_to_buyer = kept.payment + kept.collateral
    kept.save()
    assert plan(chain_id=chain.pk) == 1
    assert dict(Intent.objects.values_list("deal_id", "state")) == {
        kept.deal_id: IntentState.MOOT,
        undone.deal_id: IntentState.PLANNED,
    }


def test_whoever_has_a_chain_read_anew_doubts_what_was_done_there_and_nowhere_else(chain, market):
    rows.terms(market)
    deal = rows.deal(market)
    plan(chain_id=chain.pk)
    done(chain, deal)
    chain_forget(chain_id=rows.chain(chain_id=5).pk)
    assert Intent.objects.get().state == IntentState.DONE
    chain_forget(chain_id=chain.pk)
    intent = Intent.objects.get()
    assert (intent.state, intent.judged_block, intent.attempt) == (IntentState.MOOT, 0, None)
