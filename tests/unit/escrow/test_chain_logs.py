"""Reading a range: everything must link, and what a node leaves out or mixes up is noticed."""

import random

import pytest

from escrow.chain.backfill import readings
from escrow.chain.client import RpcError, RpcFault
from escrow.chain.decoder import decode
from escrow.chain.live import read_live
from escrow.chain.looking import Policy, look
from escrow.chain.planner import Extend, Header, TipWindow
from escrow.chain.readings import ChainMovedError, Reading
from escrow.chain.tokens import token_facts
from escrow.contracts import bindings
from tests.sim.fake_chain import ESCROW, FakeChain, FakeNode
from tests.sim.fake_escrow import TOKENS, USERS, FakeEscrow
from tests.support.escrow_logs import encode_event

POLICY = Policy(start=0, escrow=ESCROW, safe_depth=1, final_depth=3)
DEPOSITED = bindings.Deposited(token=TOKENS[0], user=USERS[0], from_=USERS[1], amount=2**200)


@pytest.fixture
def chain():
    """Blocks 0 to 20; a deposit in every third."""
    made = FakeChain(random.Random(3), FakeEscrow(random.Random(3), {}, []))  # noqa: S311 - a seed that can be run again
    for number in range(1, 21):
        made.mine([DEPOSITED] if number % 3 == 0 else [])
    for block in made.blocks:
        block.logs[:] = [log for log in block.logs if len(log["topics"]) > 1]
    return made


class Twisted(FakeNode):
    """A node whose answers to one method go through `twist`."""

    def __init__(self, chain, method, twist):
        super().__init__(chain)
        self._method, self._twist = method, twist

    def _one(self, method, params):
        answer = super()._one(method, params)
        return self._twist(answer, params) if method == self._method else answer


def read(node, plan: Extend, *, tip: Header | None) -> Reading:
    if plan.live:
        return read_live(node, plan, tip=tip, policy=POLICY)
    (reading,) = readings(node, plan, tip=tip, policy=POLICY)
    return reading


def header(chain, number):
    block = chain.blocks[number]
    return Header(block.number, block.hash, block.parent_hash, block.timestamp)


def test_back_fill_keeps_headers_with_events_and_the_end(chain):
    reading = read(FakeNode(chain), Extend(1, 10, live=False), tip=header(chain, 0))
    assert [kept.number for kept in reading.headers] == [3, 6, 9, 10]
    assert [log.block_number for log in reading.logs] == [3, 6, 9]
    assert reading.logs[0].event == DEPOSITED


def test_near_the_head_every_header_is_kept(chain):
    reading = read(FakeNode(chain), Extend(15, 20, live=True), tip=header(chain, 14))
    assert [kept.number for kept in reading.headers] == [15, 16, 17, 18, 19, 20]
    assert [log.block_number for log in reading.logs] == [15, 18]


@pytest.mark.parametrize("live", [True, False])
def test_another_branch_than_our_tip_is_noticed(chain, live):
    tip = Header(9, "0x" + "ff" * 32, "0x00", 1)
    with pytest.raises(ChainMovedError):
        read(FakeNode(chain), Extend(10, 12, live=live), tip=tip)


def test_a_broken_link_inside_the_range_is_noticed(chain):
    def twist(answer, params):
        return answer | {"parentHash": "0x" + "00" * 32} if params[0] == hex(5) else answer

    with pytest.raises(ChainMovedError):
        read(Twisted(chain, "eth_getBlockByNumber", twist), Extend(1, 9, live=False), tip=None)


def test_logs_without_knowing_the_last_block_prove_nothing(chain):
    """The node behind the balancer that answers the logs has not seen the end of the range."""
    asked = []

    def twist(answer, params):
        asked.append(params)
        return None if len(asked) > 10 else answer

    with pytest.raises(ChainMovedError):
        read(Twisted(chain, "eth_getBlockByNumber", twist), Extend(1, 10, live=False), tip=None)


def test_logs_of_a_machine_that_does_not_call_the_range_final_prove_nothing(chain):
    """Another one behind the same address said that block 10 is final."""

    def twist(answer, params):
        block = chain.blocks[12]
        return answer | {"number": hex(12), "hash": block.hash} if params[0] == "latest" else answer

    with pytest.raises(ChainMovedError, match="as final"):
        read(Twisted(chain, "eth_getBlockByNumber", twist), Extend(1, 10, live=False), tip=None)


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize(
    "change", [{"blockHash": "0x" + "ab" * 32}, {"removed": True}, {"address": "0x" + "ab" * 20}, {"data": "0x12"}]
)
def test_a_log_of_elsewhere_is_refused(chain, change, live):
    def twist(answer, _params):
        return [log | change for log in answer]

    with pytest.raises((ChainMovedError, RpcError)):
        read(Twisted(chain, "eth_getLogs", twist), Extend(1, 10, live=live), tip=None)


