"""What is due when: the table against the other rules of the same contract, over every boundary."""

from itertools import product

import pytest

from escrow.domain.actions import CANCELLED, OPEN, PROPOSED, Schedule, refundable
from escrow.domain.attestations import PHASES, Attestation, AttestedDeal, Step
from escrow.domain.duties import DELIVERIES, LAST_HOURS, Due, Duty, delivery_amount, duties_of_market, duty_of_phase

DAY = 86_400
START, LONG_STOP = 1_800_000_000, 1_810_000_000
SCHEDULE = Schedule(start=START, window=2 * DAY, tranches=3, period=3 * DAY)
STATUSES = range(5)


def boundaries():
    """Every second at which something changes, and its neighbours."""
    marks = {START, LONG_STOP}
    for tranche in range(SCHEDULE.tranches):
        deadline = SCHEDULE.deadline(tranche)
        marks |= {SCHEDULE.opens_at(tranche), deadline, deadline - LAST_HOURS}
    return sorted({mark + near for mark in marks for near in (-1, 0, 1)})


def duties(now, *, status=PROPOSED, final_at=START - DAY, schedule=SCHEDULE, attested=False):
    return set(
        duties_of_market(
            status=status, final_at=final_at, long_stop=LONG_STOP, schedule=schedule, attested=attested, now=now
        )
    )


@pytest.mark.parametrize(("now", "status"), list(product(boundaries(), STATUSES)))
def test_refunds_are_due_exactly_when_the_contract_refunds(now, status):
    schedule = SCHEDULE if status == PROPOSED else None
    due = Due(Duty.REFUND) in duties(now, status=status, schedule=schedule)
    assert due == refundable(status=status, long_stop=LONG_STOP, now=now)


@pytest.mark.parametrize("now", boundaries())
def test_each_tranche_is_delivered_or_slashed_and_never_both(now):
    found = duties(now)
    for tranche in range(SCHEDULE.tranches):
        deliver = Due(Duty.DELIVER, tranche) in found
        assert deliver == SCHEDULE.deliverable(tranche, now=now)
        assert (Due(Duty.SLASH, tranche) in found) == (now > SCHEDULE.deadline(tranche))
        last = SCHEDULE.deadline(tranche) - LAST_HOURS < now <= SCHEDULE.deadline(tranche)
        assert (Due(Duty.REST, tranche) in found) == last
        assert deliver or not last


@pytest.mark.parametrize("now", boundaries())
def test_nothing_is_due_before_the_terms_are_final_and_nothing_is_delivered_where_it_is_attested(now):
    assert duties(now, final_at=now + 1) == set()
    assert not {due for due in duties(now, attested=True) if due.duty in DELIVERIES}
    slashes = {due for due in duties(now) if due.duty is Duty.SLASH}
    assert slashes == {due for due in duties(now, attested=True) if due.duty is Duty.SLASH}


def test_markets_without_terms_owe_nothing_but_refunds():
    assert duties(START, status=OPEN, schedule=None, final_at=None) == set()
    assert duties(START, status=CANCELLED, schedule=None, final_at=None) == {Due(Duty.REFUND)}


@pytest.mark.parametrize(("phase", "near"), list(product(PHASES, (-1, 0, 1))))
def test_what_ends_an_attested_deal_is_what_its_rules_allow(phase, near):
    until = START + 5 * DAY
    now = until + near
    deal = AttestedDeal(100, START, START + DAY, Attestation(phase=phase, until=until if phase else 0, units=50))
    steps = {Step.FINALIZE: Duty.FINALIZE, Step.RULE_TIMEOUT: Duty.TIMEOUT}
    allowed = {duty for step, duty in steps.items() if deal.allows(step, now=now)}
    assert {duty_of_phase(phase, until=deal.state.until, now=now)} - {None} == allowed


@pytest.mark.parametrize(
    ("duty", "left", "covered", "amount"),
    [
        (Duty.DELIVER, 10, 10, 10),
        (Duty.DELIVER, 10, 11, 10),
        (Duty.DELIVER, 10, 9, None),
        (Duty.DELIVER, 0, 0, 0),  # a tranche in which nothing is due is settled with nothing
        (Duty.REST, 10, 9, 9),
        (Duty.REST, 10, 10, 10),
        (Duty.REST, 10, 0, None),
        (Duty.REST, 0, 0, 0),
    ],
)
def test_how_much_is_delivered(duty, left, covered, amount):
    assert delivery_amount(duty, left=left, covered=covered) == amount


@pytest.mark.parametrize(("reverts", "amount"), [(0, 9), (1, 9), (2, 5), (3, 3), (4, 2), (5, 1), (9, 1)])
def test_after_reverts_a_delivery_goes_in_parts_that_are_never_nothing(reverts, amount):
    assert delivery_amount(Duty.DELIVER, left=9, covered=12, reverts=reverts) == amount
    assert delivery_amount(Duty.REST, left=12, covered=9, reverts=reverts) == amount
    assert delivery_amount(Duty.DELIVER, left=9, covered=8, reverts=reverts) is None
    assert delivery_amount(Duty.DELIVER, left=0, covered=0, reverts=reverts) == 0
