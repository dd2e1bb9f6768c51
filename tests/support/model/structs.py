"""The structs of the interface, field for field, and the codes. Amounts are base units, times and durations seconds."""

from collections.abc import Hashable
from typing import NamedTuple, Protocol

ZERO = "0x" + "00" * 20
NO_WORD = "0x" + "00" * 32
MAX_WORD = 2**256 - 1
AMOUNT_LIMIT = 2**128  # units, payments, collaterals and halves of ratios stay below
BPS = 10_000
HOUR, DAY = 3_600, 86_400

# market status
NO_MARKET, OPEN, PROPOSED, CANCEL_PROPOSED, CANCELLED = range(5)
# deal outcome
PENDING, DELIVERED, SLASHED, REFUNDED, MUTUAL, RULED, TIMED_OUT = range(7)
# how a market settles
ONCHAIN, ATTESTED = 0, 1
# side of an offer, of a position
BUY, SELL = 0, 1
# phase of a deal of an ATTESTED market
NO_CLAIM, CLAIMED, DISPUTED_BY_BUYER, DISPUTED_BY_SELLER = range(4)

Key = Hashable  # of a market, an offer, a deal: opaque


class MarketTerms(NamedTuple):
    resolver: str
    guardian: str
    attestor: str
    arbitrator: str
    pay_token: str
    kind: int
    settlement: int
    objection: int
    min_window: int
    max_window: int
    challenge: int
    arbitration_window: int
    bond_bps: int
    long_stop: int
    max_ratio_num: int
    max_ratio_den: int
    rules_hash: str


class SettlementTerms(NamedTuple):
    token: str
    ratio_num: int
    ratio_den: int
    start: int
    window: int
    tge_bps: int
    tranches: int
    period: int


class Offer(NamedTuple):
    maker: str
    taker: str
    side: int
    market: Key
    pay_token: str
    units: int
    payment: int
    collateral: int
    min_fill: int
    max_fee_bps: int
    expiry: int
    epoch: int
    salt: int
    ref: str


class Deal(NamedTuple):
    id: Key
    market: Key
    buyer: str
    seller: str
    pay_token: str
    units: int
    payment: int
    collateral: int
    fee_bps: int
    buyer_ref: str
    seller_ref: str
    opened_at: int


class Resale(NamedTuple):
    deal: Key
    side: int
    price: int
    lister_pays: bool
    taker: str
    expiry: int
    epoch: int
    salt: int


class Close(NamedTuple):
    deal: Key
    to_buyer: int
    to_seller: int
    deadline: int


class Attestation(NamedTuple):
    deal: Key
    units: int
    evidence: str
    valid_until: int


class Signature(NamedTuple):
    """`signer`'s key signed the struct whose key is `content`."""

    signer: str
    content: Key


class Permit(NamedTuple):
    """ERC-2612: `signer` lets `spender` take `amount` of `token`."""

    signer: str
    token: str
    spender: str
    amount: int
    nonce: int
    deadline: int


class Fill(NamedTuple):
    offer: Offer
    signature: Signature | None
    units: int
    taker_ref: str


class Delivery(NamedTuple):
    deal: Deal
    to_escrow: bool
    tranche: int
    amount: int


class Rights(NamedTuple):
    """Which pieces of a settlement token count. `ids_root` NO_WORD: any; else the root over the names of the allowed ids."""

    ids_root: Key
    semi_fungible: bool


class RightsDelivery(NamedTuple):
    deal: Deal
    to_escrow: bool
    tranche: int
    ids: list[int]
    amounts: list[int]
    proofs: list[list[Key]]


class TrancheOf(NamedTuple):
    deal: Deal
    tranche: int


class Names(Protocol):
    """How structs are named. The rules never look into a name: two structs have one name only if they are equal."""

    def key(self, struct: tuple) -> Key:
        """Of MarketTerms, Offer, Deal, Resale, Close or Attestation."""

    def deal_id(self, offer: Key, filled_before: int) -> Key:
        """Of the fill that found `filled_before` units of the offer filled."""

    def leaf(self, right: int) -> Key:
        """Of an id among others."""

    def parent(self, one: Key, other: Key) -> Key:
        """Of two names, in whichever order."""


class PlainNames:
    """A struct is its own name: the rules need no hash."""

    def key(self, struct: tuple) -> Key:
        return (type(struct).__name__, *struct)

    def deal_id(self, offer: Key, filled_before: int) -> Key:
        return ("deal", offer, filled_before)

    def leaf(self, right: int) -> Key:
        return ("right", right)

    def parent(self, one: Key, other: Key) -> Key:
        return ("parent", frozenset({one, other}))
