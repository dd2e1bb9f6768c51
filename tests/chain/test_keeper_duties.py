"""Each of the keeper's duties on the real contract: sent when it is due, not a second earlier, with the money where it belongs."""

import pytest

from escrow.contracts import bindings
from escrow.keeper.driver import drive_once
from escrow.keeper.models import Attempt, Intent
from escrow.keeper.signer import from_key
from escrow.models import AutoDelivery, Deal, DealOutcome, DealPhase, DealTranche
from escrow.services import signing
from otc.stack import anvil as published
from points.models import Market
from points.services.markets import market_register
from tests.support.onchain import DAY, FINAL_DEPTH, USD, OnChain

pytestmark = pytest.mark.django_db
KEEPER = from_key(published.key("keeper"))
HRB = 10**18
HOUR = 3_600


@pytest.fixture
def venue(anvil):
    venue = OnChain(anvil)
    for role in ("seller", "buyer"):
        venue.fund(role, 10_000 * USD)
    return venue


def drive(venue):
    return drive_once(chain_id=venue.chain.pk, signer=KEEPER)


def settle(venue):
    """Lets the keeper send, and what it sent become final."""
    report = drive(venue)
    venue.mine(FINAL_DEPTH + 1)
    drive(venue)
    return report.sent


def deals_of(venue, count):
    offer = venue.post("seller", units=10 * count, payment=25 * USD * count, collateral=10 * USD * count, min_fill=10)
    return [venue.take("buyer", offer, 10) for _ in range(count)]


def states():
    return sorted(Intent.objects.values_list("action", "state"))


# ---------------------------------------------------------------- attested deals


@pytest.fixture
def attested(venue):
    """Two deals of an attested market, its delivery window open."""
    market = market_register(
        user=venue.resolver, program=venue.program, chain=venue.chain, pay_token_address=venue.token.address,
        rules_text="One unit is one HRB, delivered on another chain.", resolver=published.address("resolver"),
        guardian=published.address("guardian"), objection=DAY, min_window=DAY, max_window=7 * DAY,
        long_stop=venue.anvil.now() + 90 * DAY, settlement=1, attestor=published.address("attestor"),
        arbitrator=published.address("arbitrator"), challenge=DAY, arbitration_window=2 * DAY, bond_bps=1_000,
    )  # fmt: skip
    venue.act("resolver", "create_market", market_id=market.market_id)
    venue.market = Market.objects.get(pk=market.pk)
    made = deals_of(venue, 2)
    start = venue.anvil.now() + DAY + 600
    venue.act("resolver", "propose", market_id=market.market_id, ratio_num=1, ratio_den=1, start=start, window=2 * DAY)
    venue.pass_to(start)
    return made


def attest(venue, deal):
    said = signing.attestation_prepare(deal_id=deal.deal_id, evidence="0x" + "ee" * 32)
    venue.act("attestor", "attest", deal_id=deal.deal_id, attestation=said.struct)
    deal.refresh_from_db()
    return deal.phase_until


def test_what_is_attested_is_finalized_and_never_slashed(venue, attested):
    until = max(attest(venue, deal) for deal in attested)
    venue.pass_to(until)
    assert drive(venue).planned == 1  # the first attestation is a block older
    venue.pass_to(until + 3 * DAY)  # past the deadline of the window too
    drive(venue)
    venue.mine(FINAL_DEPTH + 1)
    settle(venue)
    assert states() == [("finalize", "done")] * 2
    for deal in attested:
        deal.refresh_from_db()
        assert (deal.outcome, deal.paid_to_seller + deal.fee_paid) == (DealOutcome.DELIVERED, 35 * USD)


def test_a_dispute_that_nobody_rules_on_ends_neutrally_and_an_appeal_puts_it_off(venue, attested):
    first, second = attested
    attest(venue, first)
    venue.act("buyer", "dispute", deal_id=first.deal_id, evidence="0x" + "dd" * 32)
    first.refresh_from_db()
    before = first.phase_until
    venue.pass_to(before - 60)
    venue.act("arbitrator", "appeal", deal_id=first.deal_id)
    venue.pass_to(before + 1)
    drive(venue)
    assert [action for action, _ in states()] == ["slash"]  # of the second deal, which was never attested
    venue.mine(FINAL_DEPTH + 1)
    first.refresh_from_db()
    assert first.phase == DealPhase.DISPUTED_BY_BUYER
    venue.pass_to(first.phase_until)
    assert drive(venue).planned == 0
    venue.pass_to(first.phase_until + 1)
    settle(venue)
    assert states() == [("slash", "done"), ("timeout", "done")]
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.outcome, first.paid_to_seller) == (DealOutcome.TIMED_OUT, 10 * USD)
    assert first.paid_to_buyer == 25 * USD + first.bond
    assert second.outcome == DealOutcome.SLASHED


