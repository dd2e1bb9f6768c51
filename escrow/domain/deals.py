"""A deal as the fold of its events. Standard library only."""

from dataclasses import dataclass, field

OPEN, DELIVERED, SLASHED, REFUNDED, MUTUAL, RULED, TIMED_OUT = range(7)


class FoldError(Exception):
    """Events contradict each other: the log can't be of the contract we know. The watcher halts the chain."""


@dataclass(slots=True)
class TrancheProgress:
    """`delivered`: base units of the settlement token, measured at the receiver; `outcome` 0 while unresolved."""

    delivered: int = 0
    outcome: int = OPEN


@dataclass(slots=True)
class DealProgress:
    """What has happened to a deal. Sums are base units of the payment token over its Settled events."""

    outcome: int = OPEN
    paid_to_buyer: int = 0
    paid_to_seller: int = 0
    fee_paid: int = 0
    tranches: dict[int, TrancheProgress] = field(default_factory=dict)

    def tranche(self, number: int) -> TrancheProgress:
        return self.tranches.setdefault(number, TrancheProgress())


def apply_delivered(deal: DealProgress, *, tranche: int, delivered: int) -> None:
    """Tokens arrived: `delivered` is the tranche's new running total. Errors: FoldError."""
    progress = deal.tranche(tranche)
    if deal.outcome != OPEN or progress.outcome != OPEN:
        raise FoldError(f"delivery into tranche {tranche}, which is resolved already")
    if delivered < progress.delivered:
        raise FoldError(f"running total of tranche {tranche} falls from {progress.delivered} to {delivered}")
    progress.delivered = delivered


def apply_settled(
    deal: DealProgress, *, tranche: int, outcome: int, closed: bool, to_buyer: int, to_seller: int, fee: int
) -> None:
    """Credits were paid: for a part-delivery (outcome 0) or at the end of a tranche. Errors: FoldError.

    A deal of several tranches that closes is SLASHED when any of its tranches was.
    """
    progress = deal.tranche(tranche)
    if deal.outcome != OPEN or progress.outcome != OPEN:
        raise FoldError(f"settlement of tranche {tranche}, which is resolved already")
    if closed and outcome == OPEN:
        raise FoldError("closed without an outcome")
    deal.paid_to_buyer += to_buyer
    deal.paid_to_seller += to_seller
    deal.fee_paid += fee
    progress.outcome = outcome
    if closed:
        slashed = any(other.outcome == SLASHED for other in deal.tranches.values())
        deal.outcome = SLASHED if slashed else outcome
