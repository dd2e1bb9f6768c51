"""What the state of a market means now, in words. Pure; `now` is the chain's time."""

from dataclasses import dataclass, replace
from enum import StrEnum

from escrow.domain.actions import Phase as ChainPhase
from escrow.domain.actions import Schedule, market_phase


class PhaseCode(StrEnum):
    UNBORN = "unborn"
    OPEN = "open"
    PROPOSED = "proposed"
    FINAL = "final"
    DELIVERING = "delivering"
    BETWEEN = "between"
    CLOSED = "closed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    VOID = "void"


@dataclass(frozen=True)
class Phase:
    """`until` is the chain time at which the phase ends, when it is known; `until_label` names what is counted down."""

    code: PhaseCode
    label: str
    tone: str
    sentence: str
    until: int | None = None
    until_label: str = ""
    since: int | None = None

    @property
    def tradable(self) -> bool:
        return self.code is PhaseCode.OPEN

    @property
    def at_zero(self) -> str:
        """Read out when a delivery window closes."""
        return "The delivery window has closed." if self.code is PhaseCode.DELIVERING else ""


REFUND = "Every open deal gives each side its own money back. Anyone may trigger it; there is no last day to claim."


# Phases that need nothing but their name; what each counts down to is filled in by `phase_of`.
PLAIN: dict[ChainPhase, Phase] = {
    ChainPhase.UNCREATED: Phase(
        PhaseCode.UNBORN,
        "Not yet on chain",
        "quiet",
        "The terms are written but the market's transaction has not been seen yet. Nothing can be traded.",
    ),
    ChainPhase.OPEN: Phase(
        PhaseCode.OPEN,
        "Open",
        "good",
        "Offers can be posted and taken. If final settlement terms never come, each side gets its own money back after the long-stop date.",
        until_label="Long-stop in",
    ),
    ChainPhase.PROPOSED: Phase(
        PhaseCode.PROPOSED,
        "Terms proposed",
        "info",
        "The project signed how this settles. The guardian can still veto it; then trading goes on. No new deals meanwhile.",
        until_label="Terms become final in",
    ),
    ChainPhase.CANCEL_PROPOSED: Phase(
        PhaseCode.CANCELLING,
        "Cancellation proposed",
        "warn",
        "The project proposes to cancel. If the guardian agrees, each side gets its own money back. No new deals meanwhile.",
        until_label="Refund at the latest in",
    ),
    ChainPhase.CANCELLED: Phase(
        PhaseCode.CANCELLED, "Cancelled", "bad", f"The project cancelled this market. {REFUND}"
    ),
    ChainPhase.VOID: Phase(
        PhaseCode.VOID, "Never launched", "bad", f"The long-stop date passed without final settlement terms. {REFUND}"
    ),
}


def phase_of(*, status: int, schedule: Schedule | None, final_at: int | None, long_stop: int, now: int) -> Phase:
    """The phase of a market with the contract's `status` at chain time `now`; `schedule` and `final_at` of its terms, if any."""
    code = market_phase(status=status, final_at=final_at, long_stop=long_stop, now=now)
    if code is ChainPhase.FINAL and schedule is not None:
        return _settling(schedule, now)
    ends = {ChainPhase.OPEN: long_stop, ChainPhase.CANCEL_PROPOSED: long_stop, ChainPhase.PROPOSED: final_at}
    return replace(PLAIN[code], until=ends.get(code))


def _settling(schedule: Schedule, now: int) -> Phase:
    for tranche in range(schedule.tranches):
        name = "" if schedule.tranches == 1 else f" of tranche {tranche + 1} of {schedule.tranches}"
        if now < schedule.opens_at(tranche):
            code = PhaseCode.FINAL if tranche == 0 else PhaseCode.BETWEEN
            return Phase(
                code,
                "Terms final" if tranche == 0 else "Between tranches",
                "info",
                f"The terms can no longer change. The next delivery window{name} is not open yet.",
                schedule.opens_at(tranche),
                "Delivery opens in",
            )
        if now <= schedule.deadline(tranche):
            return Phase(
                PhaseCode.DELIVERING,
                "Delivery window",
                "warn",
                f"Sellers deliver now{name}. What is missing when the window closes is slashed: that share of payment and collateral goes to the buyer.",
                schedule.deadline(tranche),
                "Delivery closes in",
                schedule.opens_at(tranche),
            )
    return Phase(
        PhaseCode.CLOSED,
        "Settled",
        "quiet",
        "Every delivery window is over. What was not delivered is slashed: payment and collateral go to the buyers.",
    )


@dataclass(frozen=True)
class DealState:
    """Where a delivery outside the escrow stands. `until`: the last second of it, with what ends then."""

    label: str
    tone: str
    sentence: str
    until: int | None = None
    until_label: str = ""


def deal_state(*, phase: int, until: int | None, now: int) -> DealState:
    """Of an open deal of an attested market, by the contract's phase (0 none, 1 attested, 2 and 3 disputed)."""
    if phase == 0 or until is None:
        return DealState(
            "Not attested",
            "quiet",
            "The attestor confirms the delivery within the delivery window; else the buyer gets everything.",
        )
    if phase == 1:
        if now > until:
            return DealState("Attested", "good", "Nobody disputed it in time: anyone may have it paid out now.")
        return DealState(
            "Attested", "good", "Paid out as attested, unless it is disputed.", until, "May be disputed until"
        )
    if now > until:
        return DealState(
            "Disputed", "bad", "Nobody ruled in time: anyone may end it now, and each side gets its own back."
        )
    return DealState("Disputed", "bad", "The arbitrator splits what is locked between the two.", until, "Ruling until")
