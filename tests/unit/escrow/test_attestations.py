"""The state machine of attested deals over its full product: every phase, every step, every second that matters."""

from itertools import product

import pytest

from escrow.domain.attestations import (
    ATTESTED,
    BY_BUYER,
    BY_SELLER,
    ENDINGS,
    NONE,
    OUTCOMES,
    PHASES,
    TRANSITIONS,
    Attestation,
    AttestedDeal,
    Step,
    dispute_of,
)
from escrow.domain.outcomes import DELIVERED, OPEN, SLASHED

OPENS, DEADLINE, UNTIL = 1_000, 2_000, 5_000
MOMENTS = [edge + late for edge in (OPENS, DEADLINE, UNTIL) for late in (-1, 0, 1)]
IN_WINDOW, IN_TIME = range(OPENS, DEADLINE + 1), range(UNTIL + 1)


def deal(phase: int, *, units: int = 10, appeals: int = 0) -> AttestedDeal:
    state = Attestation(phase=phase, until=UNTIL if phase else 0, units=units if phase else 0, appeals=appeals)
    return AttestedDeal(units=10, opens_at=OPENS, deadline=DEADLINE, state=state)


# Said a second time, as the protocol's page does: phase -> step -> when.
RULES = {
    NONE: {
        Step.ATTEST: lambda now: now in IN_WINDOW,
        Step.DISPUTE_BY_SELLER: lambda now: now in IN_WINDOW,
        Step.SLASH: lambda now: now > DEADLINE,
    },
    ATTESTED: {
        Step.DISPUTE_BY_BUYER: lambda now: now in IN_TIME,
        Step.FINALIZE: lambda now: now not in IN_TIME,
    },
    BY_BUYER: {
        Step.APPEAL: lambda now: now in IN_TIME,
        Step.RULE: lambda now: now in IN_TIME,
        Step.RULE_TIMEOUT: lambda now: now not in IN_TIME,
    },
}
RULES[BY_SELLER] = RULES[BY_BUYER]


@pytest.mark.parametrize(("phase", "step", "now"), list(product(PHASES, Step, MOMENTS)))
def test_a_step_is_allowed_in_its_phase_and_time_and_never_else(phase, step, now):
    rule = RULES[phase].get(step, lambda _now: step is Step.MUTUAL_CLOSE)
    assert deal(phase).allows(step, now=now) is rule(now)


@pytest.mark.parametrize("now", MOMENTS)
def test_a_seller_disputes_an_attestation_of_a_part_while_the_buyer_can(now):
    part = deal(ATTESTED, units=9)
    assert part.allows(Step.DISPUTE_BY_SELLER, now=now) is part.allows(Step.DISPUTE_BY_BUYER, now=now)
    assert not deal(ATTESTED).allows(Step.DISPUTE_BY_SELLER, now=now)


def test_no_fourth_appeal():
    assert [deal(BY_SELLER, appeals=n).allows(Step.APPEAL, now=UNTIL) for n in range(4)] == [True, True, True, False]


@pytest.mark.parametrize(("phase", "now"), list(product(PHASES, MOMENTS)))
def test_somebody_can_always_move_or_end_it_once_the_window_is_open(phase, now):
    found = deal(phase).steps(now=now) - {Step.MUTUAL_CLOSE}
    assert bool(found) is (phase != NONE or now >= OPENS)


@pytest.mark.parametrize(("phase", "now"), list(product(PHASES, MOMENTS)))
def test_an_end_that_anyone_may_bring_shuts_out_all_that_a_role_may_do(phase, now):
    found = deal(phase, units=9).steps(now=now) - {Step.MUTUAL_CLOSE}
    by_anyone = found & {Step.SLASH, Step.FINALIZE, Step.RULE_TIMEOUT}
    assert not by_anyone or found == by_anyone


def test_steps_lead_forward_or_end_the_deal():
    assert all(after >= before for (before, _), after in TRANSITIONS.items())
    assert not ENDINGS & set(TRANSITIONS)
    assert {step for _, step in [*TRANSITIONS, *ENDINGS]} == set(Step)
    assert all(OPEN in outcomes for outcomes in OUTCOMES.values())
    assert OUTCOMES[ATTESTED] >= {DELIVERED, SLASHED}
    assert [dispute_of(side) for side in (0, 1)] == [Step.DISPUTE_BY_BUYER, Step.DISPUTE_BY_SELLER]
