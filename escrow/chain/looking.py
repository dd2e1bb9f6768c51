"""One look at a node: its head, what is final by the chain's policy, and its headers at the heights of our window."""

from collections.abc import Sequence
from dataclasses import dataclass

from escrow.chain.client import Call, Node
from escrow.chain.planner import Remote, TipWindow
from escrow.chain.readings import header_of, headers_at
from otc.core.models import Finality

Height = tuple[int, str | None]  # number, and hash where it is known


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
    calls = final_calls(policy)
    if tip is not None:
        calls.append(("eth_getBlockByNumber", [hex(tip.number), False]))
    answers = node.batch(calls)
    head = header_of(answers[0])
    final, final_hash = final_of(answers[: len(final_calls(policy))], policy)
    headers = {head.number: head}
    if tip is None:
        return Remote(head, final, headers, final_hash)
    if answers[-1] is not None:
        at_tip = header_of(answers[-1])
        headers[at_tip.number] = at_tip
        if at_tip.hash == tip.hash:
            return Remote(head, final, headers, final_hash)
    numbers = [header.number for header in window.headers if header.number <= head.number]
    headers |= {header.number: header for header in headers_at(node, numbers)}
    return Remote(head, final, headers, final_hash)


def final_calls(policy: Policy) -> list[Call]:
    """What to ask, to know what a node calls final: its head first."""
    calls: list[Call] = [("eth_getBlockByNumber", ["latest", False])]
    if policy.finality is not Finality.DEPTH:
        calls.append(("eth_getBlockByNumber", ["finalized", False]))
    return calls


def final_of(answers: Sequence[object], policy: Policy) -> Height:
    """What answers to `final_calls` say by the policy; a young chain has no tag yet. Negative: nothing. Errors: RpcError."""
    by_depth: Height = (header_of(answers[0]).number - policy.final_depth, None)
    if policy.finality is Finality.DEPTH:
        return by_depth
    by_tag: Height = (-1, None)
    if answers[1] is not None:
        block = header_of(answers[1])
        by_tag = (block.number, block.hash)
    if policy.finality is Finality.TAG:
        return by_tag
    return by_tag if by_tag[0] <= by_depth[0] else by_depth


def final_height(node: Node, policy: Policy) -> int:
    """What the node calls final by the policy; negative: nothing. Errors: RpcError."""
    return final_of(node.batch(final_calls(policy)), policy)[0]
