"""From intents to final transactions, through every answer a node can give and every moment a process can die in."""

from datetime import timedelta

import pytest

from escrow.keeper import driver, sending
from escrow.keeper.batching import next_batch
from escrow.keeper.driver import drive_once
from escrow.keeper.models import Attempt, Intent, IntentState, SendResult, Signer
from escrow.keeper.policy import Policy
from escrow.keeper.services import intent_retry, signer_resume
from escrow.keeper.signer import ForbiddenTransactionError, GuardedSigner, Unsigned, from_key
from otc.core import clock, flags
from otc.core.errors import DomainError
from otc.core.models import FlagName
from otc.stack.anvil import KEYS
from tests.support import rows
from tests.support.keeper_node import GWEI, FakeNode, refusal

pytestmark = pytest.mark.django_db
KEEPER = from_key(KEYS[9])


@pytest.fixture
def chain():
    return rows.chain(head_time=rows.START + rows.WINDOW + 1)


@pytest.fixture
def market(chain):
    market = rows.market(chain)
    rows.terms(market)
    return market


@pytest.fixture
def deal(market):
    return rows.deal(market)


@pytest.fixture
def node():
    return FakeNode()


def drive(node, **values):
    return drive_once(chain_id=31337, node=node, signer=KEEPER, **values)


def signer():
    return Signer.objects.get(address=KEEPER.address)


def states():
    return sorted(Intent.objects.values_list("state", flat=True))


def mine(node, chain, blocks=1):
    for _ in range(blocks):
        node.mine()
    node.fold(chain)


# ---------------------------------------------------------------- the plain way


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


# ---------------------------------------------------------------- what the node says


def test_a_crash_between_store_and_broadcast_sends_the_same_bytes(node, chain, deal, monkeypatch):
    class KilledError(BaseException):
        pass

    def killed(*args):
        raise KilledError

    monkeypatch.setattr(driver, "attempt_send", killed)
    with pytest.raises(KilledError):
        drive(node)
    monkeypatch.undo()
    assert states() == ["sent"]
    stored = Attempt.objects.get()
    assert node.sends == []
    drive(node)
    assert node.sends == [stored.tx_hash]
    assert Attempt.objects.count() == 1
    mine(node, chain, blocks=4)
    drive(node)
    assert states() == ["done"]


def test_a_crash_between_broadcast_and_mark_finds_it_known(node, deal):
    drive(node)
    Attempt.objects.update(broadcast_at=None, send_result="")
    drive(node)
    attempt = Attempt.objects.get()
    assert attempt.send_result == SendResult.KNOWN
    assert attempt.broadcast_at is not None
    assert len(node.pool) == 1


def test_a_crash_after_it_was_mined_needs_no_second_send(node, chain, deal):
    drive(node)
    Attempt.objects.update(broadcast_at=None, send_result="")
    mine(node, chain)
    assert drive(node).sent == 0
    assert states() == ["mined"]


def test_a_dropped_transaction_goes_out_again_unchanged(node, deal):
    drive(node)
    node.pool.clear()
    drive(node)
    assert node.sends[0] == node.sends[1]
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize("message", ["txpool is full", "rate limit exceeded"])
def test_a_node_that_takes_nothing_now_is_asked_again(node, deal, message):
    node.answers = [(SendResult.TRANSIENT, message)]
    report = drive(node)
    assert message in report.idle_because
    assert signer().notice == report.idle_because
    assert drive(node).idle_because == ""
    assert len(node.pool) == 1
    assert signer().notice == ""


def test_an_unreachable_node_ends_the_step(node, deal):
    node.down = True
    assert "No endpoint answers" in drive(node).idle_because
    assert states() == ["planned"]
    assert signer().halted == ""


def test_an_underpriced_transaction_is_replaced_at_once(node, chain, deal):
    node.answers = [(SendResult.UNDERPRICED, "max fee per gas less than block base fee")]
    drive(node)
    node.base_fee = 10 * GWEI
    drive(node)
    first, second = Attempt.objects.order_by("pk")
    assert (second.nonce, second.replaces, bytes(second.calldata)) == (first.nonce, first, bytes(first.calldata))
    assert second.max_fee == 21 * GWEI
    assert Intent.objects.get().attempt == second
    mine(node, chain, blocks=4)
    drive(node)
    assert states() == ["done"]


