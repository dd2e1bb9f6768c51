"""Deliveries on sellers' standing approvals: what is planned, how much goes, who waits, and that nobody is asked every second."""

import pytest

from escrow.domain.duties import LAST_HOURS
from escrow.keeper.models import Attempt, Intent, IntentState
from escrow.keeper.planner import plan
from escrow.keeper.policy import DEFAULT, Policy
from escrow.models import AutoDelivery, DealOutcome, DealTranche
from tests.support import rows
from tests.support.keeper_node import FakeNode, refusal
from tests.support.keeper_steps import drive, mine, states

pytestmark = pytest.mark.django_db
TOKEN = FakeNode().settlement_token
OTHER = "0x" + "5f" * 20
DUE = 100 * 10**18  # of a deal of the tests' market
DEADLINE = rows.START + rows.WINDOW


@pytest.fixture
def chain(db):
    return rows.chain(head_time=rows.START)


@pytest.fixture
def market(chain):
    market = rows.market(chain)
    rows.terms(market)
    return market


def approve(node, market, amount, *, seller=rows.SELLER, wallet=None, allowance=None):
    """As the seller and the chain would; what is not said is as much as the approval."""
    AutoDelivery.objects.update_or_create(
        chain=market.chain, market_id=market.market_id, seller=seller, token=TOKEN, defaults={"amount": amount}
    )
    node.approvals[seller, market.market_id, TOKEN] = amount
    node.wallets[TOKEN, seller] = amount if wallet is None else wallet
    node.allowances[TOKEN, seller] = amount if allowance is None else allowance


def at(chain, time):
    chain.head_time = time
    chain.save(update_fields=["head_time"])


def keys():
    return sorted(Intent.objects.values_list("key", flat=True))


# ---------------------------------------------------------------- what is planned


@pytest.mark.parametrize(
    ("time", "actions"),
    [
        (rows.START - 1, []),
        (rows.START, ["deliver"]),
        (DEADLINE - LAST_HOURS, ["deliver"]),
        (DEADLINE - LAST_HOURS + 1, ["deliver", "rest"]),
        (DEADLINE, ["deliver", "rest"]),
        (DEADLINE + 1, ["slash"]),
    ],
)
def test_deliveries_are_planned_within_the_window(node, chain, market, deal, time, actions):
    approve(node, market, 1)
    at(chain, time)
    plan(chain_id=chain.pk)
    assert sorted(Intent.objects.values_list("action", flat=True)) == actions


