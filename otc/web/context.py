from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from otc.core import clock
from otc.core.fields import to_checksum
from otc.core.models import Chain

# A chain whose newest block is older than this is shown as late. Blocks come every 0.25 s to 12 s.
LATE_SECONDS = 60


def chain_now(chain: Chain) -> int:
    """The time by which the chain's next block will be judged, as near as we know: never behind its newest block."""
    return max(chain.head_time or 0, clock.unix_now())


def venue(request: HttpRequest) -> dict[str, Any]:
    """What every page knows: the chains served, and whose wallet is signed in (lower-case hex, empty for nobody)."""
    chains = Chain.objects.filter(active=True)
    return {
        "chains": chains,
        "chains_for_wallet": lambda: [
            chain_for_wallet(chain) for chain in {one.chain_id: one for one in chains}.values()
        ],
        "wallet": SimpleLazyObject(lambda: wallet_of(request)),
    }


def wallet_of(request: HttpRequest) -> str:
    """The signed-in wallet's address, or the empty string."""
    user = getattr(request, "user", None)
    return getattr(user, "address", None) or ""


def chain_for_wallet(chain: Chain) -> dict[str, Any]:
    """What the page's script needs to point a wallet at a chain (EIP-3085)."""
    return {
        "chainId": hex(chain.chain_id),
        "chainName": chain.name,
        "rpcUrls": [chain.public_rpc_url] if chain.public_rpc_url else [],
        "blockExplorerUrls": [chain.explorer_url] if chain.explorer_url else [],
        "nativeCurrency": {"name": chain.currency, "symbol": chain.currency, "decimals": 18},
        "escrow": to_checksum(chain.escrow_address),
    }
