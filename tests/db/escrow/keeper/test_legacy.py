"""Chains whose blocks have no base fee: one price of gas, transactions of type 0, replaced in the same way."""

from datetime import timedelta

import pytest
import rlp

from escrow.keeper.models import Attempt, SendResult, Signer
from otc.core import clock
from tests.support.keeper_node import GWEI, FakeNode
from tests.support.keeper_steps import drive, mine, signer, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def node():
    return FakeNode(base_fee=None, tip=5 * GWEI)


def fields(attempt):
    """nonce, price, gas, to, value, data, v, r, s."""
    return [int.from_bytes(word) if index != 5 else word for index, word in enumerate(rlp.decode(bytes(attempt.raw)))]


def test_a_transaction_of_type_0_goes_out_with_the_chains_number_in_it(node, chain, deal):
    assert drive(node).sent == 1
    attempt = Attempt.objects.get()
    nonce, price, gas, _to, value, data, v, _r, _s = fields(attempt)
    assert (nonce, price, gas, value) == (0, 5 * GWEI, attempt.gas, 0)
    assert (attempt.max_fee, attempt.priority_fee) == (5 * GWEI, 5 * GWEI)
    assert v in {chain.chain_id * 2 + 35, chain.chain_id * 2 + 36}
    assert data == bytes(attempt.calldata)
    mine(node, chain, blocks=4)
    drive(node)
    assert (states(), signer().final_nonce) == (["done"], 1)


def test_a_stuck_one_is_replaced_with_an_eighth_more(node, deal):
    drive(node)
    Attempt.objects.update(broadcast_at=clock.now() - timedelta(seconds=61))
    drive(node)
    first, second = Attempt.objects.order_by("pk")
    assert (second.nonce, fields(second)[1]) == (first.nonce, 5 * GWEI * 9 // 8)
    assert list(node.pool) == [second.tx_hash]


def test_one_that_would_revert_frees_its_nonce(node, chain, deal):
    node.answers = [(SendResult.REVERTED, "execution reverted")]
    drive(node)
    drive(node)
    mine(node, chain, blocks=4)
    drive(node)
    assert (states(), signer().final_nonce) == (["done"], 2)


def test_a_price_above_the_cap_waits(node, deal):
    Signer.objects.all().delete()
    node.tip = 501 * GWEI
    assert "cap" in drive(node).idle_because
    assert (states(), node.sends) == (["planned"], [])
