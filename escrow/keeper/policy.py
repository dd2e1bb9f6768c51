"""The keeper's limits, in one place. What differs between signers (floor, fee cap, budget) stands on the Signer row."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """`gas_cap` is of one transaction; the gas limit sent is the estimate times `gas_margin_bps` / 10,000."""

    max_items: int = 100
    gas_cap: int = 8_000_000
    gas_margin_bps: int = 12_500
    max_in_flight: int = 8  # well below what a node queues for one account
    stuck_after: timedelta = timedelta(seconds=60)
    max_reverts: int = 3


DEFAULT = Policy()
