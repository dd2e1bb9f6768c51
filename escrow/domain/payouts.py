"""Amounts of a deal, exactly as the contract computes them (docs/protocol.md; OTCEscrow's Shares and Settlement).

All numbers are non-negative integers: units of the program, base units of a token, or 1/10,000 (`bps`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from escrow.domain.attestations import BUYER

BPS = 10_000


@dataclass(frozen=True, slots=True)
class Terms:
    """Settlement terms. Times are unix seconds, durations seconds; `window` includes an extension."""

    ratio_num: int
    ratio_den: int
    start: int
    window: int
    tge_bps: int
    tranches: int
    period: int


@dataclass(frozen=True, slots=True)
class Payout:
    """Credits of one settlement, base units of the payment token."""

    to_buyer: int
    to_seller: int
    fee: int


def due_for(units: int, terms: Terms) -> int:
    """ceil(units * ratio): base units of the settlement token due over all tranches."""
    return -(-units * terms.ratio_num // terms.ratio_den)


def cumulative(total: int, part: int, whole: int) -> int:
    """floor(total * part / whole), and exactly `total` when part == whole (whole may then be 0)."""
    return total if part == whole else total * part // whole


def share_of_tranche(total: int, terms: Terms, tranche: int) -> int:
    """Share of `total` in `tranche` (0-based): a difference of cumulative floors, so all shares sum to `total`."""
    if terms.tranches == 1:
        return total
    return _up_to(total, terms, tranche + 1) - _up_to(total, terms, tranche)


def _up_to(total: int, terms: Terms, count: int) -> int:
    """What the first `count` tranches have together."""
    if count == 0:
        return 0
    return cumulative(total, _parts_up_to(terms, count), BPS * (terms.tranches - 1))


def _parts_up_to(terms: Terms, count: int) -> int:
    """What the first `count` tranches have together, of BPS for each tranche but the first."""
    return terms.tge_bps * (terms.tranches - 1) + (BPS - terms.tge_bps) * (count - 1) if count else 0


def due_in_tranche(units: int, terms: Terms, tranche: int) -> int:
    """Base units of the settlement token due in one tranche."""
    return share_of_tranche(due_for(units, terms), terms, tranche)


def units_of_something_due(terms: Terms, tranche: int) -> int:
    """So many units or more, and something is due in the tranche, however it is rounded: a difference of floors is more than the exact
    share less one. 0 where the tranche is the only one.
    """
    if terms.tranches == 1:
        return 0
    part = _parts_up_to(terms, tranche + 1) - _parts_up_to(terms, tranche)
    return -(-BPS * (terms.tranches - 1) * terms.ratio_den // (part * terms.ratio_num))


def opens_at(terms: Terms, tranche: int) -> int:
    """First second in which `tranche` may be delivered."""
    return terms.start + tranche * terms.period


def deadline(terms: Terms, tranche: int) -> int:
    """Last second in which `tranche` may be delivered; one later it may be slashed."""
    return opens_at(terms, tranche) + terms.window


def delivery_payout(*, payment: int, collateral: int, fee_bps: int, before: int, after: int, whole: int) -> Payout:
    """For bringing a tranche from `before` to `after` of `whole` tokens. `payment`, `collateral`: the tranche's shares.

    Each amount is a difference of cumulative floors: deliveries in parts pay, in sum, what one delivery would.
    """
    paid, paid_before = cumulative(payment, after, whole), cumulative(payment, before, whole) if before else 0
    back, back_before = cumulative(collateral, after, whole), cumulative(collateral, before, whole) if before else 0
    fee = paid * fee_bps // BPS - paid_before * fee_bps // BPS
    return Payout(to_buyer=0, to_seller=paid - paid_before + back - back_before - fee, fee=fee)


def slash_payout(*, payment: int, collateral: int, delivered: int, whole: int) -> Payout:
    """For a tranche whose window closed with `delivered` of `whole` tokens: the rest of payment and collateral."""
    kept = cumulative(payment, delivered, whole) + cumulative(collateral, delivered, whole) if delivered else 0
    return Payout(to_buyer=payment + collateral - kept, to_seller=0, fee=0)


def refund_payout(*, payment: int, collateral: int) -> Payout:
    """Each side gets its own back."""
    return Payout(to_buyer=payment, to_seller=collateral, fee=0)


def open_shares(payment: int, collateral: int, *, delivered: int, whole: int) -> tuple[int, int]:
    """(payment, collateral) of an unresolved tranche that is still locked after `delivered` of `whole` tokens."""
    if not delivered:
        return payment, collateral
    return payment - cumulative(payment, delivered, whole), collateral - cumulative(collateral, delivered, whole)


def locked_now(*, units: int, payment: int, collateral: int, terms: Terms, done: Mapping[int, tuple[int, bool]]) -> int:
    """What a deal with tokens still holds, which a mutual close divides. `done`: for each tranche that something happened to,
    the tokens that came and whether it is resolved; without such a tranche it is payment + collateral.
    """
    rest = payment + collateral
    for tranche, (delivered, resolved) in done.items():
        shares = share_of_tranche(payment, terms, tranche), share_of_tranche(collateral, terms, tranche)
        if resolved:
            rest -= sum(shares)
        else:
            whole = due_in_tranche(units, terms, tranche)
            rest -= sum(shares) - sum(open_shares(*shares, delivered=delivered, whole=whole))
    return rest


# ---------------------------------------------------------------- attested deals, and places that are sold


def bond_for(payment: int, bond_bps: int) -> int:
    """What a disputer locks: floor(payment * bond_bps / 10,000)."""
    return payment * bond_bps // BPS


def finalize_payout(*, payment: int, collateral: int, fee_bps: int, attested: int, units: int) -> Payout:
    """For `attested` of `units`: the attested part is paid as a delivery (floors), the rest goes to the buyer as slashed."""
    paid, back = cumulative(payment, attested, units), cumulative(collateral, attested, units)
    fee = paid * fee_bps // BPS
    return Payout(to_buyer=payment + collateral - paid - back, to_seller=paid - fee + back, fee=fee)


def ruling_payout(*, payment: int, collateral: int, bond: int, to_seller: int) -> Payout:
    """The arbitrator gives `to_seller` of the pot, the buyer has the rest; no fee. Errors: ValueError above the pot."""
    pot = payment + collateral + bond
    if not 0 <= to_seller <= pot:
        raise ValueError(f"{to_seller} of a pot of {pot}")
    return Payout(to_buyer=pot - to_seller, to_seller=to_seller, fee=0)


def timeout_payout(*, payment: int, collateral: int, bond: int, disputed_by: int) -> Payout:
    """Nobody ruled: each side gets its own back, the disputer (side 0 or 1) his bond too."""
    if disputed_by == BUYER:
        return Payout(to_buyer=payment + bond, to_seller=collateral, fee=0)
    return Payout(to_buyer=payment, to_seller=collateral + bond, fee=0)


def resale_needs(*, side: int, collateral: int, price: int, lister_pays: bool) -> tuple[int, int]:
    """(lister, taker): the free balance that each must have for a resale. A new seller locks the collateral before the price
    moves, and the lister has his back by then.
    """
    anew = 0 if side == BUYER else collateral
    if lister_pays:
        return max(0, price - anew), anew
    return 0, anew + price
