"""A market as the fold of its events. Standard library only."""

from dataclasses import dataclass

from escrow.domain.deals import FoldError
from escrow.domain.payouts import Terms

NONE, OPEN, PROPOSED, CANCEL_PROPOSED, CANCELLED = range(5)

# What may happen in which state, and where it leads. FINAL is PROPOSED whose objection period has passed.
TRANSITIONS: dict[tuple[int, str], int] = {
    (NONE, "created"): OPEN,
    (OPEN, "proposed"): PROPOSED,
    (PROPOSED, "vetoed"): OPEN,
    (PROPOSED, "extended"): PROPOSED,
    (OPEN, "cancel_proposed"): CANCEL_PROPOSED,
    (CANCEL_PROPOSED, "cancel_withdrawn"): OPEN,
    (CANCEL_PROPOSED, "cancelled"): CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Rights:
    """Which pieces count: of an ERC-1155 or an ERC-721, and the Merkle root of their ids; None: any id."""

    semi_fungible: bool
    ids_root: str | None


@dataclass(slots=True)
class Settlement:
    """Proposed terms. `final_at`: unix seconds from which no veto is possible. `event`: key of the proposing event."""

    token: str
    terms: Terms
    final_at: int
    event: int
    extended: bool = False
    rights: Rights | None = None


@dataclass(slots=True)
class MarketProgress:
    """`settlement` is set exactly in state PROPOSED."""

    status: int = NONE
    settlement: Settlement | None = None

    def move(self, what: str) -> None:
        """Errors: FoldError when the state doesn't allow it."""
        after = TRANSITIONS.get((self.status, what))
        if after is None:
            raise FoldError(f"a market in state {self.status} was {what}")
        self.status = after

    def settles_in(self, rights: Rights) -> None:
        """The terms just proposed are of rights. Errors: FoldError without such terms, and said twice."""
        if self.status != PROPOSED or self.settlement is None or self.settlement.rights is not None:
            raise FoldError(f"rights were named in state {self.status}")
        self.settlement.rights = rights
