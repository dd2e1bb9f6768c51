"""What one step of a driver works with, and the two ways in which a signer stops."""

from dataclasses import dataclass

from escrow.keeper.models import Signer
from escrow.keeper.node import Node, Pulse
from escrow.keeper.policy import Policy
from escrow.keeper.signer import TransactionSigner
from otc.core.models import Chain

REASON_MAX = 300


@dataclass(frozen=True, slots=True)
class Step:
    """Held under the signer's advisory lock. `pulse` was read at its beginning, before any receipt."""

    chain: Chain
    signer_pk: int
    node: Node
    signer: TransactionSigner
    policy: Policy
    pulse: Pulse


class HaltError(Exception):
    """Something happened that the keeper must not explain away: the signer stops until a person has looked."""


class PausedError(Exception):
    """Nothing can be sent now: the reason is shown, the next step tries again."""


def signer_halt(*, signer_pk: int, reason: str) -> None:
    """Stops the signer for a person."""
    Signer.objects.filter(pk=signer_pk).update(halted=reason[:REASON_MAX])


def signer_notice(*, signer_pk: int, reason: str) -> None:
    """Says why nothing is sent now; empty: all is well."""
    Signer.objects.filter(pk=signer_pk).exclude(notice=reason[:REASON_MAX]).update(notice=reason[:REASON_MAX])


def signer_resume(*, signer_pk: int) -> None:
    """After a person has looked: the halt ends, and the next step takes the chain's count of transactions as it is."""
    Signer.objects.filter(pk=signer_pk).update(halted="", notice="", next_nonce=None)
