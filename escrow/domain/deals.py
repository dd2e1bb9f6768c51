"""A deal as the fold of its events. Standard library only."""

from dataclasses import dataclass, field, replace

from escrow.domain.attestations import (
    ATTESTED,
    BUYER,
    MAX_APPEALS,
    NONE,
    OUTCOMES,
    SELLER,
    TRANSITIONS,
    Attestation,
    Step,
    dispute_of,
)
from escrow.domain.outcomes import OF_THE_WHOLE, OPEN, REFUNDED, SLASHED


class FoldError(Exception):
    """Events contradict each other: the log can't be of the contract we know. The watcher halts the chain."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What of a deal never changes. Amounts in base units of the payment token."""

    market: str
    pay_token: str
    units: int
    payment: int
    collateral: int
    fee_bps: int


@dataclass(frozen=True, slots=True)
class Places:
    """Who stands in a deal, and since when: what changes with its hands, and its commitment with it."""

    buyer: str
    seller: str
    buyer_ref: str
    seller_ref: str
    opened_at: int

    def holder(self, side: int) -> str:
        return self.buyer if side == BUYER else self.seller

    def moved(self, side: int, *, to: str, ref: str, opened_at: int) -> "Places":
        """With another holder of the place `side`."""
        if side == BUYER:
            return replace(self, buyer=to, buyer_ref=ref, opened_at=opened_at)
        return replace(self, seller=to, seller_ref=ref, opened_at=opened_at)


@dataclass(slots=True)
class TrancheProgress:
    """`delivered`: base units of the settlement token, measured at the receiver; `outcome` 0 while unresolved."""

    delivered: int = 0
    outcome: int = OPEN


@dataclass(slots=True)
class DealProgress:
    """What has happened to a deal. Sums are base units of the payment token over its Settled events. `matched`: hash of the
    buyer's offer, when two offers were matched.
    """

    fixed: Fixed
    places: Places
    outcome: int = OPEN
    paid_to_buyer: int = 0
    paid_to_seller: int = 0
    fee_paid: int = 0
    tranches: dict[int, TrancheProgress] = field(default_factory=dict)
    attestation: Attestation = field(default_factory=Attestation)
    matched: str | None = None

    def tranche(self, number: int) -> TrancheProgress:
        """What is known of the tranche; of one that nothing happened to, a new one that is not kept."""
        return self.tranches.get(number) or TrancheProgress()

    @property
    def locked(self) -> int:
        """What the deal still holds: payment, collateral and bond, less all that was paid out."""
        put_in = self.fixed.payment + self.fixed.collateral + self.attestation.bond
        return put_in - self.paid_to_buyer - self.paid_to_seller - self.fee_paid


def _require_open(deal: DealProgress, what: str) -> None:
    if deal.outcome != OPEN:
        raise FoldError(f"{what} of a deal that ended with outcome {deal.outcome}")


# ---------------------------------------------------------------- opening, changing hands


def apply_matched(deal: DealProgress, *, buy_hash: str) -> None:
    """The deal was made between two offers; `buy_hash` is the buyer's. Errors: FoldError."""
    _require_open(deal, "a match")
    if deal.matched is not None:
        raise FoldError("a deal was matched twice")
    deal.matched = buy_hash


def apply_moved(
    deal: DealProgress, *, side: int, holder: str, to: str, fixed: Fixed, places: Places, sold: bool
) -> None:
    """The place `side` went from `holder` to `to`; `fixed` and `places` are of the new pre-image. Only a deal of an OPEN market
    changes hands, so nothing of it was settled or attested. Only a buyer can give his place away: a seller's is sold to one who
    brings the collateral. Errors: FoldError.
    """
    _require_open(deal, "a change of hands")
    if deal.tranches or deal.attestation.phase != NONE:
        raise FoldError("a change of hands of a deal that is being settled")
    if side not in {BUYER, SELLER}:
        raise FoldError(f"a change of hands of side {side}")
    if side == SELLER and not sold:
        raise FoldError("a seller's place was given away")
    before = deal.places
    if before.holder(side) != holder or to in {before.buyer, before.seller}:
        raise FoldError(f"the place of {before.holder(side)} went from {holder} to {to}")
    ref = places.buyer_ref if side == BUYER else places.seller_ref
    if fixed != deal.fixed or places != before.moved(side, to=to, ref=ref, opened_at=places.opened_at):
        raise FoldError("a change of hands changed more than one place")
    if places.opened_at <= before.opened_at:
        raise FoldError(f"a change of hands at {places.opened_at}, not after {before.opened_at}")
    deal.places = places


# ---------------------------------------------------------------- deliveries outside the escrow


def _step(deal: DealProgress, step: Step) -> int:
    """The phase that `step` leads to."""
    _require_open(deal, step.value)
    after = TRANSITIONS.get((deal.attestation.phase, step))
    if after is None:
        raise FoldError(f"{step.value} in phase {deal.attestation.phase}")
    if deal.tranches:
        raise FoldError(f"{step.value} of a deal with tranches")
    return after


