"""The keeper's limits, in one place. What differs between signers (floor, fee cap, budget) stands on the Signer row."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """`gas_cap` and `max_bytes` (of calldata) are of one transaction; the gas limit sent is the estimate times `gas_margin_bps` /
    10,000. `retry_seconds` of the chain's time pass until a delivery that could not be made is tried again.
    """

    max_items: int = 400
    gas_cap: int = 8_000_000
    item_gas_cap: int = (
        300_000  # a delivery calls a token, a stranger's code: what burns more than this is not paid for
    )
    max_bytes: int = 120_000  # nodes of the geth family take no transaction above 128 KiB
    gas_margin_bps: int = 12_500
    max_in_flight: int = 8  # well below what a node queues for one account
    stuck_after: timedelta = timedelta(seconds=60)
    max_reverts: int = 3
    max_delivery_reverts: int = 5  # the last three of ever smaller parts: escrow.domain.duties
    retry_seconds: int = 600


DEFAULT = Policy()
