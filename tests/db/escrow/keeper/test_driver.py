"""From intents to final transactions: the plain way, what the contract says, reorgs, and two drivers at once."""

import pytest

from escrow.keeper import driver
from escrow.keeper.batching import next_batch
from escrow.keeper.models import Attempt, Intent, IntentState, SendResult
from escrow.keeper.policy import Policy
from escrow.keeper.services import intent_retry
from otc.core.errors import DomainError
from otc.core.models import Chain
from tests.support import rows
from tests.support.keeper_node import GWEI, refusal
from tests.support.keeper_steps import drive, mine, signer, states

pytestmark = pytest.mark.django_db


def test_an_intent_is_sent_mined_and_done(node, chain, deal):
    report = drive(node)
    assert (report.planned, report.sent, report.idle_because) == (1, 1, "")
    assert states() == ["sent"]
    mine(node, chain)
    drive(node)
    assert states() == ["mined"]
    assert signer().final_nonce == 0
    mine(node, chain, blocks=3)
    drive(node)
    assert states() == ["done"]
    assert (signer().final_nonce, signer().next_nonce) == (1, 1)
    attempt = Attempt.objects.get()
    assert (attempt.succeeded, attempt.block_number, attempt.send_result) == (True, 11, SendResult.ACCEPTED)
    assert node.closed == {deal.deal_id: 2}


def test_a_second_step_sends_nothing_again(node, deal):
    drive(node)
    assert drive(node).sent == 0
    assert len(node.sends) == 1


def test_many_deals_go_in_batches_within_the_gas_cap(node, market):
    deals = [rows.deal(market) for _ in range(25)]
    policy = Policy(max_items=10, gas_cap=200_000)  # five items fit
    report = drive(node, policy=policy)
    assert report.sent == 5
    assert sorted(len(node.ids(tx.data)) for tx in node.pool.values()) == [5, 5, 5, 5, 5]
    node.mine()
    assert set(node.closed) == {deal.deal_id for deal in deals}


def test_no_more_than_so_many_transactions_are_under_way(node, chain, market):
    for _ in range(5):
        rows.deal(market)
    policy = Policy(max_items=1, max_in_flight=2)
    assert drive(node, policy=policy).sent == 2
    assert drive(node, policy=policy).sent == 0
    mine(node, chain)
    assert drive(node, policy=policy).sent == 2


def test_slashes_and_refunds_are_separate_transactions(node, chain, deal):
    refunded = rows.deal(rows.market(chain, status=4))
    assert drive(node).sent == 2
    node.mine()
    assert node.closed == {deal.deal_id: 2, refunded.deal_id: 3}


def test_the_gas_limit_has_a_margin_over_the_estimate(node, deal):
    drive(node)
    attempt = Attempt.objects.get()
    assert attempt.gas == (21_000 + 30_000) * 5 // 4
    assert (attempt.max_fee, attempt.priority_fee) == (3 * GWEI, GWEI)


# ---------------------------------------------------------------- what the contract says


def test_done_by_somebody_else_is_moot_and_costs_nothing(node, deal):
    node.closed[deal.deal_id] = 2
    assert drive(node).sent == 0
    intent = Intent.objects.get()
    assert (intent.state, intent.judged_block, intent.detail) == ("moot", 10, "the deal was already closed: Slashed")


def test_moot_is_taken_back_when_the_other_transaction_is_reorged_away(node, chain, deal):
    node.closed[deal.deal_id] = 2
    node.mine()  # judged at block 11, which the fold has not reached
    drive(node)
    assert states() == ["moot"]
    drive(node)
    assert states() == ["moot"]
    del node.closed[deal.deal_id]
    node.fold(chain)
    assert drive(node).sent == 1


def test_a_deal_that_the_chain_does_not_know_is_moot(node, deal):
    node.unknown.add(deal.deal_id)
    drive(node)
    assert states() == ["moot"]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (refusal("TooEarly", 5, 4), IntentState.MOOT),
        (refusal("NotRefundable", b"\1" * 32, 1, 5), IntentState.MOOT),
        (refusal("DealMismatch", b"\1" * 32), IntentState.FAILED),
        ("0xdeadbeef", IntentState.FAILED),
        ("", IntentState.FAILED),
    ],
)
def test_one_refused_item_does_not_hold_up_the_others(node, market, error, state):
    bad, good = rows.deal(market), rows.deal(market)
    node.refuses[bad.deal_id] = error
    assert drive(node).sent == 1
    assert Intent.objects.get(deal_id=bad.deal_id).state == state
    assert Intent.objects.get(deal_id=good.deal_id).state == IntentState.SENT


