"""The generated bindings: what goes in comes out, and what is malformed is refused."""

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from escrow.contracts import bindings, words
from escrow.contracts.bindings import Deal, Filled, Settled

BUYER, SELLER, TOKEN = ("0x" + byte * 20 for byte in ("a1", "b2", "c3"))
HASH = "0x" + "d4" * 32
DEAL = Deal(HASH, HASH, BUYER, SELLER, TOKEN, 1, 2**128 - 1, 0, 100, HASH, HASH, 1_800_000_000)


def padded(address: str) -> str:
    return "0x" + "00" * 12 + address[2:]


def test_a_struct_survives_the_abi():
    assert Deal.from_abi(DEAL.abi_tuple()) == DEAL
    digits = encode([Deal.ABI_TYPE], [DEAL.abi_tuple()]).hex()
    assert Deal.from_words(digits, 0) == DEAL
    assert len(digits) == Deal.WORDS * words.WORD


def test_a_log_is_decoded_by_its_topic():
    data = "0x" + encode([Deal.ABI_TYPE, "uint8", "uint256"], [DEAL.abi_tuple(), 1, 77]).hex()
    topics = [Filled.TOPIC0, HASH, padded(BUYER), padded(SELLER)]
    event = bindings.decode_event(topics, data)
    assert event == Filled(offer_hash=HASH, buyer=BUYER, seller=SELLER, deal=DEAL, maker_side=1, filled=77)
    assert (
        bindings.decode_event(
            [topic.upper().replace("0X", "0x") for topic in topics], data.upper()[:2].lower() + data[2:]
        )
        == event
    )
    assert keccak(text=Filled.SIGNATURE).hex() == Filled.TOPIC0[2:]


def test_booleans_and_numbers_of_a_log():
    data = "0x" + encode(["uint256", "uint8", "bool", "uint256", "uint256", "uint256"], [3, 1, True, 0, 5, 6]).hex()
    event = Settled.decode([Settled.TOPIC0, HASH], data)
    assert event == Settled(id=HASH, tranche=3, outcome=1, closed=True, to_buyer=0, to_seller=5, fee=6)


@pytest.mark.parametrize(
    ("topics", "data"),
    [
        ([Settled.TOPIC0, HASH], "0x" + "00" * 32 * 5),
        ([Settled.TOPIC0, HASH], "0x" + "00" * 32 * 7),
        ([Settled.TOPIC0, HASH], "00" * 32 * 6 + "00"),
        ([Settled.TOPIC0], "0x" + "00" * 32 * 6),
        ([Settled.TOPIC0, HASH, HASH], "0x" + "00" * 32 * 6),
        ([Filled.TOPIC0, HASH], "0x" + "00" * 32 * 6),
    ],
)
def test_a_malformed_log_is_refused(topics, data):
    with pytest.raises(ValueError, match=r"expected|not a log"):
        Settled.decode(topics, data)


def test_an_unknown_topic_is_no_event():
    with pytest.raises(KeyError):
        bindings.decode_event([HASH], "0x")


def test_calldata_starts_with_the_selector():
    assert bindings.encode_bump_epoch() == bindings.SELECTORS["bumpEpoch()"]
    data = bindings.encode_deposit(TOKEN, 5, BUYER)
    assert (
        data
        == bindings.SELECTORS["deposit(address,uint256,address)"] + padded(TOKEN)[2:] + f"{5:064x}" + padded(BUYER)[2:]
    )


def test_results_are_decoded():
    assert bindings.decode_market_status_result("0x" + encode(["uint8", "uint256", "uint256"], [2, 3, 4]).hex()) == (
        2,
        3,
        4,
    )
    assert bindings.decode_deals_result(HASH) == HASH


def test_errors_are_named_with_their_arguments():
    data = "0x" + keccak(text="InsufficientBalance(address,address,uint256,uint256)").hex()[:8]
    data += encode(["address", "address", "uint256", "uint256"], [TOKEN, BUYER, 1, 2]).hex()
    error = bindings.decode_error(data)
    assert error is not None
    assert (error.name, error.args) == ("InsufficientBalance", {"token": TOKEN, "user": BUYER, "has": 1, "needs": 2})
    assert str(error) == f"InsufficientBalance(token={TOKEN}, user={BUYER}, has=1, needs=2)"
    field = "0x" + keccak(text="BadTerms(bytes32)").hex()[:8] + b"longStop".ljust(32, b"\0").hex()
    assert bindings.decode_error(field) == words.ContractError("BadTerms", {"what": "longStop"})


def test_solidity_s_own_errors_and_unknown_ones():
    text = "0x08c379a0" + encode(["string"], ["no"]).hex()
    assert bindings.decode_error(text) == words.ContractError("Error", {"message": "no"})
    panic = "0x4e487b71" + encode(["uint256"], [0x11]).hex()
    assert bindings.decode_error(panic) == words.ContractError("Panic", {"code": 17, "message": "overflow"})
    assert bindings.decode_error("0x12345678") is None
    assert bindings.decode_error("0x") is None
    with pytest.raises(ValueError, match="malformed"):
        bindings.decode_error("0x08c379a0ff")
