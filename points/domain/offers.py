"""Offers: what is signed, its EIP-712 digest, the state that follows from the facts, and what a fill costs.

Formulas are those of `OTCEscrow` (`Offers.sol`); all amounts are base units of the market's payment token, all times
unix seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final

from eth_hash.auto import keccak

ZERO_ADDRESS: Final = "0x" + "00" * 20
BUY: Final = 0
SELL: Final = 1
BPS: Final = 10_000
E18: Final = 10**18
AMOUNT_MAX: Final = 2**128 - 1  # the contract's bound on units, payment and collateral
MAX_FEE_BPS: Final = 200  # the contract's cap
DEFAULT_PARTS: Final = 100  # a default minimum fill cuts an offer into at most so many deals

DOMAIN_NAME: Final = "Forelock"
DOMAIN_VERSION: Final = "1"
DOMAIN_FIELDS: Final = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
# (name on the wire to the wallet, EIP-712 type), in the contract's order; the same order as OfferTerms.
OFFER_FIELDS: Final = (
    ("maker", "address"),
    ("taker", "address"),
    ("side", "uint8"),
    ("market", "bytes32"),
    ("payToken", "address"),
    ("units", "uint256"),
    ("payment", "uint256"),
    ("collateral", "uint256"),
    ("minFill", "uint256"),
    ("maxFeeBps", "uint256"),
    ("expiry", "uint256"),
    ("epoch", "uint256"),
    ("salt", "uint256"),
    ("ref", "bytes32"),
)


def _type_hash(name: str, members: tuple[tuple[str, str], ...]) -> bytes:
    return keccak(f"{name}({','.join(f'{kind} {member}' for member, kind in members)})".encode())


OFFER_TYPE_HASH: Final = _type_hash("Offer", OFFER_FIELDS)
DOMAIN_TYPE_HASH: Final = _type_hash("EIP712Domain", DOMAIN_FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferTerms:
    """All signed fields. Addresses and 32-byte values are lower-case hex, the rest ints below 2^256 (side: below 2^8)."""

    maker: str
    taker: str
    side: int
    market: str
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

    @property
    def all_or_none(self) -> bool:
        """Consumed by a bit of the nonce bitmap, in one fill."""
        return self.min_fill == self.units


@lru_cache(maxsize=64)
def domain_separator(chain_id: int, escrow_address: str) -> bytes:
    """EIP-712 hashStruct of the contract's domain."""
    return keccak(
        DOMAIN_TYPE_HASH
        + keccak(DOMAIN_NAME.encode())
        + keccak(DOMAIN_VERSION.encode())
        + chain_id.to_bytes(32, "big")
        + bytes.fromhex(escrow_address[2:]).rjust(32, b"\0")
    )


def offer_hash(terms: OfferTerms, *, chain_id: int, escrow_address: str) -> str:
    """The EIP-712 digest that the maker signs, lower-case hex.

    All members are static words, so the encoding is their concatenation; OverflowError when an int doesn't fit a word.
    """
    encoded = b"".join(
        (
            OFFER_TYPE_HASH,
            bytes.fromhex(terms.maker[2:]).rjust(32, b"\0"),
            bytes.fromhex(terms.taker[2:]).rjust(32, b"\0"),
            terms.side.to_bytes(32, "big"),
            bytes.fromhex(terms.market[2:]),
            bytes.fromhex(terms.pay_token[2:]).rjust(32, b"\0"),
            terms.units.to_bytes(32, "big"),
            terms.payment.to_bytes(32, "big"),
            terms.collateral.to_bytes(32, "big"),
            terms.min_fill.to_bytes(32, "big"),
            terms.max_fee_bps.to_bytes(32, "big"),
            terms.expiry.to_bytes(32, "big"),
            terms.epoch.to_bytes(32, "big"),
            terms.salt.to_bytes(32, "big"),
            bytes.fromhex(terms.ref[2:]),
        )
    )
    return "0x" + keccak(b"\x19\x01" + domain_separator(chain_id, escrow_address) + keccak(encoded)).hex()


def typed_data(terms: OfferTerms, *, chain_id: int, escrow_address: str) -> dict[str, Any]:
    """The request body of eth_signTypedData_v4. Big numbers are decimal strings, as every wallet reads them."""
    message: dict[str, Any] = {}
    for (name, kind), field in zip(OFFER_FIELDS, fields(OfferTerms), strict=True):
        value = getattr(terms, field.name)
        message[name] = str(value) if kind == "uint256" else value
    return {
        "types": {
            "EIP712Domain": [{"name": name, "type": kind} for name, kind in DOMAIN_FIELDS],
            "Offer": [{"name": name, "type": kind} for name, kind in OFFER_FIELDS],
        },
        "primaryType": "Offer",
        "domain": {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": chain_id,
            "verifyingContract": escrow_address,
        },
        "message": message,
    }


# ---------------------------------------------------------------- state


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFacts:
    """All that an offer's state follows from. `nonce_used` counts for all-or-none offers only, as in the contract."""

    all_filled: bool
    cancelled_on_chain: bool
    withdrawn: bool
    epoch_is_current: bool
    nonce_used: bool
    all_or_none: bool
    past_expiry: bool