def test_what_is_refused_ahead_of_the_fold_is_judged_again_when_the_fold_is_there(node, chain, deal):
    """A reorganisation gives a deal another opening time, a change of hands another holder: the node knows before we do."""
    node.refuses[deal.deal_id] = refusal("DealMismatch", b"\1" * 32)
    node.mine()
    drive(node)
    assert states() == ["moot"]
    node.refuses.clear()
    node.fold(chain)
    assert drive(node).sent == 1


def test_what_is_refused_on_another_branch_is_no_persons_business(node, chain, deal):
    node.refuses[deal.deal_id] = refusal("DealMismatch", b"\1" * 32)
    Chain.objects.filter(pk=chain.pk).update(head_hash=rows.word(0xDEAD))
    drive(node)
    assert states() == ["moot"]


def test_what_the_fold_overtakes_while_it_is_judged_is_no_persons_business(node, chain, deal, monkeypatch):
    """Asked with the facts of a branch that the reader then left."""
    node.refuses[deal.deal_id] = refusal("DealMismatch", b"\1" * 32)
    estimate = node.estimate

    def overtaken(**given):
        answer = estimate(**given)
        node.mine()
        node.fold(chain)
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(node, "estimate", overtaken)
        drive(node)
    assert states() == ["moot"]
    node.refuses.clear()
    assert drive(node).sent == 1


def test_an_item_that_alone_needs_too_much_gas_fails(node, deal):
    drive(node, policy=Policy(gas_cap=50_000))
    assert Intent.objects.get().state == IntentState.FAILED
    assert node.sends == []


def test_a_reverted_transaction_is_planned_anew_and_given_up_the_third_time(node, chain, deal):
    for attempt in range(1, 4):
        drive(node)
        assert Intent.objects.get().state == IntentState.SENT
        node.reverting.update(node.pool)
        mine(node, chain)
        chain.refresh_from_db()
        assert Attempt.objects.count() == attempt
        drive(node, policy=Policy(max_in_flight=0))
    intent = Intent.objects.get()
    assert (intent.state, intent.reverts) == (IntentState.FAILED, 3)
    assert intent.attempt.succeeded is False
    mine(node, chain, blocks=4)
    drive(node)
    assert signer().final_nonce == 3


def test_a_failed_intent_is_tried_again_when_a_person_says_so(node, deal):
    node.refuses[deal.deal_id] = refusal("DealMismatch", b"\1" * 32)
    drive(node)
    intent = Intent.objects.get()
    assert intent.state == IntentState.FAILED
    node.refuses.clear()
    intent_retry(intent_pk=intent.pk)
    assert drive(node).sent == 1
    with pytest.raises(DomainError):
        intent_retry(intent_pk=intent.pk)


def test_with_nothing_to_do_the_node_is_not_asked(node, chain, deal):
    drive(node)
    mine(node, chain, blocks=4)
    drive(node)
    node.down = True
    assert drive(node).idle_because == ""


# ---------------------------------------------------------------- reorgs


@pytest.mark.parametrize("keeps_pool", [True, False])
def test_a_reorged_receipt_goes_back_to_sent_and_out_again(node, chain, deal, keeps_pool):
    drive(node)
    mine(node, chain)
    drive(node)
    assert states() == ["mined"]
    node.reorg(1, keeps_pool=keeps_pool)
    node.number += 1
    node.fold(chain)
    drive(node)
    assert states() == ["sent"]
    assert Attempt.objects.get().block_hash is None
    assert set(node.sends) == {Attempt.objects.get().tx_hash}
    assert len(node.sends) == (1 if keeps_pool else 2)
    mine(node, chain, blocks=4)
    drive(node)
    assert states() == ["done"]


def test_a_receipt_of_an_orphaned_block_does_not_count(node, chain, deal):
    drive(node)
    mine(node, chain)
    receipts = dict(node.mined)
    node.reorg(1, keeps_pool=True)
    node.number += 1
    node.fold(chain)
    node.mined = receipts  # the node still serves the orphan's receipt
    drive(node)
    assert states() == ["sent"]


def test_a_receipt_above_the_fold_is_checked_against_the_node(node, deal):
    drive(node)
    node.mine()
    drive(node)
    assert states() == ["mined"]


# ---------------------------------------------------------------- two at once


def test_two_drivers_that_meet_at_the_store_send_once(node, chain, deal, monkeypatch):
    def both(step):
        batch = next_batch(step)
        if batch is not None:
            Intent.objects.filter(pk__in=batch.intent_pks).update(state=IntentState.MOOT)
        return batch

    monkeypatch.setattr(driver, "next_batch", both)
    assert drive(node).sent == 0
    assert Attempt.objects.count() == 0
    assert signer().next_nonce == 0
