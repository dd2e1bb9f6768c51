"""What anybody may send to settle a deal, and when: the keeper's duties. Pure; all times are unix seconds of the chain.

| duty | due in an open deal iff |
|---|---|
| SLASH | the window of the tranche has passed, the tranche is open, nothing is attested or disputed |
| REFUND | the market is cancelled or void |
| FINALIZE | attested, and the challenge period has passed |
| TIMEOUT | disputed, and the arbitration window has passed |
| DELIVER | the tranche can be delivered, and the seller has a standing approval, or nothing is due in it |
| REST | the tranche can be delivered, the seller has a standing approval, and the last hours of the window have come |

A delivery goes in whole, to the buyer's wallet. What the seller's approval, allowance and wallet don't cover waits for him; in the
last hours what there is goes in part, since each part saves its share of payment and collateral from being slashed, and into the
buyer's free balance, which no token can keep him from receiving. Each of the two has its effect once for a tranche, unless reverts
made it go in parts: so a token that takes a cut of every transfer can't keep the keeper delivering ever smaller rests.

Anybody may deliver on an approval, a single base unit too, and what is asked for above what is left is refused. So a buyer who would
rather have the collateral could make every delivery revert by a smaller one just before it. After a delivery has reverted alone, half goes, then
a quarter of what is left, and so on: to make that revert somebody has to deliver more than the rest of it, and the rest follows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from escrow.domain.actions import Phase, Schedule, market_phase
from escrow.domain.attestations import ATTESTED, BY_BUYER, BY_SELLER

LAST_HOURS = 6 * 3600  # seconds; a window has at least 24 hours
# After so many reverts a delivery still goes whole, alone then: another one in the same transaction may have been why.
WHOLE_REVERTS = 1


class Duty(StrEnum):
    """What is sent."""

    SLASH = "slash"
    REFUND = "refund"
    FINALIZE = "finalize"
    TIMEOUT = "timeout"
    DELIVER = "deliver"
    REST = "rest"


DELIVERIES = frozenset({Duty.DELIVER, Duty.REST})
# Which duty ends an attested deal in which phase, once the phase's time has passed.
OF_PHASE: dict[int, Duty] = {ATTESTED: Duty.FINALIZE, BY_BUYER: Duty.TIMEOUT, BY_SELLER: Duty.TIMEOUT}


@dataclass(frozen=True, slots=True)
class Due:
    """A duty of every open deal of a market that no attestation or dispute concerns. `tranche` is 0 for a refund."""

    duty: Duty
    tranche: int = 0


def duties_of_market(
    *, status: int, final_at: int | None, long_stop: int, schedule: Schedule | None, attested: bool, now: int
) -> Iterator[Due]:
    """What is due at `now`. `schedule` and `final_at` are of the proposed terms; `attested`: nothing is delivered on chain."""
    phase = market_phase(status=status, final_at=final_at, long_stop=long_stop, now=now)
    if phase in {Phase.CANCELLED, Phase.VOID}:
        yield Due(Duty.REFUND)
    if phase is not Phase.FINAL or schedule is None:
        return
    for tranche in schedule.slashable(now=now):
        yield Due(Duty.SLASH, tranche)
    for tranche in range(0 if attested else schedule.tranches):
        if schedule.deliverable(tranche, now=now):
            yield Due(Duty.DELIVER, tranche)
            if now > schedule.deadline(tranche) - LAST_HOURS:
                yield Due(Duty.REST, tranche)


def duty_of_phase(phase: int, *, until: int, now: int) -> Duty | None:
    """What is due in an open deal that was attested or disputed."""
    return OF_PHASE.get(phase) if now > until else None


def delivery_amount(duty: Duty, *, left: int, covered: int, reverts: int = 0) -> int | None:
    """Base units to deliver of `left` that are still due, when approval, allowance and wallet give `covered`; None: wait.
    `reverts`: of transactions with this delivery.
    """
    if covered < left and (duty is not Duty.REST or not covered):
        return None
    return -(-min(left, covered) >> max(0, reverts - WHOLE_REVERTS))  # rounded up
