"""The keeper against a real node and the real contract: explicit mining, time moved by hand."""

import threading

import pytest
from django.db import connections

from escrow.contracts import bindings, structs
from escrow.keeper.driver import drive_once
from escrow.keeper.models import Attempt, Intent, IntentState, Signer
from escrow.keeper.rpc import RpcNode
from escrow.keeper.signer import from_key
from escrow.models import Deal, DealOutcome
from otc.stack import anvil as published
from tests.support.onchain import FINAL_DEPTH, USD, OnChain

pytestmark = pytest.mark.django_db
KEEPER = from_key(published.key("keeper"))


@pytest.fixture
def venue(anvil):
    venue = OnChain(anvil)
    for role in ("seller", "buyer"):
        venue.fund(role, 10_000 * USD)
    return venue


def drive(venue):
    return drive_once(chain_id=venue.chain_id, signer=KEEPER)


def deals_of(venue, count, *, market=None):
    offer = venue.post(
        "seller", units=10 * count, payment=25 * USD * count, collateral=10 * USD * count, min_fill=10, market=market
    )
    return [venue.take("buyer", offer, 10) for _ in range(count)]


def states():
    return sorted(Intent.objects.values_list("state", flat=True))


def nonce(venue):
    return int(venue.anvil.rpc("eth_getTransactionCount", KEEPER.address, "latest"), 16)


def test_missed_deadlines_are_slashed_in_one_batch_and_once(venue):
    deals = deals_of(venue, 3)
    _start, deadline = venue.propose()
    venue.pass_to(deadline)
    assert drive(venue).planned == 0  # the last second is the seller's
    venue.pass_to(deadline + 1)
    report = drive(venue)
    assert (report.planned, report.sent, report.idle_because) == (3, 1, "")
    assert drive(venue).sent == 0
    venue.mine()
    assert {deal.outcome for deal in Deal.objects.all()} == {DealOutcome.SLASHED}
    drive(venue)
    assert states() == ["mined"] * 3
    venue.mine(FINAL_DEPTH)
    report = drive(venue)
    assert (report.planned, report.sent, report.waiting) == (0, 0, 0)
    assert states() == ["done"] * 3
    attempt = Attempt.objects.get()
    assert attempt.succeeded is True
    assert nonce(venue) == Signer.objects.get().final_nonce == 1
    for deal in deals:
        deal.refresh_from_db()
        assert (deal.paid_to_buyer, deal.paid_to_seller) == (35 * USD, 0)


def test_a_market_that_never_launched_refunds_at_its_long_stop(venue):
    (deal,) = deals_of(venue, 1)
    venue.pass_to(venue.market.long_stop)
    assert drive(venue).planned == 0
    venue.pass_to(venue.market.long_stop + 1)
    assert drive(venue).sent == 1
    venue.mine(FINAL_DEPTH + 1)
    drive(venue)
    deal.refresh_from_db()
    assert (deal.outcome, deal.paid_to_buyer, deal.paid_to_seller) == (DealOutcome.REFUNDED, 25 * USD, 10 * USD)
    assert states() == ["done"]


def test_somebody_else_was_first(venue):
    first, second = deals_of(venue, 2)
    _start, deadline = venue.propose()
    venue.pass_to(deadline + 1)
    found = Deal.objects.select_related("market", "pay_token").get(pk=first.pk)
    venue.send("taker", venue.escrow, bindings.encode_slash(structs.deal_preimage(found), 0))
    venue.anvil.mine()
    assert drive(venue).sent == 1  # not read yet: only the chain knows
    moot = Intent.objects.get(deal_id=first.deal_id)
    assert (moot.state, moot.detail) == (IntentState.MOOT, "the deal was already closed: Slashed")
    assert Intent.objects.get(deal_id=second.deal_id).state == IntentState.SENT
    venue.mine(FINAL_DEPTH + 1)
    drive(venue)
    assert states() == ["done", "moot"]
    assert {deal.outcome for deal in Deal.objects.all()} == {DealOutcome.SLASHED}


def test_somebody_else_is_first_in_the_same_block(venue):
    (deal,) = deals_of(venue, 1)
    _start, deadline = venue.propose()
    venue.pass_to(deadline + 1)
    found = Deal.objects.select_related("market", "pay_token").get(pk=deal.pk)
    venue.send("taker", venue.escrow, bindings.encode_slash(structs.deal_preimage(found), 0), gas=500_000)
    assert drive(venue).sent == 1
    venue.mine()
    venue.mine(FINAL_DEPTH)
    drive(venue)
    assert states() == ["done"]
    deal.refresh_from_db()
    assert deal.paid_to_buyer == 35 * USD


@pytest.mark.django_db(transaction=True)
def test_two_drivers_at_once_send_one_transaction(venue):
    deals_of(venue, 2)
    _start, deadline = venue.propose()
    venue.pass_to(deadline + 1)
    reports = []

    def run():
        try:
            reports.append(drive(venue))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Attempt.objects.count() == 1
    venue.mine()
    assert sum(report.sent for report in reports) >= 1
    assert nonce(venue) == 1
    assert states() == ["sent", "sent"]


def test_a_reorg_sends_the_same_bytes_again(venue):
    deals_of(venue, 1)
    _start, deadline = venue.propose()
    venue.pass_to(deadline + 1)
    drive(venue)
    venue.mine()
    drive(venue)
    assert states() == ["mined"]
    venue.anvil.reorg(1)
    venue.mine()
    assert Deal.objects.get().outcome == DealOutcome.OPEN
    drive(venue)
    venue.mine(FINAL_DEPTH + 1)
    drive(venue)
    assert (Deal.objects.get().outcome, states()) == (DealOutcome.SLASHED, ["done"])
    assert Attempt.objects.count() == 1


def test_a_stuck_transaction_is_replaced_on_a_real_pool(venue):
    deals_of(venue, 1)
    _start, deadline = venue.propose()
    venue.pass_to(deadline + 1)
    drive(venue)
    Attempt.objects.update(broadcast_at="2020-01-01T00:00:00Z")
    assert drive(venue).sent == 1
    assert list(Attempt.objects.values_list("send_result", flat=True)) == ["accepted", "accepted"]
    venue.mine()
    drive(venue)
    first, second = Attempt.objects.order_by("pk")
    assert (first.succeeded, second.succeeded) == (None, True)
    assert nonce(venue) == 1


def test_what_the_node_says_is_understood(venue):
    node = RpcNode(venue.chain)
    drive(venue)  # the signer's row
    deals_of(venue, 1)
    _start, deadline = venue.propose()
    venue.pass_to(deadline + 1)
    drive(venue)
    raw = bytes(Attempt.objects.get().raw)
    assert node.send(raw)[0] == "known"
    venue.mine()
    assert node.send(raw)[0] in {"nonce_low", "known"}
    pulse = node.pulse(KEEPER.address, safe_number=venue.chain.safe_number)
    assert (pulse.number, pulse.nonce_latest, pulse.nonce_pending) == (venue.anvil.block_number(), 1, 1)