# ---------------------------------------------------------------- standing approvals


def approve(venue, amount, *, wallet=None, allowance=None):
    """The seller lets keepers deliver `amount`; what he has and has approved is the same unless said."""
    venue.act("seller", "set_auto_deliver", market_id=venue.market.market_id, amount=amount)
    venue.mint("seller", venue.settlement_token, amount if wallet is None else wallet)
    venue.mine()
    venue.act("seller", "approve", token=venue.settlement_token, amount=amount if allowance is None else allowance)


def test_on_a_standing_approval_the_keeper_delivers_all_that_is_due(venue):
    deals = deals_of(venue, 3)
    start, _deadline = venue.propose()
    approve(venue, 30 * HRB)
    venue.pass_to(start)
    venue.mine()
    assert settle(venue) == 1
    assert states() == [("deliver", "done")] * 3
    assert {deal.outcome for deal in Deal.objects.all()} == {DealOutcome.DELIVERED}
    assert (venue.wallet("buyer"), venue.wallet("seller")) == (30 * HRB, 0)
    assert AutoDelivery.objects.get().amount == 0
    deals[0].refresh_from_db()
    assert deals[0].paid_to_seller + deals[0].fee_paid == 35 * USD


@pytest.mark.parametrize(
    ("approved", "wallet_has", "allowance"),
    [(15, 30, 30), (30, 15, 30), (30, 30, 15)],
    ids=["approval", "wallet", "allowance"],
)
def test_what_is_not_covered_waits_and_goes_in_part_in_the_last_hours(venue, approved, wallet_has, allowance):
    deals_of(venue, 2)
    start, deadline = venue.propose()
    approve(venue, approved * HRB, wallet=wallet_has * HRB, allowance=allowance * HRB)
    venue.pass_to(start)
    venue.mine()
    assert settle(venue) == 1
    assert states() == [("deliver", "done"), ("deliver", "planned")]
    asked = Intent.objects.get(state="planned").wait_until
    assert drive(venue).sent == 0
    assert Intent.objects.get(state="planned").wait_until == asked  # not asked again so soon
    venue.pass_to(deadline - 6 * HOUR)
    assert drive(venue).planned == 0
    venue.pass_to(deadline - 6 * HOUR + 1)
    assert settle(venue) == 1
    second = Deal.objects.get(outcome=DealOutcome.OPEN)
    assert DealTranche.objects.get(deal=second).delivered == 5 * HRB
    assert second.paid_to_seller + second.fee_paid == 35 * USD // 2
    venue.pass_to(deadline + 1)
    assert settle(venue) == 1
    second.refresh_from_db()
    assert (second.outcome, second.paid_to_buyer) == (DealOutcome.SLASHED, 35 * USD // 2)
    assert [state for action, state in states() if action == "slash"] == ["done"]
    assert Attempt.objects.filter(succeeded=False).count() == 0


def test_without_a_standing_approval_nothing_is_delivered_for_the_seller(venue):
    deals_of(venue, 1)
    start, _deadline = venue.propose()
    venue.mint("seller", venue.settlement_token, 10 * HRB)
    venue.mine()
    venue.act("seller", "approve", token=venue.settlement_token, amount=10 * HRB)
    venue.pass_to(start)
    assert drive(venue).planned == 0
    assert venue.wallet("seller") == 10 * HRB


def test_an_approval_taken_back_at_the_last_moment_is_respected(venue):
    deals_of(venue, 1)
    start, _deadline = venue.propose()
    approve(venue, 10 * HRB)
    venue.pass_to(start)
    venue.mine()
    venue.send(
        "seller", venue.escrow, bindings.encode_set_auto_deliver(venue.market.market_id, venue.settlement_token, 0)
    )
    venue.anvil.mine()  # not read yet: only the chain knows
    assert drive(venue).sent == 0
    assert states() == [("deliver", "planned")]
    assert "approval is of 0" in Intent.objects.get().detail
    assert venue.wallet("seller") == 10 * HRB