def test_a_stuck_transaction_is_replaced_with_an_eighth_more(node, chain, deal):
    drive(node)
    Attempt.objects.update(broadcast_at=clock.now() - timedelta(seconds=61))
    drive(node)
    first, second = Attempt.objects.order_by("pk")
    assert (second.max_fee, second.priority_fee) == (first.max_fee * 9 // 8, first.priority_fee * 9 // 8)
    assert list(node.pool) == [second.tx_hash]
    assert drive(node).sent == 0


def test_the_older_attempt_may_be_the_one_that_is_mined(node, chain, deal):
    drive(node)
    pool = dict(node.pool)
    Attempt.objects.update(broadcast_at=clock.now() - timedelta(seconds=61))
    drive(node)
    node.pool = pool
    mine(node, chain, blocks=4)
    drive(node)
    intent = Intent.objects.get()
    assert (intent.state, intent.attempt.pk) == ("done", Attempt.objects.order_by("pk").first().pk)


def test_no_replacement_above_the_cap(node, deal):
    drive(node)
    Signer.objects.update(fee_cap=3 * GWEI)
    Attempt.objects.update(broadcast_at=clock.now() - timedelta(seconds=61))
    assert "cap" in drive(node).idle_because
    assert Attempt.objects.count() == 1


def test_a_transaction_that_would_revert_frees_its_nonce(node, chain, deal):
    node.answers = [(SendResult.REVERTED, "execution reverted")]
    drive(node)
    drive(node)
    _first, second = Attempt.objects.filter(nonce=0).order_by("pk")
    assert (second.to, bytes(second.calldata), second.gas) == (KEEPER.address, b"", 21_000)
    assert Intent.objects.get().attempt.nonce == 1
    mine(node, chain, blocks=4)
    drive(node)
    assert states() == ["done"]
    assert signer().final_nonce == 2


def test_nonce_too_low_waits_for_the_receipt(node, chain, deal):
    node.answers = [(SendResult.NONCE_LOW, "nonce too low")]
    drive(node)
    assert Attempt.objects.get().send_result == SendResult.NONCE_LOW
    drive(node)
    mine(node, chain)
    drive(node)
    assert states() == ["mined"]


def test_words_we_do_not_know_halt_the_signer(node, deal):
    node.answers = [(SendResult.UNKNOWN, "computer says no")]
    drive(node)
    assert "computer says no" in signer().halted
    assert drive(node).sent == 0
    signer_resume(signer_pk=signer().pk)
    assert drive(node).idle_because == ""


def test_short_of_gas_money(node, deal):
    node.answers = [(SendResult.FUNDS_LOW, "insufficient funds for gas * price + value")]
    assert "gas money" in drive(node).idle_because
    assert signer().halted == ""


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


# ---------------------------------------------------------------- limits and switches


def test_a_strangers_transaction_halts(node, chain, deal):
    drive(node)
    node.nonce = 5
    drive(node)
    assert "somebody else signs with it" in signer().halted


def test_a_stranger_at_one_of_our_nonces_halts_once_it_is_safe(node, chain, deal):
    drive(node)
    node.pool.clear()
    node.nonce = 1
    drive(node)
    assert signer().halted == ""
    node.pulse = lambda address, safe_number: FakeNode.pulse(node, address, safe_number=safe_number).__class__(
        number=node.number, base_fee=GWEI, tip=GWEI, balance=10**18, nonce_latest=1, nonce_pending=1, nonce_safe=1
    )
    drive(node)
    assert "Nonce 0 was used" in signer().halted


def test_after_a_stranger_it_goes_on_above_him_when_a_person_says_so(node, chain, deal):
    drive(node)
    node.pool.clear()
    node.nonce = 3
    drive(node)
    assert signer().halted
    signer_resume(signer_pk=signer().pk)
    drive(node)
    assert (signer().final_nonce, signer().next_nonce, signer().halted) == (3, 4, "")
    mine(node, chain, blocks=4)
    drive(node)
    assert states() == ["done"]


def test_a_node_that_lags_behind_finality_is_waited_for(node, chain, market, deal):
    drive(node)
    mine(node, chain, blocks=4)
    drive(node)
    rows.deal(market)
    node.nonce = 0
    assert "lags" in drive(node).idle_because
    assert signer().halted == ""


def test_waiting_transactions_of_before_are_let_through_first(node, deal):
    node.pool["0x1"] = type("Tx", (), {"nonce": 0})()
    assert "wait to be mined" in drive(node).idle_because
    assert signer().next_nonce is None


def test_an_account_with_a_history_goes_on_from_its_count(node, deal):
    node.nonce = 41
    drive(node)
    assert Attempt.objects.get().nonce == 41


def test_the_switch_stops_sending_not_planning_nor_confirming(node, chain, deal, market):
    drive(node)
    flags.flag_set(name=FlagName.PAUSE_KEEPER, on=True, reason="drill")
    rows.deal(market)
    mine(node, chain, blocks=4)
    report = drive(node)
    assert (report.planned, report.sent, report.idle_because) == (1, 0, "Paused by the operators.")
    assert states() == ["done", "planned"]


def test_the_balance_floor_holds(node, deal):
    drive(node, policy=Policy(max_in_flight=0))
    Signer.objects.update(balance_floor=node.balance)
    assert "floor" in drive(node).idle_because
    assert node.sends == []
    Signer.objects.update(balance_floor=0)
    assert drive(node).sent == 1


def test_the_hourly_budget_holds(node, market):
    rows.deal(market)
    cost = (21_000 + 30_000) * 5 // 4 * 3 * GWEI
    drive(node, policy=Policy(max_in_flight=0))
    Signer.objects.update(hourly_budget=cost)
    assert drive(node).sent == 1
    rows.deal(market)
    assert "budget" in drive(node).idle_because


def test_fees_above_the_cap_wait(node, deal):
    node.base_fee = 600 * GWEI
    assert "cap" in drive(node).idle_because
    assert states() == ["planned"]


def test_a_halted_chain_drives_nothing(node, chain, deal):
    chain.halted = "reorg past finality"
    chain.save()
    assert drive(node).idle_because == "The chain's reader has halted."
    assert Intent.objects.count() == 0


def test_without_a_key_it_only_plans(node, deal):
    assert drive_once(chain_id=31337, node=node).idle_because == "No keeper key is set."
    assert states() == ["planned"]


def test_the_key_signs_nothing_else(chain):
    guarded = GuardedSigner(KEEPER, allowed=driver.allowed_calls(chain))
    fees = sending.Fees(1, 1)
    for to, calldata in [
        (rows.ESCROW, b"\x12\x34\x56\x78"),
        (rows.TOKEN, bytes.fromhex("a9059cbb")),
        (rows.BUYER, b""),
    ]:
        with pytest.raises(ForbiddenTransactionError):
            guarded.sign(Unsigned(chain_id=1, nonce=0, to=to, calldata=calldata, gas=21_000, fees=fees))


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
