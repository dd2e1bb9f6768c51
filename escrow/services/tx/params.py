"""The parameters of each action, parsed: addresses and hashes lower-case hex, amounts base units, times unix seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from escrow.contracts import bindings
from otc.core.fields import ZERO_ADDRESS, ZERO_HASH

BATCH_MAX = 50  # items of one transaction

Item = TypeVar("Item")


def _made(kind: type[Item], given: Item | Mapping[str, Any]) -> Item:
    return kind(**given) if isinstance(given, Mapping) else given


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAmount:
    """approve, deposit."""

    token: str
    amount: int
    chain_id: int | None = None
    escrow: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """`to` None: the account itself."""

    token: str
    amount: int
    to: str | None = None
    chain_id: int | None = None
    escrow: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfMarket:
    """create_market, veto, propose_cancel, withdraw_cancel, confirm_cancel."""

    market_id: str
    chain_id: int | None = None
    escrow: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Propose:
    """`token`: the zero address in an attested market. In the rights escrow: pieces of an ERC-1155 with `semi_fungible`, else of an
    ERC-721, and which ids count: `ids_root`, or the list itself; neither: any id.
    """

    market_id: str
    ratio_num: int
    ratio_den: int
    start: int
    window: int
    token: str = ZERO_ADDRESS
    tge_bps: int = 10_000
    tranches: int = 1
    period: int = 0
    semi_fungible: bool = False
    ids_root: str | None = None
    allowed_ids: Sequence[int] = ()
    chain_id: int | None = None
    escrow: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend:
    """`extra` seconds."""

    market_id: str
    extra: int
    chain_id: int | None = None
    escrow: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    offer_hash: str
    units: int
    ref: str = ZERO_HASH


@dataclass(frozen=True, slots=True, kw_only=True)
class FillBatch:
    """`fills` may be given as mappings."""

    fills: Sequence[Fill]

    def __post_init__(self) -> None:
        object.__setattr__(self, "fills", tuple(_made(Fill, one) for one in self.fills))


@dataclass(frozen=True, slots=True, kw_only=True)
class OfOffer:
    """cancel."""

    offer_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidateNonces:
    word: int
    mask: int
    chain_id: int | None = None
    escrow: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfChain:
    """bump_epoch."""

    chain_id: int | None = None
    escrow: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """`amount` None: all that is still due in the tranche."""

    deal_id: str
    tranche: int = 0
    amount: int | None = None
    to_escrow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverRights:
    """`amounts` of each id, of an ERC-1155 only. Where only listed ids count: `proofs` of each id, or the whole list as `allowed_ids`."""

    deal_id: str
    ids: Sequence[int]
    tranche: int = 0
    amounts: Sequence[int] = ()
    proofs: Sequence[Sequence[str]] = ()
    allowed_ids: Sequence[int] = ()
    to_escrow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveRights:
    """`right` None: all pieces of the token."""

    token: str
    right: int | None = None
    approved: bool = True
    chain_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawRight:
    """`to` None: the account itself."""

    token: str
    right: int
    amount: int = 1
    to: str | None = None
    chain_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverBatch:
    """`deliveries` may be given as mappings."""

    deliveries: Sequence[Deliver]

    def __post_init__(self) -> None:
        object.__setattr__(self, "deliveries", tuple(_made(Deliver, one) for one in self.deliveries))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slash:
    deal_id: str
    tranche: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OfDeal:
    """refund, finalize, appeal, rule_timeout."""

    deal_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchOffers:
    """`buy`, `sell`: hashes of offers. `units` None: the most that both have left."""

    buy: str
    sell: str
    units: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAutoDeliver:
    """`token` None: that of the market's settlement terms."""

    market_id: str
    amount: int
    token: str | None = None
    chain_id: int | None = None
    escrow: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferPosition:
    """The buyer's place goes to `to`."""

    deal_id: str
    to: str
    ref: str = ZERO_HASH


@dataclass(frozen=True, slots=True, kw_only=True)
class FillResale:
    """`resale` may be given as a mapping."""

    deal_id: str
    resale: bindings.Resale
    signature: bytes
    ref: str = ZERO_HASH

    def __post_init__(self) -> None:
        object.__setattr__(self, "resale", _made(bindings.Resale, self.resale))


@dataclass(frozen=True, slots=True, kw_only=True)
class MutualClose:
    """`close` may be given as a mapping. A party that sends it needs no signature of its own."""

    deal_id: str
    close: bindings.Close
    buyer_signature: bytes = b""
    seller_signature: bytes = b""

    def __post_init__(self) -> None:
        object.__setattr__(self, "close", _made(bindings.Close, self.close))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attest:
    """`attestation` may be given as a mapping. The attestor needs no signature of its own."""

    deal_id: str
    attestation: bindings.Attestation
    signature: bytes = b""

    def __post_init__(self) -> None:
        object.__setattr__(self, "attestation", _made(bindings.Attestation, self.attestation))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """`evidence`: hash of what proves it."""

    deal_id: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`to_seller`: base units of the pot; the buyer gets the rest."""

    deal_id: str
    to_seller: int
