"""How deep facts lie: judged by the chain's row, never stored with the fact."""

from escrow.chain.models import Depth
from otc.core.models import Chain


def depth_of(block_number: int, chain: Chain) -> Depth:
    """Depth of a fact of that block."""
    if chain.final_number is not None and block_number <= chain.final_number:
        return Depth.FINAL
    if chain.safe_number is not None and block_number <= chain.safe_number:
        return Depth.SAFE
    return Depth.SEEN
