"""Nonces: taken over, used by a stranger, lost by the node, missing below others."""

import pytest
from django.db import IntegrityError, transaction

from escrow.keeper.models import Attempt, Signer
from escrow.keeper.policy import Policy
from escrow.keeper.services import signer_resume
from tests.support import rows
from tests.support.keeper_node import GWEI, FakeNode
from tests.support.keeper_steps import KEEPER, drive, mine, signer, states

pytestmark = pytest.mark.django_db


def test_a_strangers_transaction_halts(node, chain, deal):
    drive(node)
    node.nonce = 5
    drive(node)
    assert "somebody else signs with it" in signer().halted


def test_a_stranger_at_one_of_our_nonces_halts_once_it_is_safe(node, chain, deal):
    drive(node)
    node.pool.clear()
    node.nonce = 1
    drive(node)
    assert signer().halted == ""
    node.pulse = lambda address, safe_number: FakeNode.pulse(node, address, safe_number=safe_number).__class__(
        number=node.number, base_fee=GWEI, tip=GWEI, balance=10**18, nonce_latest=1, nonce_pending=1, nonce_safe=1
    )
    drive(node)
    assert "Nonce 0 was used" in signer().halted


def test_nobody_is_blamed_by_an_endpoint_that_has_not_seen_the_block_itself(node, chain, deal):
    """One endpoint counts our transaction; the receipts come from another, which lags however often it is asked."""
    drive(node)
    mine(node, chain, blocks=2)
    node.receipts = lambda tx_hashes: [None for _ in tx_hashes]
    node.counted = lambda _address, tx_hashes, *, safe_number: (0, node.receipts(tx_hashes))
    drive(node)
    assert signer().halted == ""
    assert states() == ["sent"]
    del node.receipts, node.counted
    drive(node)
    assert states() == ["mined"]


def test_after_a_stranger_it_goes_on_above_him_when_a_person_says_so(node, chain, deal):
    drive(node)
    node.pool.clear()
    node.nonce = 3
    drive(node)
    assert signer().halted
    signer_resume(signer_pk=signer().pk)
    drive(node)
    assert (signer().final_nonce, signer().next_nonce, signer().halted) == (3, 4, "")
    mine(node, chain, blocks=4)
    drive(node)
    assert states() == ["done"]


def test_a_node_that_lags_behind_finality_is_waited_for(node, chain, market, deal):
    drive(node)
    mine(node, chain, blocks=4)
    drive(node)
    rows.deal(market)
    node.nonce, node.number = 0, node.number - 1
    assert "lags" in drive(node).idle_because
    assert signer().halted == ""


def test_waiting_transactions_of_before_are_let_through_first(node, deal):
    node.pool["0x1"] = type("Tx", (), {"nonce": 0})()
    assert "wait to be mined" in drive(node).idle_because
    assert signer().next_nonce is None


def test_an_account_with_a_history_goes_on_from_its_count(node, deal):
    node.nonce = 41
    drive(node)
    assert Attempt.objects.get().nonce == 41


def test_a_nonce_that_nothing_stands_at_is_filled_so_that_those_above_it_are_mined(node, chain, market, deal):
    """A stranger's nonce 0, accepted by a person, and then taken back by a reorg."""
    drive(node, policy=Policy(max_in_flight=0))
    node.nonce = 1
    drive(node)
    signer_resume(signer_pk=signer().pk)
    drive(node)
    assert Attempt.objects.get().nonce == 1
    node.nonce = 0
    assert drive(node).sent == 1
    filler = Attempt.objects.get(nonce=0)
    assert (filler.to, bytes(filler.calldata), filler.intents.count()) == (KEEPER.address, b"", 0)
    mine(node, chain, blocks=4)
    drive(node)
    assert (states(), signer().final_nonce) == (["done"], 2)
    assert drive(node).sent == 0


def test_lost_bytes_below_others_go_out_again(node, chain, market):
    for _ in range(3):
        rows.deal(market)
    drive(node, policy=Policy(max_items=1))
    first = Attempt.objects.get(nonce=0)
    del node.pool[first.tx_hash]
    assert drive(node, policy=Policy(max_items=1)).sent == 1
    assert node.sends[-1] == first.tx_hash
    assert Attempt.objects.count() == 3
    mine(node, chain, blocks=4)
    drive(node)
    assert states() == ["done"] * 3


def test_one_key_has_one_count_of_transactions_for_all_escrows_of_a_chain(chain):
    signer = Signer.objects.create(chain_id=chain.chain_id, address=KEEPER.address)
    with pytest.raises(IntegrityError), transaction.atomic():
        Signer.objects.create(chain_id=chain.chain_id, address=KEEPER.address)
    assert Signer.objects.create(chain_id=chain.chain_id + 1, address=KEEPER.address).pk != signer.pk
