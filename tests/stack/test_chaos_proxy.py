"""The endpoint that misbehaves: what a client of ours meets, trouble by trouble, and that it is well again afterwards."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from escrow.chain.client import HttpNode, RpcError, RpcFault
from otc.chaos.proxy import Kind, Proxy, Trouble
from otc.rehearsal.node import NodeError

CALLS = [("eth_one", ["0x1"]), ("eth_two", ["0x2"]), ("eth_three", ["0x3"])]


class Upstream:
    """A node that answers every call with its own parameters, and counts what it is asked."""

    def __init__(self):
        self.asked = []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                calls = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                upstream.asked += [call["method"] for call in calls]
                results = {"eth_chainId": "0x7a69"}
                body = json.dumps(
                    [{"jsonrpc": "2.0", "id": c["id"], "result": results.get(c["method"], c["params"])} for c in calls]
                ).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def upstream():
    node = Upstream()
    yield node
    node.close()


@pytest.fixture
def proxy(upstream):
    made = Proxy(lambda: upstream.url)
    yield made
    made.close()


@pytest.fixture
def node(proxy):
    found = HttpNode(proxy.url, 31337)
    assert found.batch(CALLS) == [["0x1"], ["0x2"], ["0x3"]]
    return found


def fault(node):
    with pytest.raises(RpcError) as caught:
        node.batch(CALLS)
    return caught.value.fault


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.TOO_MANY, RpcFault.RATE_LIMITED),
        (Kind.BROKEN, RpcFault.UNREACHABLE),
        (Kind.TRUNCATED, RpcFault.MALFORMED),
        (Kind.LOST, RpcFault.UNREACHABLE),
    ],
)
def test_a_broken_endpoint_is_a_fault_and_then_well_again(proxy, node, kind, expected):
    proxy.set(Trouble(kind))
    assert fault(node) == expected
    proxy.set(None)
    assert node.batch(CALLS) == [["0x1"], ["0x2"], ["0x3"]]


def test_a_shuffled_or_slow_answer_is_the_same_answer(proxy, node):
    for kind in (Kind.SHUFFLED, Kind.SLOW):
        proxy.set(Trouble(kind))
        assert node.batch(CALLS) == [["0x1"], ["0x2"], ["0x3"]]


def test_doubled_reaches_the_node_twice(upstream, proxy, node):
    proxy.set(Trouble(Kind.DOUBLED))
    upstream.asked.clear()
    assert node.batch(CALLS[:1]) == [["0x1"]]
    assert upstream.asked == ["eth_one", "eth_one"]


def test_a_swallowed_transaction_reaches_the_node_and_nothing_else_is_touched(upstream, proxy, node):
    proxy.set(Trouble(Kind.SWALLOWED))
    upstream.asked.clear()
    with pytest.raises(RpcError):
        node.batch([("eth_sendRawTransaction", ["0x02"])])
    assert upstream.asked == ["eth_sendRawTransaction"]
    assert node.batch(CALLS[:1]) == [["0x1"]]


def test_one_that_hangs_lets_go_when_it_is_healed(proxy, node):
    proxy.set(Trouble(Kind.TIMEOUT))
    began = time.monotonic()
    caught = []
    asking = threading.Thread(target=lambda: caught.append(fault(node)))
    asking.start()
    while not proxy.met:
        assert time.monotonic() - began < 10
    proxy.set(None)
    asking.join(10)
    assert caught == [RpcFault.UNREACHABLE]
    assert time.monotonic() - began < 10


def test_a_share_is_a_share(proxy, node):
    proxy.set(Trouble(Kind.SHUFFLED, share=0.5))
    for _ in range(60):
        node.batch(CALLS)
    assert 10 < proxy.met < 50


def test_a_fork_of_a_node_that_is_down_is_refused_and_the_endpoint_stays_as_it_was(upstream, proxy, node):
    upstream.close()
    with pytest.raises(NodeError):
        proxy.set(Trouble(Kind.FORKED, blocks=3))
    assert proxy.met == 0
    upstream.close = lambda: None
