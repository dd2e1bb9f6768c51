"""What a market is: its hashed terms, and the bounds that the contract holds them to (`createMarket`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from eth_abi.abi import encode
from eth_hash.auto import keccak

from points.domain.offers import ZERO_ADDRESS

DAY: Final = 86_400
# The contract's constants, in seconds.
MIN_PERIOD: Final = DAY
MAX_OBJECTION: Final = 30 * DAY
MAX_WINDOW: Final = 365 * DAY
MAX_LIFE: Final = 3650 * DAY
KINDS: Final = range(4)
UINT128_MAX: Final = 2**128 - 1
MAX_CHALLENGE: Final = 30 * DAY
MAX_ARBITRATION: Final = 90 * DAY
BPS: Final = 10_000
SETTLEMENT_ON_CHAIN: Final = 0
SETTLEMENT_ATTESTED: Final = 1

TERMS_TYPES: Final = (
    ["address"] * 5 + ["uint8"] * 2 + ["uint32"] * 5 + ["uint16", "uint40"] + ["uint128"] * 2 + ["bytes32"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketTerms:
    """The contract's struct, in its order. Addresses and the hash are lower-case hex, durations seconds."""

    resolver: str
    guardian: str
    attestor: str = ZERO_ADDRESS
    arbitrator: str = ZERO_ADDRESS
    pay_token: str
    kind: int
    settlement: int = SETTLEMENT_ON_CHAIN
    objection: int
    min_window: int
    max_window: int
    challenge: int = 0
    arbitration_window: int = 0
    bond_bps: int = 0
    long_stop: int
    max_ratio_num: int = 0
    max_ratio_den: int = 0
    rules_hash: str

    def as_abi(self) -> tuple[str | int | bytes, ...]:
        """The values in the order of the struct, `rulesHash` as bytes."""
        return (
            self.resolver,
            self.guardian,
            self.attestor,
            self.arbitrator,
            self.pay_token,
            self.kind,
            self.settlement,
            self.objection,
            self.min_window,
            self.max_window,
            self.challenge,
            self.arbitration_window,
            self.bond_bps,
            self.long_stop,
            self.max_ratio_num,
            self.max_ratio_den,
            bytes.fromhex(self.rules_hash[2:]),
        )


def market_terms_hash(terms: MarketTerms) -> str:
    """The market id: keccak256(abi.encode(MarketTerms)). ValueError's kin when a value does not fit its type."""
    return "0x" + keccak(encode(TERMS_TYPES, terms.as_abi())).hex()


def rules_text_hash(text: str) -> str:
    """keccak256 of the UTF-8 rules text."""
    return "0x" + keccak(text.encode()).hex()


def terms_errors(terms: MarketTerms, *, head_time: int) -> Iterator[tuple[str, str]]:
    """Each broken rule as (field, sentence), judged at chain time `head_time`. The same rules as the contract's."""
    if terms.resolver == ZERO_ADDRESS:
        yield "resolver", "The resolver proposes the settlement terms: name its wallet."
    if terms.guardian == ZERO_ADDRESS:
        yield "guardian", "The guardian may veto settlement terms: name its wallet."
    elif terms.guardian == terms.resolver:
        yield "guardian", "The guardian watches the resolver, so it must be another wallet."
    if terms.kind not in KINDS:
        yield "kind", "The kind is 0 (points), 1 (allocation), 2 (token) or 3 (right)."
    yield from _proof_errors(terms)
    yield from _duration_errors(terms, head_time)
    if (terms.max_ratio_num == 0) != (terms.max_ratio_den == 0):
        yield "max_ratio_den", "A ratio cap has both parts above zero; no cap has both zero."
    for field, value in (("max_ratio_num", terms.max_ratio_num), ("max_ratio_den", terms.max_ratio_den)):
        if not 0 <= value <= UINT128_MAX:
            yield field, "At most 2^128 - 1."


def _duration_errors(terms: MarketTerms, head_time: int) -> Iterator[tuple[str, str]]:
    if not MIN_PERIOD <= terms.objection <= MAX_OBJECTION:
        yield "objection", "The objection period is 86,400 (24 hours) to 2,592,000 seconds (30 days)."
    if terms.min_window < MIN_PERIOD:
        yield "min_window", "The shortest delivery window is at least 86,400 seconds (24 hours)."
    if terms.max_window < terms.min_window:
        yield "max_window", "The longest delivery window can't be shorter than the shortest, min_window."
    elif terms.max_window > MAX_WINDOW:
        yield "max_window", "The longest delivery window is at most 31,536,000 seconds (365 days)."
    if terms.long_stop <= head_time:
        yield "long_stop", f"The long-stop must lie in the future: the chain's time is {head_time}."
    elif terms.long_stop > head_time + MAX_LIFE:
        yield "long_stop", f"The long-stop is at most 3,650 days ahead: {head_time + MAX_LIFE} at the latest."


def _proof_errors(terms: MarketTerms) -> Iterator[tuple[str, str]]:
    """Who proves and who judges a delivery outside the escrow: all of it, or nothing."""
    if terms.settlement == SETTLEMENT_ATTESTED:
        yield from _attested_errors(terms)
        return
    if terms.settlement != SETTLEMENT_ON_CHAIN:
        yield (
            "settlement",
            "Settlement is 0 (a token is delivered through the escrow) or 1 (a delivery outside is attested).",
        )
        return
    for field, value in (
        ("attestor", terms.attestor != ZERO_ADDRESS),
        ("arbitrator", terms.arbitrator != ZERO_ADDRESS),
        ("challenge", terms.challenge),
        ("arbitration_window", terms.arbitration_window),
        ("bond_bps", terms.bond_bps),
    ):
        if value:
            yield field, f"{field} belongs to attested settlement: leave it out (zero) when settlement is 0."


def _attested_errors(terms: MarketTerms) -> Iterator[tuple[str, str]]:
    if terms.attestor == ZERO_ADDRESS:
        yield "attestor", "The attestor confirms deliveries outside the escrow: name its wallet."
    if terms.arbitrator == ZERO_ADDRESS:
        yield "arbitrator", "The arbitrator rules on disputes: name its wallet."
    elif terms.arbitrator == terms.attestor:
        yield "arbitrator", "The arbitrator judges the attestor, so it must be another wallet."
    if not MIN_PERIOD <= terms.challenge <= MAX_CHALLENGE:
        yield "challenge", "The challenge period is 86,400 (24 hours) to 2,592,000 seconds (30 days)."
    if not MIN_PERIOD <= terms.arbitration_window <= MAX_ARBITRATION:
        yield "arbitration_window", "The arbitration window is 86,400 (24 hours) to 7,776,000 seconds (90 days)."
    if terms.bond_bps > BPS:
        yield "bond_bps", "The bond of a disputer is at most 10,000, the whole payment."
