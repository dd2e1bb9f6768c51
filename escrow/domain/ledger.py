"""Which money each event moves: the double-entry view of the escrow. Standard library only.

Money stands in FREE (a user's balance), LOCKED (in a deal), FEES and EXTERNAL (outside the contract). Every account but EXTERNAL
holds credits - debits. EXTERNAL holds debits - credits: what came in and has not gone out, which is the
contract's `liabilities`. So no account is ever negative, and EXTERNAL = Σ FREE + Σ LOCKED + FEES, per token.
"""

from collections.abc import Iterable
from typing import NamedTuple

ZERO_ADDRESS = "0x" + "00" * 20

FREE, LOCKED, FEES, EXTERNAL = "free", "locked", "fees", "external"


class AccountKey(NamedTuple):
    """One account of a chain: `owner` for FREE (else the zero address), `deal` for LOCKED (else None)."""

    token: str
    kind: str
    owner: str = ZERO_ADDRESS
    deal: str | None = None


class Movement(NamedTuple):
    """`amount` > 0 base units leave `debit` and arrive in `credit`. `leg` numbers the movements of one event."""

    debit: AccountKey
    credit: AccountKey
    amount: int
    kind: str
    leg: int


class Parties(NamedTuple):
    """Whose deal it is, and in which token."""

    deal: str
    token: str
    buyer: str
    seller: str


def free(token: str, owner: str) -> AccountKey:
    return AccountKey(token, FREE, owner)


def locked(parties: Parties) -> AccountKey:
    return AccountKey(parties.token, LOCKED, ZERO_ADDRESS, parties.deal)


def _present(*movements: Movement) -> tuple[Movement, ...]:
    return tuple(movement for movement in movements if movement.amount)


def deposited(*, token: str, user: str, amount: int) -> tuple[Movement, ...]:
    return _present(Movement(AccountKey(token, EXTERNAL), free(token, user), amount, "deposit", 0))


def withdrawn(*, token: str, user: str, amount: int) -> tuple[Movement, ...]:
    return _present(Movement(free(token, user), AccountKey(token, EXTERNAL), amount, "withdraw", 0))


def filled(parties: Parties, *, payment: int, collateral: int) -> tuple[Movement, ...]:
    """The buyer locks the payment, the seller the collateral."""
    to = locked(parties)
    return _present(
        Movement(free(parties.token, parties.buyer), to, payment, "lock", 0),
        Movement(free(parties.token, parties.seller), to, collateral, "lock", 1),
    )


def resold(
    parties: Parties, *, lister: str, taker: str, side: int, price: int, lister_pays: bool, collateral: int
) -> tuple[Movement, ...]:
    """A place was sold for `price`, from taker to lister, or back with `lister_pays`. With the seller's place (side 1) the
    taker locks the collateral anew, and the lister gets his back. A place that was given away moves nothing.
    """
    here, there = free(parties.token, lister), free(parties.token, taker)
    anew = collateral if side == 1 else 0
    payer, payee = (here, there) if lister_pays else (there, here)
    return _present(
        Movement(there, locked(parties), anew, "lock", 0),
        Movement(locked(parties), here, anew, "release", 1),
        Movement(payer, payee, price, "price", 2),
    )


def disputed(parties: Parties, *, by: str, bond: int) -> tuple[Movement, ...]:
    """The disputer locks the bond in the deal; Settled pays it out with the rest."""
    return _present(Movement(free(parties.token, by), locked(parties), bond, "bond", 0))


def settled(parties: Parties, *, to_buyer: int, to_seller: int, fee: int) -> tuple[Movement, ...]:
    source = locked(parties)
    return _present(
        Movement(source, free(parties.token, parties.buyer), to_buyer, "release", 0),
        Movement(source, free(parties.token, parties.seller), to_seller, "release", 1),
        Movement(source, AccountKey(parties.token, FEES), fee, "fee", 2),
    )


def delivered_into_escrow(*, token: str, buyer: str, received: int) -> tuple[Movement, ...]:
    """Settlement tokens became the buyer's free balance in that token."""
    return _present(Movement(AccountKey(token, EXTERNAL), free(token, buyer), received, "delivery", 0))


def fees_collected(*, token: str, amount: int) -> tuple[Movement, ...]:
    return _present(Movement(AccountKey(token, FEES), AccountKey(token, EXTERNAL), amount, "collect", 0))


def deltas(movements: Iterable[Movement]) -> dict[AccountKey, int]:
    """By how much each account's balance changes (signs as the module says)."""
    changes: dict[AccountKey, int] = {}
    for movement in movements:
        debit, credit, amount = movement.debit, movement.credit, movement.amount
        changes[debit] = changes.get(debit, 0) + (amount if debit.kind == EXTERNAL else -amount)
        changes[credit] = changes.get(credit, 0) + (-amount if credit.kind == EXTERNAL else amount)
    return changes
