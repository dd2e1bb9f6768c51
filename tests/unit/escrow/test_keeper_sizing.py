"""How many items go into a transaction: within every limit, near to the first that binds, and with few questions to the node."""

from hypothesis import given
from hypothesis import strategies as st

from escrow.domain.duties import Duty
from escrow.keeper.policy import DEFAULT, Policy
from escrow.keeper.sizing import FIRST_GUESS, first_count, half, next_count

BASE = 21_000
policies = st.builds(
    Policy,
    max_items=st.integers(1, 1_000),
    gas_cap=st.integers(600_000, 30_000_000),
    item_gas_cap=st.just(500_000),
    max_bytes=st.integers(2_000, 128_000),
)


def settled(items, *, policy, guess, size):
    """Walks as the keeper does over items of that much gas; (items taken, questions asked). 0 items: the first may not go."""
    most = len(items)
    count = first_count(gas_per_item=guess, bytes_per_item=size, available=most, policy=policy)
    for asked in range(1, 100):
        gas = BASE + sum(items[:count])
        wanted = next_count(count, gas=gas, size=68 + size * count, most=most, policy=policy)
        if wanted is None or wanted == 0:
            return (count if wanted is None else 0), asked
        if wanted < count:
            most = count - 1
        count = wanted
    raise AssertionError("it never settles")


@given(
    items=st.lists(st.integers(10_000, 400_000), min_size=1, max_size=500),
    policy=policies,
    guess=st.integers(1_000, 500_000),
    size=st.integers(100, 1_000),
)
def test_whatever_the_items_cost_a_batch_is_found_and_keeps_within_every_limit(items, policy, guess, size):
    count, _asked = settled(items, policy=policy, guess=guess, size=size)
    assert 1 <= count <= min(len(items), policy.max_items)
    assert BASE + sum(items[:count]) <= policy.gas_cap
    assert 68 + size * count <= policy.max_bytes


@given(
    each=st.integers(15_000, 100_000),
    policy=policies,
    guess=st.integers(15_000, 100_000),
    size=st.integers(100, 1_000),
    available=st.integers(1, 500),
)
def test_items_of_one_cost_fill_a_transaction_in_four_questions_at_most(each, policy, guess, size, available):
    count, asked = settled([each] * available, policy=policy, guess=guess, size=size)
    fit = min((policy.gas_cap - BASE) // each, (policy.max_bytes - 68) // size, policy.max_items, available)
    assert count * 5 >= fit * 4 - 5, (count, fit)
    assert asked <= 4


def test_ten_thousand_slashes_as_the_contract_takes_them_ask_once_a_batch():
    left, questions, batches = 10_000, 0, 0
    while left:
        count, asked = settled([17_500] * left, policy=DEFAULT, guess=FIRST_GUESS[Duty.SLASH], size=416)
        left, questions, batches = left - count, questions + asked, batches + 1
    assert (batches, questions) == (35, 35)


@given(items=st.lists(st.integers(10_000, 60_000), max_size=200), at=st.integers(0, 200), policy=policies)
def test_an_item_that_burns_more_gas_than_a_transaction_may_is_left_out(items, at, policy):
    at = min(at, len(items))
    count, _asked = settled([*items[:at], policy.gas_cap + 1, *items[at:]], policy=policy, guess=30_000, size=500)
    assert count <= at
    assert (count == 0) == (at == 0)


def test_one_item_can_not_be_halved():
    assert half(1) == 0
