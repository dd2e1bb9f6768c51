"""The client against answers as nodes and providers really give them; the transport is a function here."""

from io import BytesIO

import orjson
import pytest
import requests

from escrow.chain.client import BATCH_MAX, HttpNode, RangeWidth, RpcError, RpcFault, within


class Transport:
    """Stands in for the session: each call of `reply` gets the decoded request and returns (status, body)."""

    def __init__(self, reply):
        self.reply = reply
        self.requests = []
        self.headers = {}

    def post(self, _url, *, data, **_options):
        asked = orjson.loads(data)
        self.requests.append(asked)
        answer = self.reply(asked)
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        response = requests.Response()
        response.status_code = status
        response.headers.update(self.headers)
        response.raw = Body(body if isinstance(body, bytes) else orjson.dumps(body))
        return response


class Body(BytesIO):
    decode_content = False


def node(reply, *, chain_id=31337):
    """A node that says chain id 31337 and else replies with `reply`."""

    def answer(asked):
        if asked[0]["method"] == "eth_chainId":
            return 200, [{"jsonrpc": "2.0", "id": 0, "result": hex(31337)}]
        return reply(asked)

    made = HttpNode("https://user:secret@rpc.example/v3/key?token=1", chain_id)
    made._session = Transport(answer)
    return made


def results(asked, *, order=1):
    return 200, [{"jsonrpc": "2.0", "id": item["id"], "result": item["params"][0]} for item in asked][::order]


def test_answers_in_any_order_come_back_in_ours():
    calls = [("eth_echo", [n]) for n in range(5)]
    assert node(lambda asked: results(asked, order=-1)).batch(calls) == [0, 1, 2, 3, 4]


def test_long_batches_are_cut():
    made = node(results)
    assert made.batch([("eth_echo", [n]) for n in range(2 * BATCH_MAX + 1)]) == list(range(2 * BATCH_MAX + 1))
    assert [len(asked) for asked in made._session.requests] == [1, BATCH_MAX, BATCH_MAX, 1]


def test_the_name_shows_no_secrets():
    assert node(results).name == "rpc.example"


def test_another_chain_is_refused_before_anything_is_believed():
    made = node(results, chain_id=1)
    for _ in range(2):
        with pytest.raises(RpcError) as caught:
            made.call("eth_echo", 1)
        assert caught.value.fault is RpcFault.WRONG_CHAIN


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (requests.ConnectTimeout(), RpcFault.TIMEOUT),
        (requests.ReadTimeout(), RpcFault.TIMEOUT),
        (requests.ConnectionError(), RpcFault.UNREACHABLE),
        ((429, {"error": "slow down"}), RpcFault.RATE_LIMITED),
        ((502, b"<html>Bad gateway</html>"), RpcFault.UNREACHABLE),
        ((200, b"<html>Hello</html>"), RpcFault.MALFORMED),
        ((200, []), RpcFault.MALFORMED),
        ((200, [{"id": 7, "result": 1}]), RpcFault.MALFORMED),
        (
            (200, {"error": {"code": -32005, "message": "daily request count exceeded, request rate limited"}}),
            RpcFault.RATE_LIMITED,
        ),
        ((200, {"error": {"code": -32005, "message": "project ID quota exceeded"}}), RpcFault.RATE_LIMITED),
        ((200, {"error": {"code": 429, "message": "compute units exceeded"}}), RpcFault.RATE_LIMITED),
        ((200, {"error": {"code": -32005, "message": "more than 10000 results"}}), RpcFault.RANGE_TOO_WIDE),
        ((200, {"error": {"code": "-32005", "message": "no"}}), RpcFault.REFUSED),
    ],
)
def test_what_the_transport_does_wrong(answer, fault):
    with pytest.raises(RpcError) as caught:
        node(lambda _asked: answer).call("eth_echo", 1)
    assert caught.value.fault is fault


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("query returned more than 10000 results", RpcFault.RANGE_TOO_WIDE),
        ("exceed maximum block range: 5000", RpcFault.RANGE_TOO_WIDE),
        ("maximum distance 10000", RpcFault.RANGE_TOO_WIDE),
        ("Log response size exceeded", RpcFault.RANGE_TOO_WIDE),
        ("unknown block", RpcFault.UNKNOWN_BLOCK),
        ("header not found", RpcFault.UNKNOWN_BLOCK),
        ("execution reverted: no", RpcFault.REVERTED),
        ("rate limit exceeded", RpcFault.RATE_LIMITED),
        ("method not supported", RpcFault.REFUSED),
    ],
)
def test_what_nodes_say(message, fault):
    made = node(lambda asked: (200, [{"id": asked[0]["id"], "error": {"message": message, "data": "0x01"}}]))
    with pytest.raises(RpcError) as caught:
        made.call("eth_getLogs", {})
    assert (caught.value.fault, caught.value.data) == (fault, "0x01")
    assert isinstance(made.answers([("eth_getLogs", [{}])])[0], RpcError)


@pytest.mark.parametrize(
    ("said", "pause"), [("7", 7.0), ("", 0.0), ("soon", 0.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)]
)
def test_how_long_a_node_wants_to_be_left_alone(said, pause):
    made = node(lambda _asked: (429, {}))
    made._session.headers = {"Retry-After": said}
    with pytest.raises(RpcError) as caught:
        made.call("eth_echo", 1)
    assert (caught.value.fault, caught.value.retry_after) == (RpcFault.RATE_LIMITED, pause)


def test_a_deadline_holds_for_all_that_is_asked_inside():
    made = node(results)
    assert made.call("eth_echo", 1) == 1
    with within(0.0), pytest.raises(RpcError) as caught:
        made.call("eth_echo", 1)
    assert caught.value.fault is RpcFault.TIMEOUT
    with within(30.0), within(0.0), within(30.0), pytest.raises(RpcError):
        made.call("eth_echo", 1)
    assert made.call("eth_echo", 1) == 1


def test_range_width_shrinks_on_refusal_and_never_grows_back_to_it():
    width = RangeWidth()
    width.refuse(1_000)
    assert width.blocks == 500
    for _ in range(50):
        width.accept(width.blocks)
    assert width.blocks == 999
    width.refuse(999)
    for _ in range(50):
        width.accept(width.blocks)
    assert width.blocks == 998


def test_range_width_doubles_up_to_its_largest_until_something_was_refused():
    width = RangeWidth()
    width.accept(10)  # a short range says nothing
    assert width.blocks == RangeWidth.START
    width.accept(width.blocks)
    assert width.blocks == 2 * RangeWidth.START
    for _ in range(50):
        width.accept(width.blocks)
    assert width.blocks == RangeWidth.LARGEST
    width.refuse(800)
    width.accept(400)
    assert width.blocks == 451
    width.refuse(1)
    width.refuse(1)
    assert width.blocks == 1
    width.accept(1)
    assert width.blocks == 1


def test_range_width_keeps_to_a_bite_of_logs():
    width = RangeWidth()
    width.accept(width.blocks, logs=10 * RangeWidth.LOGS)
    assert width.blocks == RangeWidth.START // 10
    for _ in range(20):
        width.accept(width.blocks, logs=width.blocks * 100)
    assert width.blocks == RangeWidth.LOGS // 100
    width.accept(width.blocks, logs=10**9)
    assert width.blocks == 1
