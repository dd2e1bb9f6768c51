"""What one step of a driver works with, and the two ways in which it ends early."""

from dataclasses import dataclass, field

from django.db.models import Q

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
    # What an item of each action took in the last batch of this step.
    gas_per_item: dict[str, int] = field(default_factory=dict)

    @property
    def ready(self) -> Q:
        """Which intents need not wait any longer, by the chain's time."""
        return ready_at(self.chain.head_time)


def ready_at(chain_time: int | None) -> Q:
    """Which intents may be tried at this time of the chain."""
    return Q(wait_until=None) | Q(wait_until__lte=chain_time or 0)


class HaltError(Exception):
    """Something happened that the keeper must not explain away: the signer stops until a person has looked."""


class PausedError(Exception):
    """Nothing can be sent now: the reason is shown, the next step tries again."""
