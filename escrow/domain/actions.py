"""Which actions the chain's time allows. Pure; all times are unix seconds of the chain.

The boundaries are the contract's and complements of each other: a tranche is delivered iff opens_at ≤ now ≤ deadline, slashed iff
now > deadline; a market is vetoed iff now < final_at; it is void iff it was never proposed for good and now > long_stop.
"""

from dataclasses import dataclass
from enum import StrEnum

# Market status codes of the contract.
NONE, OPEN, PROPOSED, CANCEL_PROPOSED, CANCELLED = range(5)


class Phase(StrEnum):
    """What a market's status means at a time."""

    UNCREATED = "uncreated"
    OPEN = "open"
    PROPOSED = "proposed"
    FINAL = "final"
    CANCEL_PROPOSED = "cancel_proposed"
    CANCELLED = "cancelled"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the tranches of proposed terms are due: `window` seconds each (extension included), `period` seconds apart."""

    start: int
    window: int
    tranches: int
    period: int

    def opens_at(self, tranche: int) -> int:
        """The first second in which the tranche can be delivered."""
        return self.start + tranche * self.period

    def deadline(self, tranche: int) -> int:
        """The last second in which the tranche can be delivered."""
        return self.opens_at(tranche) + self.window

    def deliverable(self, tranche: int, *, now: int) -> bool:
        """Whether the seller can deliver into `tranche`, the terms being FINAL."""
        return self.opens_at(tranche) <= now <= self.deadline(tranche)

    def slashable(self, *, now: int) -> range:
        """The tranches whose deadline has passed: always the first so many."""
        late = now - self.deadline(0)  # tranche i is past iff i * period < late
        if late <= 0:
            return range(0)
        if self.period == 0:
            return range(self.tranches)
        return range(min(self.tranches, -(-late // self.period)))


def market_phase(*, status: int, final_at: int | None, long_stop: int, now: int) -> Phase:
    """The phase at `now`. `final_at` is that of the proposed terms, None when there are none."""
    if status == NONE:
        return Phase.UNCREATED
    if status == CANCELLED:
        return Phase.CANCELLED
    if status == PROPOSED:
        return Phase.FINAL if final_at is not None and now >= final_at else Phase.PROPOSED
    if now > long_stop:
        return Phase.VOID
    return Phase.CANCEL_PROPOSED if status == CANCEL_PROPOSED else Phase.OPEN


def refundable(*, status: int, long_stop: int, now: int) -> bool:
    """Whether every open deal of the market can be refunded: cancelled, or void."""
    return market_phase(status=status, final_at=None, long_stop=long_stop, now=now) in {Phase.CANCELLED, Phase.VOID}


def tradable(*, status: int, long_stop: int, now: int) -> bool:
    """Whether offers can be filled, and places in open deals change hands: the market is OPEN and now ≤ long_stop."""
    return market_phase(status=status, final_at=None, long_stop=long_stop, now=now) is Phase.OPEN
