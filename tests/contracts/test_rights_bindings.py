"""The bindings of RightsEscrow: its own words, and those of the other escrow from there."""

from eth_abi.abi import decode, encode

from escrow.contracts import bindings, rights_bindings
from escrow.contracts.bindings import Deal
from escrow.contracts.rights_bindings import RightsDelivered, RightsDelivery

BUYER, SELLER, TOKEN = ("0x" + byte * 20 for byte in ("a1", "b2", "c3"))
HASH, PROOF = "0x" + "d4" * 32, "0x" + "e5" * 32
DEAL = Deal(HASH, HASH, BUYER, SELLER, TOKEN, 1, 2, 3, 100, HASH, HASH, 1_800_000_000)


def test_what_both_have_is_one_thing():
    assert rights_bindings.Deal is bindings.Deal
    assert rights_bindings.encode_fill is bindings.encode_fill
    shared = bindings.EVENTS.keys() & rights_bindings.EVENTS.keys()
    assert all(rights_bindings.EVENTS[topic] is bindings.EVENTS[topic] for topic in shared)
    names = {event.__name__ for topic, event in rights_bindings.EVENTS.items() if topic not in shared}
    assert names == {"RightsProposed", "RightsDelivered", "RightWithdrawn"}


def test_lists_of_lists_survive_the_abi():
    delivery = RightsDelivery(DEAL, to_escrow=True, tranche=0, ids=[7, 8], amounts=[1, 2], proofs=[[PROOF, HASH], []])
    data = rights_bindings.encode_deliver(delivery)
    (values,) = decode([RightsDelivery.ABI_TYPE], bytes.fromhex(data[10:]))
    assert values[3:] == ((7, 8), (1, 2), ((bytes.fromhex(PROOF[2:]), bytes.fromhex(HASH[2:])), ()))
    again = RightsDelivery.from_abi(values)
    assert (again.deal, again.proofs) == (DEAL, delivery.proofs)


def test_a_delivery_is_decoded_from_its_log():
    topics = [RightsDelivered.TOPIC0, HASH, "0x" + "00" * 12 + TOKEN[2:], f"0x{7:064x}"]
    data = "0x" + encode(["uint256", "uint256", "uint256", "bool"], [0, 2, 3, True]).hex()
    event = rights_bindings.decode_event(topics, data)
    assert event == RightsDelivered(id=HASH, token=TOKEN, right=7, tranche=0, amount=2, delivered=3, to_escrow=True)
