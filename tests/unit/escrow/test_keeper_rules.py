"""The keeper's pure parts: fees, the meaning of a node's words, the key file."""

import json

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from escrow.keeper.fees import Fees, bumped_fees, first_fees
from escrow.keeper.models import SendResult
from escrow.keeper.node import send_result
from escrow.keeper.signer import from_key, from_keystore
from otc.stack.anvil import ADDRESSES, KEYS

wei = st.integers(0, 10**13)


def test_first_fees_leave_room_for_the_base_fee_to_double():
    assert first_fees(base_fee=10, tip=3, cap=100) == Fees(23, 3)
    assert first_fees(base_fee=10, tip=3, cap=15) == Fees(15, 3)
    assert first_fees(base_fee=10, tip=3, cap=12) is None
    assert first_fees(base_fee=7, tip=0, cap=100) == Fees(15, 1)


@given(base=wei, tip=wei, later_base=wei, later_tip=wei, cap=st.integers(0, 10**14))
def test_a_replacement_raises_both_fees_by_an_eighth_and_covers_the_chain(base, tip, later_base, later_tip, cap):
    before = first_fees(base_fee=base, tip=tip, cap=10**14)
    after = bumped_fees(before, base_fee=later_base, tip=later_tip, cap=cap)
    if after is not None:
        assert after.max_fee * 8 >= before.max_fee * 9
        assert after.priority_fee * 8 >= before.priority_fee * 9
        assert later_base + max(later_tip, 1) <= after.max_fee <= cap
        assert after.priority_fee <= after.max_fee


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("already known", SendResult.KNOWN),
        ("transaction already imported", SendResult.KNOWN),
        ("AlreadyKnown", SendResult.KNOWN),
        ("nonce too low: next nonce 5, tx nonce 4", SendResult.NONCE_LOW),
        ("OldNonce", SendResult.NONCE_LOW),
        ("replacement transaction underpriced", SendResult.UNDERPRICED),
        ("transaction underpriced: tip needed 1, tip permitted 0", SendResult.UNDERPRICED),
        ("max fee per gas less than block base fee: address 0x, maxFeePerGas: 1", SendResult.UNDERPRICED),
        ("FeeTooLow, EffectivePriorityFeePerGas too low", SendResult.UNDERPRICED),
        ("insufficient funds for gas * price + value: balance 0", SendResult.FUNDS_LOW),
        ("Insufficient funds for gas * price + value", SendResult.FUNDS_LOW),
        ("execution reverted", SendResult.REVERTED),
        ("txpool is full", SendResult.TRANSIENT),
        ("nonce too high", SendResult.TRANSIENT),
        ("Too Many Requests", SendResult.TRANSIENT),
        ("in-flight transaction limit reached for delegated accounts", SendResult.TRANSIENT),
        ("intrinsic gas too low", SendResult.UNKNOWN),
        ("exceeds block gas limit", SendResult.UNKNOWN),
        ("invalid sender", SendResult.UNKNOWN),
        ("", SendResult.UNKNOWN),
    ],
)
def test_what_a_node_says_to_a_transaction(words, meaning):
    assert send_result(words) is meaning


def test_a_key_file_gives_the_same_signer_as_its_key(tmp_path):
    path = tmp_path / "keeper.json"
    path.write_text(json.dumps(Account.encrypt(KEYS[1], "open sesame", kdf="pbkdf2", iterations=2)))
    assert from_keystore(path, "open sesame").address == from_key(KEYS[1]).address == ADDRESSES[1]
