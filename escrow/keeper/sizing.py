"""How many items go into one transaction. Pure.

A node's estimate costs a simulation of the whole call, so it is asked for as seldom as can be: a first guess from the gas of the
last batch, and then in proportion to what the estimate said.
"""

from escrow.domain.duties import Duty
from escrow.keeper.policy import Policy

# Gas of one item, until a batch has told: a little above what docs/protocol.md §14 measures.
FIRST_GUESS: dict[str, int] = {
    Duty.SLASH: 25_000,
    Duty.REFUND: 46_000,
    Duty.FINALIZE: 60_000,
    Duty.TIMEOUT: 60_000,
    Duty.DELIVER: 95_000,
    Duty.REST: 95_000,
}
WORTH_A_LOOK = 5, 4  # a batch that could be a quarter larger is estimated once more


def first_count(*, gas_per_item: int, bytes_per_item: int, available: int, policy: Policy) -> int:
    """Items of the first try; at least one."""
    fit = min(policy.gas_cap // gas_per_item, policy.max_bytes // bytes_per_item, policy.max_items, available)
    return max(1, fit)


def next_count(count: int, *, gas: int, size: int, most: int, policy: Policy) -> int | None:
    """Items of the next try, after `count` of them came to `gas` and `size` bytes; None: take these; 0: not even one may go.
    `most` is the largest that is still worth a try: all there are, or one less than what was too much.
    """
    fair = min(count * policy.gas_cap // gas, count * policy.max_bytes // size, policy.max_items, most)
    if gas > count * policy.item_gas_cap:
        return half(count)  # one of them burns it: closer to which
    if gas <= policy.gas_cap and size <= policy.max_bytes:
        num, den = WORTH_A_LOOK
        return fair if fair * den >= count * num else None
    return min(max(fair, 1), count - 1)


def half(count: int) -> int:
    """Items of the next try when it can't be said which is to blame; 0 after one."""
    return count // 2