def apply_attested(deal: DealProgress, *, units: int, evidence: str, until: int) -> None:
    """The attestor says that `units` were delivered; it can be disputed up to `until`. Errors: FoldError."""
    phase = _step(deal, Step.ATTEST)
    if not 0 < units <= deal.fixed.units:
        raise FoldError(f"{units} of {deal.fixed.units} units were attested")
    deal.attestation = Attestation(phase=phase, until=until, units=units, evidence=evidence)


def apply_disputed(deal: DealProgress, *, by: str, bond: int, evidence: str, until: int) -> None:
    """A party locked `bond`; the arbitrator may rule up to `until`. Errors: FoldError."""
    if by not in {deal.places.buyer, deal.places.seller}:
        raise FoldError(f"a dispute by {by}, who is no party")
    side = BUYER if by == deal.places.buyer else SELLER
    phase = _step(deal, dispute_of(side))
    before = deal.attestation
    if side == SELLER and before.phase == ATTESTED and before.units == deal.fixed.units:
        raise FoldError("the seller disputes an attestation of all")
    deal.attestation = replace(before, phase=phase, until=until, by=by, dispute_evidence=evidence, bond=bond)


def apply_appealed(deal: DealProgress, *, until: int) -> None:
    """The arbitrator has one window more, up to `until`. Errors: FoldError."""
    phase = _step(deal, Step.APPEAL)
    before = deal.attestation
    if before.appeals == MAX_APPEALS or until <= before.until:
        raise FoldError(f"appeal {before.appeals + 1} up to {until}, after {before.until}")
    deal.attestation = replace(before, phase=phase, until=until, appeals=before.appeals + 1)


# ---------------------------------------------------------------- settlement


def apply_delivered(deal: DealProgress, *, tranche: int, delivered: int) -> None:
    """Tokens arrived: `delivered` is the tranche's new running total. Errors: FoldError."""
    progress = deal.tranche(tranche)
    if deal.outcome != OPEN or progress.outcome != OPEN:
        raise FoldError(f"delivery into tranche {tranche}, which is resolved already")
    if deal.attestation.phase != NONE:
        raise FoldError("tokens delivered into an attested deal")
    if delivered < progress.delivered:
        raise FoldError(f"running total of tranche {tranche} falls from {progress.delivered} to {delivered}")
    progress.delivered = delivered
    deal.tranches[tranche] = progress


def apply_rights_delivered(deal: DealProgress, *, tranche: int, amount: int, delivered: int) -> None:
    """`amount` pieces of a right arrived; those above what was due don't count in `delivered`. Errors: FoldError."""
    before = deal.tranche(tranche).delivered
    if delivered > before + amount:
        raise FoldError(f"{amount} pieces bring tranche {tranche} from {before} to {delivered}")
    apply_delivered(deal, tranche=tranche, delivered=delivered)


def apply_settled(
    deal: DealProgress, *, tranche: int, outcome: int, closed: bool, to_buyer: int, to_seller: int, fee: int
) -> None:
    """Credits were paid: for a part-delivery (outcome 0), at the end of a tranche, or at the end of the whole deal, which leaves
    its tranches as they are. A deal that closes has paid out all that was locked in it. Errors: FoldError.

    A deal of several tranches that closes tranche by tranche is SLASHED when any of them was.
    """
    _require_open(deal, "a settlement")
    phase = deal.attestation.phase
    if outcome not in OUTCOMES[phase] or (outcome == OPEN and phase != NONE):
        raise FoldError(f"outcome {outcome} in phase {phase}")
    if closed and outcome == OPEN:
        raise FoldError("closed without an outcome")
    if outcome in OF_THE_WHOLE or phase == ATTESTED:
        _require_whole(deal, outcome, closed=closed)
    progress = deal.tranche(tranche)
    if outcome not in OF_THE_WHOLE and progress.outcome != OPEN:
        raise FoldError(f"settlement of tranche {tranche}, which is resolved already")
    left = deal.locked - to_buyer - to_seller - fee
    if left < 0 or (closed and left):
        raise FoldError(f"{left} would be left in the deal")
    deal.paid_to_buyer += to_buyer
    deal.paid_to_seller += to_seller
    deal.fee_paid += fee
    if outcome in OF_THE_WHOLE:
        deal.outcome = outcome
        return
    progress.outcome = outcome
    deal.tranches[tranche] = progress
    if closed:
        slashed = any(other.outcome == SLASHED for other in deal.tranches.values())
        deal.outcome = SLASHED if slashed else outcome


def _require_whole(deal: DealProgress, outcome: int, *, closed: bool) -> None:
    if not closed:
        raise FoldError(f"outcome {outcome} leaves the deal open")
    if outcome == REFUNDED and deal.tranches:
        raise FoldError("a refund of a deal with deliveries")
