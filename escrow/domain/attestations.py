"""Deliveries outside the escrow: the phases of an attested deal, and when each step is allowed. Standard library only.

Times are unix seconds of the chain. The boundaries are the contract's and complements of each other: an attestation is disputed
iff now ≤ until, finalized iff now > until; a dispute is ruled on iff now ≤ until, ended neutrally iff now > until; a deal without
attestation is attested iff opens_at ≤ now ≤ deadline, slashed iff now > deadline.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from escrow.domain.outcomes import DELIVERED, MUTUAL, OPEN, REFUNDED, RULED, SLASHED, TIMED_OUT

# Phase codes of the contract.
NONE, ATTESTED, BY_BUYER, BY_SELLER = range(4)
PHASES = range(4)
DISPUTED = frozenset({BY_BUYER, BY_SELLER})
BUYER, SELLER = 0, 1  # sides of a deal
MAX_APPEALS = 3


class Step(StrEnum):
    """What moves an attested deal."""

    ATTEST = "attest"
    DISPUTE_BY_BUYER = "dispute_by_buyer"
    DISPUTE_BY_SELLER = "dispute_by_seller"
    APPEAL = "appeal"
    FINALIZE = "finalize"
    RULE = "rule"
    RULE_TIMEOUT = "rule_timeout"
    SLASH = "slash"
    MUTUAL_CLOSE = "mutual_close"


# Which step leads from which phase to which. A seller disputes an attestation only when it is of a part: see `AttestedDeal`.
TRANSITIONS: dict[tuple[int, Step], int] = {
    (NONE, Step.ATTEST): ATTESTED,
    (NONE, Step.DISPUTE_BY_SELLER): BY_SELLER,
    (ATTESTED, Step.DISPUTE_BY_BUYER): BY_BUYER,
    (ATTESTED, Step.DISPUTE_BY_SELLER): BY_SELLER,
    (BY_BUYER, Step.APPEAL): BY_BUYER,
    (BY_SELLER, Step.APPEAL): BY_SELLER,
}
# Which steps end the deal in which phase.
ENDINGS: frozenset[tuple[int, Step]] = frozenset(
    {
        (NONE, Step.SLASH),
        (ATTESTED, Step.FINALIZE),
        *((phase, step) for phase in DISPUTED for step in (Step.RULE, Step.RULE_TIMEOUT)),
        *((phase, Step.MUTUAL_CLOSE) for phase in PHASES),
    }
)
# How a deal can stand in each phase. Deals that are not attested know all of NONE's.
OUTCOMES: dict[int, frozenset[int]] = {
    NONE: frozenset({OPEN, DELIVERED, SLASHED, REFUNDED, MUTUAL}),
    ATTESTED: frozenset({OPEN, DELIVERED, SLASHED, MUTUAL}),
    BY_BUYER: frozenset({OPEN, MUTUAL, RULED, TIMED_OUT}),
    BY_SELLER: frozenset({OPEN, MUTUAL, RULED, TIMED_OUT}),
}


def dispute_of(side: int) -> Step:
    """The step by which the party of `side` disputes."""
    return Step.DISPUTE_BY_BUYER if side == BUYER else Step.DISPUTE_BY_SELLER


@dataclass(frozen=True, slots=True)
class Attestation:
    """What is known of a deal's delivery. `until` is 0 in phase NONE; `by` disputed and locked `bond` base units."""

    phase: int = NONE
    until: int = 0
    units: int = 0
    evidence: str | None = None
    by: str | None = None
    dispute_evidence: str | None = None
    bond: int = 0
    appeals: int = 0


@dataclass(frozen=True, slots=True)
class AttestedDeal:
    """An open deal of an attested market whose terms are FINAL. `opens_at` to `deadline`, both included, is the delivery window."""

    units: int
    opens_at: int
    deadline: int
    state: Attestation = field(default_factory=Attestation)

    def allows(self, step: Step, *, now: int) -> bool:
        """Whether the contract takes the step at `now`, from whom it is due: attestor, party, arbitrator, or anyone."""
        phase = self.state.phase
        if (phase, step) not in TRANSITIONS and (phase, step) not in ENDINGS:
            return False
        if step is Step.MUTUAL_CLOSE:
            return True
        if phase == NONE:
            return now > self.deadline if step is Step.SLASH else self.opens_at <= now <= self.deadline
        late = now > self.state.until
        if step in {Step.FINALIZE, Step.RULE_TIMEOUT}:
            return late
        return not late and not self._spent(step)

    def _spent(self, step: Step) -> bool:
        """Nothing to say against an attestation of all; no appeal after the third."""
        if step is Step.DISPUTE_BY_SELLER:
            return self.state.units == self.units
        return step is Step.APPEAL and self.state.appeals == MAX_APPEALS

    def steps(self, *, now: int) -> frozenset[Step]:
        """All that the contract would take at `now`."""
        return frozenset(step for step in Step if self.allows(step, now=now))
