"""The keeper of the tests: one step of it against a node double, and what its tables say."""

from escrow.keeper.driver import Report, drive_once
from escrow.keeper.models import Intent, Signer
from escrow.keeper.signer import from_key
from otc.core.models import Chain
from otc.stack import anvil
from tests.support.keeper_node import FakeNode

KEEPER = from_key(anvil.key("taker"))


def drive(node: FakeNode, **values: object) -> Report:
    """One step on the only chain."""
    return drive_once(chain_id=Chain.objects.get().pk, node=node, **{"signer": KEEPER, **values})


def signer() -> Signer:
    return Signer.objects.get(address=KEEPER.address)


def states() -> list[str]:
    return sorted(Intent.objects.values_list("state", flat=True))


def mine(node: FakeNode, chain: Chain, blocks: int = 1) -> None:
    """Blocks, and the reader behind them."""
    for _ in range(blocks):
        node.mine()
    node.fold(chain)