def test_each_open_tranche_is_an_intent_of_its_own(node, chain, market):
    market.settlement_terms.delete()
    rows.terms(market, tranches=3, tge_bps=5_000, period=rows.WINDOW // 2)
    deal = rows.deal(market)
    DealTranche.objects.create(deal=deal, number=0, outcome=DealOutcome.DELIVERED)
    approve(node, market, DUE)
    at(chain, rows.START + rows.WINDOW)
    plan(chain_id=chain.pk)
    assert keys() == [f"deal:{deal.deal_id}:deliver:{tranche}" for tranche in (1, 2)]


@pytest.mark.parametrize(
    "values",
    [{"amount": 0}, {"token": "0x" + "78" * 20}, {"market_id": rows.word(5)}, {"seller": OTHER}],
    ids=["used up", "another token", "another market", "another seller"],
)
def test_an_approval_of_something_else_plans_nothing(node, chain, market, deal, values):
    approve(node, market, DUE)
    AutoDelivery.objects.update(**values)
    assert plan(chain_id=chain.pk) == 0


# ---------------------------------------------------------------- how much


def test_all_that_is_due_goes_to_the_buyers_wallet(node, chain, market, deal):
    approve(node, market, 5 * DUE)
    assert drive(node).sent == 1
    node.mine()
    (part,) = node.done
    assert (part.deal.id, part.tranche, part.amount, part.to_escrow) == (deal.deal_id, 0, DUE, False)


def test_what_came_before_is_not_delivered_again(node, chain, market, deal):
    approve(node, market, DUE)
    node.came[deal.deal_id, 0] = DUE // 4
    drive(node)
    node.mine()
    assert [part.amount for part in node.done] == [DUE - DUE // 4]


@pytest.mark.parametrize("short", ["approval", "wallet", "allowance"])
def test_deals_that_together_are_not_covered_go_in_order_and_the_rest_waits(node, chain, market, short):
    deals = [rows.deal(market) for _ in range(4)]
    have = {"approval": 4 * DUE, "wallet": 4 * DUE, "allowance": 4 * DUE, short: 2 * DUE + 1}
    approve(node, market, have["approval"], wallet=have["wallet"], allowance=have["allowance"])
    assert drive(node).sent == 1
    assert states() == ["planned", "planned", "sent", "sent"]
    node.mine()
    assert [part.deal.id for part in node.done] == [deal.deal_id for deal in deals[:2]]
    waiting = Intent.objects.filter(state=IntentState.PLANNED)
    assert {(one.wait_until, one.deal_id) for one in waiting} == {
        (rows.START + DEFAULT.retry_seconds, deal.deal_id) for deal in deals[2:]
    }
    assert f"{DUE} are due" in waiting[0].detail


def test_sellers_do_not_stand_in_each_others_way(node, chain, market):
    poor, rich = rows.deal(market), rows.deal(market, seller=OTHER)
    approve(node, market, DUE, wallet=0)
    approve(node, market, DUE, seller=OTHER)
    assert drive(node).sent == 1
    node.mine()
    assert [part.deal.id for part in node.done] == [rich.deal_id]
    assert Intent.objects.get(deal_id=poor.deal_id).state == IntentState.PLANNED


def test_in_the_last_hours_what_there_is_goes_into_the_buyers_free_balance(node, chain, market, deal):
    approve(node, market, DUE, wallet=DUE // 3)
    at(chain, DEADLINE - LAST_HOURS + 1)
    assert drive(node).sent == 1
    assert states() == ["planned", "sent"]
    node.mine()
    (part,) = node.done
    assert (part.amount, part.to_escrow) == (DUE // 3, True)


def test_a_rest_goes_once(node, chain, market, deal):
    approve(node, market, DUE, wallet=DUE // 3)
    at(chain, DEADLINE - LAST_HOURS + 1)
    drive(node)
    mine(node, chain, blocks=4)
    node.wallets[TOKEN, rows.SELLER] = DUE // 3
    at(chain, DEADLINE - 1)
    drive(node)
    mine(node, chain, blocks=4)
    drive(node)
    assert len(node.done) == 1
    assert states() == ["done", "planned"]


def test_a_token_that_says_nothing_has_nothing(node, chain, market, deal):
    approve(node, market, DUE)
    node.settlement_token = rows.TOKEN  # the terms' token has no code
    assert drive(node).sent == 0
    assert states() == ["planned"]


# ---------------------------------------------------------------- waiting


def test_a_seller_without_tokens_is_not_asked_every_second(node, chain, market, deal):
    approve(node, market, DUE, wallet=0)
    drive(node)
    asked = len(node.asked)
    node.down = True  # would be noticed
    for second in range(1, DEFAULT.retry_seconds):
        if second % 97 == 0:
            at(chain, rows.START + second)
            assert drive(node).idle_because == ""
    node.down = False
    assert len(node.asked) == asked
    node.wallets[TOKEN, rows.SELLER] = DUE
    at(chain, rows.START + DEFAULT.retry_seconds)
    assert drive(node).sent == 1
    assert Intent.objects.get().wait_until is None


@pytest.mark.parametrize("data", [refusal("NothingDelivered", TOKEN), "0xe450d38c", ""])
def test_what_the_token_refuses_waits_and_is_no_persons_business(node, chain, market, deal, data):
    approve(node, market, DUE)
    node.refuses[deal.deal_id] = data
    assert drive(node).sent == 0
    intent = Intent.objects.get()
    assert (intent.state, intent.wait_until) == (IntentState.PLANNED, rows.START + DEFAULT.retry_seconds)
    assert "refused" in intent.detail


def test_after_the_window_nobody_waits_any_more(node, chain, market, deal):
    approve(node, market, DUE, wallet=0)
    drive(node)
    at(chain, DEADLINE + 1)
    assert drive(node).sent == 1  # the slash
    delivery = Intent.objects.get(action="deliver")
    assert (delivery.state, delivery.detail) == (IntentState.MOOT, "the window has closed")


def test_terms_that_a_reorg_took_back_deliver_nothing(node, chain, market, deal):
    approve(node, market, DUE)
    plan(chain_id=chain.pk)
    market.settlement_terms.delete()
    assert drive(node).sent == 0
    assert states() == ["moot"]


# ---------------------------------------------------------------- one at a time


def test_the_next_delivery_waits_until_this_one_is_mined(node, chain, market):
    for _ in range(4):
        rows.deal(market)
    approve(node, market, 4 * DUE)
    policy = Policy(max_items=2)
    assert drive(node, policy=policy).sent == 1
    assert drive(node, policy=policy).sent == 0
    mine(node, chain)
    assert drive(node, policy=policy).sent == 1
    mine(node, chain)
    assert sum(part.amount for part in node.done) == 4 * DUE


def test_a_token_that_burns_gas_is_not_paid_for_and_keeps_nobody_from_his_delivery(node, chain, market):
    theirs = rows.market(chain)
    rows.terms(theirs)
    hostile, honest = rows.deal(theirs, seller=OTHER), rows.deal(market)
    approve(node, theirs, DUE, seller=OTHER)
    approve(node, market, DUE)
    node.gas_of[hostile.deal_id] = DEFAULT.item_gas_cap + 1
    for _ in range(2):
        drive(node)
        mine(node, chain)
    assert Intent.objects.get(deal_id=hostile.deal_id).state == IntentState.FAILED
    assert [part.deal.id for part in node.done] == [honest.deal_id]


def test_a_delivery_that_reverts_when_mined_takes_the_honest_ones_down_once(node, chain, market):
    hostile, honest = rows.deal(market, seller=OTHER), rows.deal(market)
    approve(node, market, DUE, seller=OTHER)
    approve(node, market, DUE)
    drive(node)
    node.reverting.update(node.pool)
    mine(node, chain)
    for _ in range(5):  # it always reverts: simulated it never does
        drive(node)
        node.reverting.update(h for h, tx in node.pool.items() if hostile.deal_id in node.ids(tx.data))
        mine(node, chain)
    drive(node)
    assert Intent.objects.get(deal_id=honest.deal_id).reverts == 1
    assert Intent.objects.get(deal_id=hostile.deal_id).state == IntentState.FAILED
    assert [part.deal.id for part in node.done] == [honest.deal_id]
    assert Attempt.objects.filter(succeeded=False).count() == DEFAULT.max_delivery_reverts


# ---------------------------------------------------------------- a buyer who would rather have the collateral


def dust(node, chain, deal):
    """What is in the pool comes after a delivery of one base unit, sent by the buyer."""
    for tx in node.pool.values():
        for part in node.parts(tx.data):
            node.came[part.deal.id, part.tranche] += 1
            node.approvals[part.deal.seller, part.deal.market, TOKEN] -= 1
            node.wallets[TOKEN, part.deal.seller] -= 1
    mine(node, chain, blocks=4)


def test_dust_before_every_delivery_does_not_keep_the_rest_back(node, chain, market, deal):
    node.due = DUE
    approve(node, market, DUE)
    for _ in range(8 * 4):  # the whole, the whole alone, half; a step that sees that half final
        drive(node)
        dust(node, chain, deal)
    assert DUE - node.came[deal.deal_id, 0] <= DUE // 2**7
    assert Attempt.objects.filter(succeeded=False).count() == 16  # two for each half: each costs somebody a transaction
    assert {one.state for one in Intent.objects.all()} <= {IntentState.DONE, IntentState.PLANNED}


def test_when_the_dust_ends_the_rest_goes_at_once(node, chain, market, deal):
    node.due = DUE
    approve(node, market, DUE)
    for _ in range(3):
        drive(node)
        dust(node, chain, deal)
    assert [part.amount for part in node.done] == [DUE // 2 - 1]
    for _ in range(2):
        drive(node)
        mine(node, chain, blocks=4)
    assert sum(part.amount for part in node.done) == DUE - 3


def test_what_others_deliver_to_stop_the_keeper_is_delivered(node, chain, market, deal):
    """To make a part revert, more than the rest of it has to come from somebody."""
    node.due = DUE
    approve(node, market, DUE)
    for _ in range(DEFAULT.max_delivery_reverts):
        drive(node)
        (tx,) = node.pool.values()
        (part,) = node.parts(tx.data)
        taken = DUE - node.came[deal.deal_id, 0] - part.amount + 1
        node.came[deal.deal_id, 0] += taken
        node.approvals[rows.SELLER, market.market_id, TOKEN] -= taken
        node.wallets[TOKEN, rows.SELLER] -= taken
        mine(node, chain)
    drive(node)
    assert states() == ["failed"]
    assert node.came[deal.deal_id, 0] > DUE * 63 // 64


def test_a_token_that_takes_a_cut_does_not_keep_the_keeper_delivering(node, chain, market, deal):
    node.due = DUE
    approve(node, market, 2 * DUE)
    drive(node)
    mine(node, chain, blocks=4)
    node.came[deal.deal_id, 0] -= DUE // 100  # less came than went
    for _ in range(3):
        drive(node)
        mine(node, chain, blocks=4)
    assert states() == ["done"]
    assert len(node.done) == 1


# ---------------------------------------------------------------- nothing due


def test_a_tranche_that_comes_to_no_token_is_settled_for_every_seller(node, chain, market):
    market.settlement_terms.delete()
    rows.terms(market, tranches=2, tge_bps=5_000, period=rows.WINDOW // 2, ratio_num=1, ratio_den=100)
    small, big = rows.deal(market, units=100), rows.deal(market, units=200)
    at(chain, rows.START)
    plan(chain_id=chain.pk)
    assert keys() == [f"deal:{small.deal_id}:deliver:0"]
    assert drive(node).sent == 1
    node.mine()
    (part,) = node.done
    assert (part.deal.id, part.tranche, part.amount) == (small.deal_id, 0, 0)
    assert big.deal_id not in keys()


def test_pieces_of_a_right_are_settled_by_their_seller_alone(chain, market):
    market.settlement_terms.delete()
    rows.terms(
        market, tranches=2, tge_bps=5_000, period=rows.WINDOW // 2, ratio_num=1, ratio_den=100, semi_fungible=False
    )
    rows.deal(market, units=100)
    at(chain, rows.START)
    assert plan(chain_id=chain.pk) == 0
