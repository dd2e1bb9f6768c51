"""A header's bloom filter: no log of the escrow is ever missed by it, and where it has not the escrow nobody is asked again."""

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from escrow.chain.blooms import blooms_of, suspects
from escrow.chain.readings import ChainMovedError, doubt_emptiness

ADDRESSES = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
ENTRIES = st.lists(st.one_of(st.binary(min_size=20, max_size=20), st.binary(min_size=32, max_size=32)), max_size=40)
ESCROW = "0x" + "e5" * 20
STRANGER = "0x" + "5a" * 20


def bits_of(entry):
    """The three bits of an address or a topic: the low eleven bits of the first three pairs of bytes of its hash."""
    digest = keccak(entry)
    return {(digest[at] << 8 | digest[at + 1]) & 0x7FF for at in (0, 2, 4)}


def filter_of(entries):
    """As a node gives it: 256 bytes, bit 0 in the last of them."""
    octets = bytearray(256)
    for entry in entries:
        for bit in bits_of(entry):
            octets[255 - bit // 8] |= 1 << bit % 8
    return "0x" + octets.hex()


def block(number, entries):
    word = f"0x{number:064x}"
    header = {"number": hex(number), "hash": word, "parentHash": word, "timestamp": "0x1"}
    return header | {"logsBloom": filter_of(entries)}


@given(escrow=ADDRESSES, others=ENTRIES, after=ENTRIES)
def test_a_log_of_the_escrow_is_never_missed(escrow, others, after):
    headers = [block(7, [*others, bytes.fromhex(escrow[2:]), *after])]
    assert suspects(blooms_of(headers), escrow, with_logs=()) == [7]
    assert suspects(blooms_of(headers), escrow, with_logs={7}) == []


@given(escrow=ADDRESSES, others=ENTRIES)
def test_a_filter_without_the_escrow_is_passed_over(escrow, others):
    """Unless others happen to set all of its bits, which is what such filters do."""
    set_by_others = set().union(*map(bits_of, others))
    by_chance = bits_of(bytes.fromhex(escrow[2:])) <= set_by_others
    assert suspects(blooms_of([block(7, others)]), escrow, with_logs=()) == ([7] if by_chance else [])


@pytest.mark.parametrize("bloom", [None, "", "0xzz", 5])
def test_a_header_without_a_filter_says_nothing(bloom):
    assert blooms_of([block(7, []) | {"logsBloom": bloom}, None, {"number": "0x8"}]) == {}


class Asked:
    """A node that gives these logs of every block, and counts."""

    name = "asked"

    def __init__(self, *logs):
        self.logs, self.calls = list(logs), 0

    def batch(self, calls):
        self.calls += len(calls)
        return [self.logs for _ in calls]


def test_nobody_is_asked_where_no_filter_has_the_escrow():
    node, other = Asked("a log"), Asked("a log")
    doubt_emptiness(node, [other], [block(7, [bytes.fromhex(STRANGER[2:])]), block(8, [])], [], ESCROW)
    assert (node.calls, other.calls) == (0, 0)


def test_emptiness_is_doubted_once_and_believed_when_all_say_so():
    node, other = Asked(), Asked()
    doubt_emptiness(node, [other], [block(7, [bytes.fromhex(ESCROW[2:])]), block(8, [])], [], ESCROW)
    assert (node.calls, other.calls) == (1, 1)
    with pytest.raises(ChainMovedError):
        doubt_emptiness(Asked(), [Asked("a log")], [block(7, [bytes.fromhex(ESCROW[2:])])], [], ESCROW)
