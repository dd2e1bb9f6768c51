"""What one step of a driver works with, and the two ways in which it ends early."""

from dataclasses import dataclass

from escrow.keeper.node import Node, Pulse
from escrow.keeper.policy import Policy
from escrow.keeper.signer import TransactionSigner
from otc.core.models import Chain


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