def offer_state(facts: OfferFacts) -> str:
    """`filled`, `cancelled`, `expired` or `open` (values of OfferState).

    The first that applies, in this order: what happened to the offer itself outweighs the passing of time, and that outweighs what ends
    many offers of a maker at once. So the end of an epoch or of a salt changes no offer that had run out, however many there are.
    """
    if facts.all_filled:
        return "filled"
    if facts.cancelled_on_chain or facts.withdrawn:
        return "cancelled"
    if facts.past_expiry:
        return "expired"
    if not facts.epoch_is_current or (facts.all_or_none and facts.nonce_used):
        return "cancelled"
    return "open"


# ---------------------------------------------------------------- amounts


def cumulative(total: int, part: int, whole: int) -> int:
    """floor(total * part / whole): what the first `part` of `whole` units cost."""
    return total * part // whole


def fill_amounts(terms: OfferTerms, *, filled_before: int, units: int) -> tuple[int, int]:
    """(payment, collateral) of a fill: differences of cumulative floors, so that all fills sum to what was signed."""
    after = filled_before + units
    return (
        cumulative(terms.payment, after, terms.units) - cumulative(terms.payment, filled_before, terms.units),
        cumulative(terms.collateral, after, terms.units) - cumulative(terms.collateral, filled_before, terms.units),
    )


def fillable_units(terms: OfferTerms, *, filled: int, free: int) -> int:
    """The most units that one fill can take now, given the maker's `free` funds: 0 when not even the minimum is covered.

    A buyer needs the payment, a seller the collateral. The contract also refuses a fill that costs nothing.
    """
    left = terms.units - filled
    if left <= 0:
        return 0
    need = terms.payment if terms.side == BUY else terms.collateral
    before = cumulative(need, filled, terms.units)
    if cumulative(need, terms.units, terms.units) - before <= free:
        most = left
    else:
        # largest x with floor(need * (filled + x) / units) <= before + free; need > 0 here
        most = ((before + free + 1) * terms.units - 1) // need - filled
    if most < min(terms.min_fill, left):
        return 0
    return most if fill_amounts(terms, filled_before=filled, units=most)[0] > 0 else 0


def default_min_fill(*, units: int, payment: int) -> int:
    """A minimum that cuts the offer into at most DEFAULT_PARTS deals, each costing at least one base unit."""
    return min(units, max(-(-units // DEFAULT_PARTS), -(-units // payment)))


# ---------------------------------------------------------------- outcomes in money


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyOutcome:
    """One party's money: what it locks at the fill, and its gain (or loss, negative) against that moment by each end.

    On delivery the tokens change hands besides. What a party gets back to its free balance is `locks` plus the gain.
    """

    locks: int
    on_delivery: int
    on_default: int
    on_refund: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """A fill's ends. `break_even_e18`: money per unit, times 10^18, above which the seller gains by defaulting."""

    payment: int
    collateral: int
    fee: int
    buyer: PartyOutcome
    seller: PartyOutcome
    break_even_e18: int


def outcomes(terms: OfferTerms, *, units: int, fee_bps: int, filled_before: int = 0) -> Outcomes:
    """What a fill of `units` (> 0) ends in. The fee is floor(payment * fee_bps / 10,000), on delivery only.

    A seller who delivers gets payment + collateral - fee and gives tokens; one who defaults gets nothing and keeps
    them: so default pays when the tokens are worth more than payment + collateral - fee.
    """
    payment, collateral = fill_amounts(terms, filled_before=filled_before, units=units)
    fee = payment * fee_bps // BPS
    return Outcomes(
        payment=payment,
        collateral=collateral,
        fee=fee,
        buyer=PartyOutcome(locks=payment, on_delivery=-payment, on_default=collateral, on_refund=0),
        seller=PartyOutcome(locks=collateral, on_delivery=payment - fee, on_default=-collateral, on_refund=0),
        break_even_e18=(payment + collateral - fee) * E18 // units,
    )


def price_e18(*, payment: int, units: int) -> int:
    """floor(payment * 10^18 / units): the book's sort key."""
    return payment * E18 // units


def collateral_bps(*, collateral: int, payment: int) -> int:
    """floor(collateral * 10,000 / payment)."""
    return collateral * BPS // payment


# ---------------------------------------------------------------- shape


def shape_errors(terms: OfferTerms) -> Mapping[str, str]:
    """Rules that need nothing but the terms, as {field: sentence}: those of the contract, and what could never fill."""
    errors: dict[str, str] = {}
    if terms.side not in {BUY, SELL}:
        errors["side"] = "0 (buy) or 1 (sell)."
    for name in ("units", "payment", "collateral"):
        value = getattr(terms, name)
        if not (0 if name == "collateral" else 1) <= value <= AMOUNT_MAX:
            errors[name] = "A whole number from " + ("0" if name == "collateral" else "1") + " to 2^128 - 1."
    if not 1 <= terms.min_fill <= terms.units and "units" not in errors:
        errors["min_fill"] = "From 1 to units; equal to units means all or none."
    if not 0 <= terms.max_fee_bps <= BPS:
        errors["max_fee_bps"] = "0 to 10,000 hundredths of a percent."
    if terms.maker == terms.taker:
        errors["taker"] = "Nobody trades with himself: name another wallet, or the zero address for anyone."
    if terms.maker == ZERO_ADDRESS:
        errors["maker"] = "The zero address can't sign."
    return errors