@pytest.mark.parametrize("member", ["transactionHash", "address", "data", "blockHash", "topics"])
@pytest.mark.parametrize(
    ("spoil", "refused"),
    [
        (lambda text: "0x" + text[2:].upper(), False),
        (lambda text: text[:4] + " " + text[4:] + " ", False),
        (lambda text: text[2:], True),
        (lambda text: text[:-1], True),
        (lambda text: text[:-1] + "\t", True),
        (lambda text: text[:-2] + "\\N", True),
        (lambda _text: None, True),
    ],
)
def test_hex_of_a_log_is_lower_case_and_nothing_else(chain, member, spoil, refused):
    """It goes into COPY as it stands."""

    def twist(answer, _params):
        return [
            log | {member: [*map(spoil, log[member])] if member == "topics" else spoil(log[member])} for log in answer
        ]

    node, plan = Twisted(chain, "eth_getLogs", twist), Extend(1, 10, live=False)
    if refused:
        with pytest.raises(RpcError, match="can't be read"):
            read(node, plan, tip=None)
    else:
        assert read(node, plan, tip=None) == read(FakeNode(chain), plan, tip=None)


def test_one_log_twice_is_one_and_two_that_differ_are_an_error(chain):
    def twice(answer, _params):
        return answer + answer[::-1]

    reading = read(Twisted(chain, "eth_getLogs", twice), Extend(1, 10, live=False), tip=None)
    assert [log.block_number for log in reading.logs] == [3, 6, 9]

    def differing(answer, _params):
        return answer + [log | {"transactionHash": "0x" + "ab" * 32} for log in answer]

    with pytest.raises(RpcError):
        read(Twisted(chain, "eth_getLogs", differing), Extend(1, 10, live=False), tip=None)


def test_a_refused_range_is_remembered(chain):
    def refuse(_answer, _params):
        return RpcError(RpcFault.RANGE_TOO_WIDE, "too wide")

    node = Twisted(chain, "eth_getLogs", refuse)
    with pytest.raises(RpcError):
        read(node, Extend(1, 10, live=False), tip=None)
    assert node.width.blocks == 5


def test_a_look_shows_the_window_only_when_the_tip_differs(chain):
    ours = tuple(header(chain, number) for number in range(15, 19))
    seen = look(FakeNode(chain), TipWindow(0, 15, ours), POLICY)
    assert (seen.head.number, seen.final, sorted(seen.headers)) == (20, 17, [18, 20])
    other = (*ours[:-1], Header(18, "0x" + "ff" * 32, ours[-2].hash, 1))
    seen = look(FakeNode(chain), TipWindow(0, 15, other), POLICY)
    assert sorted(seen.headers) == [15, 16, 17, 18, 20]


def test_logs_of_no_known_event_decode_to_none():
    assert decode(("0x" + "5a" * 32,), "0x") is None
    assert decode((), "0x") is None
    with pytest.raises(ValueError, match="words"):
        decode((bindings.FeeSet.TOPIC0,), "0x")


def test_every_event_goes_through_its_log_and_into_json():
    topics, data = encode_event(DEPOSITED)
    assert decode(tuple(topics), data) == DEPOSITED
    assert DEPOSITED.as_json() == {
        "token": TOKENS[0],
        "user": USERS[0],
        "from_": USERS[1],
        "amount": str(2**200),
    }
    assert bindings.PayTokenSet(token=TOKENS[0], allowed=True).as_json()["allowed"] is True


def text(value: str) -> str:
    return f"0x{32:064x}{len(value.encode()):064x}" + value.encode().hex().ljust(64, "0")


@pytest.mark.parametrize(
    ("symbol", "decimals", "expected"),
    [
        (text("HRB"), f"0x{18:064x}", ("HRB", 18)),
        ("0x" + b"MKR".hex().ljust(64, "0"), f"0x{18:064x}", ("MKR", 18)),
        (text("\x00<b>\u202e"), f"0x{6:064x}", ("<b>", 6)),
        (text("A" * 300), f"0x{6:064x}", ("A" * 20, 6)),
        ("0x", f"0x{300:064x}", ("", None)),
        (RpcError(RpcFault.REVERTED, "no"), "0x", ("", None)),
        (text("GAS"), RpcError(RpcFault.REFUSED, "out of gas"), ("GAS", None)),
        (RpcError(RpcFault.RANGE_TOO_WIDE, "response size"), f"0x{6:064x}", ("", 6)),
    ],
)
def test_what_tokens_say_of_themselves_is_cleaned(chain, symbol, decimals, expected):
    def answer(_answer, params):
        assert params[0]["gas"] == hex(300_000)  # anybody's code
        return symbol if params[0]["data"] == "0x95d89b41" else decimals

    facts = token_facts(Twisted(chain, "eth_call", answer), [TOKENS[0]])[TOKENS[0]]
    assert (facts.symbol, facts.decimals) == expected


@pytest.mark.parametrize(
    "fault", sorted(set(RpcFault) - {RpcFault.REVERTED, RpcFault.REFUSED, RpcFault.RANGE_TOO_WIDE})
)
@pytest.mark.parametrize("asked", ["0x95d89b41", "0x313ce567"])
def test_what_a_node_fails_to_ask_a_token_is_not_taken_for_its_answer(chain, fault, asked):
    def answer(answer, params):
        return RpcError(fault, "not now") if params[0]["data"] == asked else answer

    with pytest.raises(RpcError) as caught:
        token_facts(Twisted(chain, "eth_call", answer), [TOKENS[0]])
    assert caught.value.fault is fault


def test_no_token_may_keep_a_node_busy(chain):
    asked = []
    token_facts(Twisted(chain, "eth_call", lambda _answer, params: asked.append(params[0])), [TOKENS[0]])
    assert [int(call["gas"], 16) for call in asked] == [300_000] * 2
