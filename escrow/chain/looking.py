"""One look at a node: its head, what is final by the chain's policy, and its headers at the heights of our window."""

from dataclasses import dataclass

from escrow.chain.client import Call, Node
from escrow.chain.planner import Remote, TipWindow
from escrow.chain.readings import header_of, headers_at
from otc.core.models import Finality


@dataclass(frozen=True, slots=True)
class Policy:
    """What differs between chains (columns of `Chain`). `escrow`: lower-case address; `start`: the first block to read."""

    start: int
    escrow: str
    safe_depth: int
    final_depth: int
    finality: Finality = Finality.DEPTH
    final_quorum: int = 1
    check_blooms: bool = False


def look(node: Node, window: TipWindow, policy: Policy) -> Remote:
    """What the planner needs to know of the node. Errors: RpcError."""
    tip = window.tip
    by_tag = policy.finality is not Finality.DEPTH
    calls: list[Call] = [("eth_getBlockByNumber", ["latest", False])]
    if tip is not None:
        calls.append(("eth_getBlockByNumber", [hex(tip.number), False]))
    if by_tag:
        calls.append(("eth_getBlockByNumber", ["finalized", False]))
    answers = node.batch(calls)
    head = header_of(answers[0])
    final, final_hash = head.number - policy.final_depth, None
    if by_tag:
        tagged = header_of(answers[-1]) if answers[-1] is not None else None  # a young chain has none yet
        height = -1 if tagged is None else tagged.number
        if policy.finality is Finality.TAG or height <= final:
            final, final_hash = height, None if tagged is None else tagged.hash
    headers = {head.number: head}
    if tip is None:
        return Remote(head, final, headers, final_hash)
    if answers[1] is not None:
        at_tip = header_of(answers[1])
        headers[at_tip.number] = at_tip
        if at_tip.hash == tip.hash:
            return Remote(head, final, headers, final_hash)
    numbers = [header.number for header in window.headers if header.number <= head.number]
    headers |= {header.number: header for header in headers_at(node, numbers)}
    return Remote(head, final, headers, final_hash)
