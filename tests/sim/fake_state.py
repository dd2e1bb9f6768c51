"""What the fake escrow keeps: the contract's storage, as far as it can be told from logs."""

from dataclasses import dataclass, field

from escrow.contracts import bindings
from escrow.domain import payouts


@dataclass(frozen=True)
class OfferSeed:
    """A signed offer that anyone may fill; `min_fill == units`: all or none."""

    hash: str
    maker: str
    side: int
    market: str
    token: str
    units: int
    payment: int
    collateral: int
    min_fill: int
    salt: int


@dataclass
class FakeMarket:
    token: str
    attested: bool = False
    status: int = 0
    final: bool = False
    terms: payouts.Terms | None = None


@dataclass
class FakeDeal:
    struct: bindings.Deal
    locked: int
    outcome: int = 0
    delivered: dict[int, int] = field(default_factory=dict)
    resolved: dict[int, int] = field(default_factory=dict)
    matched: str | None = None
    hands: list[tuple[int, str, str, int | None]] = field(default_factory=list)  # side, from, to, price
    phase: int = 0
    until: int = 0
    attested: int = 0
    evidence: str | None = None
    by: str | None = None
    bond: int = 0
    appeals: int = 0


@dataclass
class State:
    """The contract's storage, as far as it can be told from logs."""

    balances: dict[tuple[str, str], int] = field(default_factory=dict)
    fees: dict[str, int] = field(default_factory=dict)
    liabilities: dict[str, int] = field(default_factory=dict)
    allowed: dict[str, bool] = field(default_factory=dict)
    markets: dict[str, FakeMarket] = field(default_factory=dict)
    deals: dict[str, FakeDeal] = field(default_factory=dict)
    filled: dict[str, int] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    epochs: dict[str, int] = field(default_factory=dict)
    nonces: dict[tuple[str, int], int] = field(default_factory=dict)
    approvals: dict[tuple[str, str, str], int] = field(default_factory=dict)  # seller, market, token
    fee_bps: int = 0
    paused_until: int = 0

    def credit(self, token: str, user: str, amount: int) -> None:
        self.balances[token, user] = self.balances.get((token, user), 0) + amount
        assert self.balances[token, user] >= 0

    def free(self, token: str, user: str) -> int:
        return self.balances.get((token, user), 0)
