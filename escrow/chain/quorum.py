"""Finality by several endpoints: a block is final once so many of them call it final and name it by the same hash."""

from dataclasses import replace

from escrow.chain.client import Node, RpcError, within
from escrow.chain.health import Endpoints
from escrow.chain.looking import Policy, final_calls, final_height, final_of
from escrow.chain.planner import Remote, TipWindow
from escrow.chain.readings import header_of

VOICE_SECONDS = 1.0  # for each answer of another endpoint


def confirmed(remote: Remote, node: Node, endpoints: Endpoints, window: TipWindow, policy: Policy) -> Remote:
    """`remote`, whose final height is now the highest that `policy.final_quorum` endpoints agree on, `node` among them. Where they
    disagree, or too few answer, it is the one we had: facts above are merely seen. Errors: RpcError of `node`.
    """
    if policy.final_quorum == 1 or min(remote.final, remote.head.number) <= window.final:
        return remote
    undecided = replace(remote, final=window.final, final_hash=None)
    voices = [(remote.final, node)]
    for other in endpoints.ready():
        if other is not node:
            height = _asked(other, endpoints, policy)
            if height is not None:
                voices.append((height, other))
    voices.sort(key=lambda voice: -voice[0])
    if len(voices) < policy.final_quorum:
        return undecided
    height = min(voices[policy.final_quorum - 1][0], remote.head.number)
    if height <= window.final:
        return undecided
    ours = _final_hash(node, height, policy)
    if ours is None:
        return undecided
    agreeing = 1
    for final, other in voices:
        if other is not node and final >= height:
            agreeing += _says(other, height, ours, endpoints, policy)
    if agreeing < policy.final_quorum:
        return undecided
    return replace(remote, final=height, final_hash=ours)


def _asked(other: Node, endpoints: Endpoints, policy: Policy) -> int | None:
    try:
        with within(VOICE_SECONDS):
            return final_height(other, policy)
    except RpcError as error:
        endpoints.failed(other, error.fault, retry_after=error.retry_after)
        return None


def _says(other: Node, height: int, expected: str, endpoints: Endpoints, policy: Policy) -> bool:
    try:
        with within(VOICE_SECONDS):
            return _final_hash(other, height, policy) == expected
    except RpcError as error:
        endpoints.failed(other, error.fault, retry_after=error.retry_after)
        return False


def _final_hash(node: Node, height: int, policy: Policy) -> str | None:
    """The hash of the block that the node calls final at `height`; None when it doesn't. Asked at once: behind one address stand many
    machines, and what one calls final is not what another has there.
    """
    block, *said = node.batch([("eth_getBlockByNumber", [hex(height), False]), *final_calls(policy)])
    if block is None or final_of(said, policy)[0] < height:
        return None
    return header_of(block).hash
