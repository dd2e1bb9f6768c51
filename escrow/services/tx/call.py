"""What a builder makes: an unsigned call, what the account needs for it, and what it means in plain words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from escrow.contracts import hashing
from escrow.contracts.bindings import Attestation, Close, Resale
from otc.core.fields import to_checksum
from otc.core.models import Chain


class NeedKind(StrEnum):
    """ALLOWANCE and BALANCE are of the wallet at the token, ESCROW_BALANCE is free money inside the escrow. Of a right: RIGHTS_APPROVAL
    for all of a token (1 or 0), RIGHT_OWNER of one id of an ERC-721 (1 or 0), RIGHT_BALANCE of an id of an ERC-1155, ESCROW_RIGHT what
    the escrow keeps.
    """

    ALLOWANCE = "allowance"
    BALANCE = "balance"
    ESCROW_BALANCE = "escrow_balance"
    RIGHTS_APPROVAL = "rights_approval"
    RIGHT_OWNER = "right_owner"
    RIGHT_BALANCE = "right_balance"
    ESCROW_RIGHT = "escrow_right"


@dataclass(frozen=True, slots=True)
class Need:
    """`amount` in base units of `token`, or in pieces of its id `right`."""

    kind: NeedKind
    token: str
    amount: int
    right: int | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A call without value. `to` is the escrow, except for an approval, which goes to the token."""

    chain: Chain
    to: str
    data: str
    explanation: tuple[str, ...]
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True)
class Signable:
    """Typed data for `signers` (address by role) to sign; `digest` is what is hashed. Nothing is stored here."""

    chain: Chain
    deal_id: str
    struct: Resale | Close | Attestation
    digest: str
    typed_data: Mapping[str, Any]
    signers: Mapping[str, str]
    explanation: tuple[str, ...]


def signable(
    chain: Chain,
    struct: Resale | Close | Attestation,
    *,
    deal_id: str,
    signers: Mapping[str, str],
    explanation: Iterable[str],
) -> Signable:
    """`struct` with its digest and typed data for the escrow of `chain`."""
    digest = hashing.signed_hash(struct, chain_id=chain.chain_id, contract=chain.escrow_address)
    data = hashing.typed_data(struct, chain_id=chain.chain_id, contract=to_checksum(chain.escrow_address))
    return Signable(chain, deal_id, struct, digest, data, signers, tuple(explanation))


def summed(needs: Iterable[Need]) -> tuple[Need, ...]:
    """One need per kind and token, without empty ones: a batch needs the sum."""
    totals: dict[tuple[NeedKind, str], int] = {}
    for need in needs:
        totals[need.kind, need.token] = totals.get((need.kind, need.token), 0) + need.amount
    return tuple(Need(kind, token, amount) for (kind, token), amount in totals.items() if amount)


def delivery_needs(token: str, amount: int) -> tuple[Need, ...]:
    """What pulling `amount` out of the wallet takes."""
    return Need(NeedKind.ALLOWANCE, token, amount), Need(NeedKind.BALANCE, token, amount)
