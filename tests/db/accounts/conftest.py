import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from otc.core.models import Chain


class FakeNode:
    """A JSON-RPC endpoint that answers each method as told: a dict is the whole answer, anything else its `result`."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                node.asked.append((body["method"], body["params"]))
                answer = node.answers.get(body["method"])
                raw = answer if isinstance(answer, bytes) else json.dumps(
                    {"jsonrpc": "2.0", "id": body["id"], **(answer if isinstance(answer, dict) else {"result": answer})}
                ).encode()  # fmt: skip
                self.send_response(200)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def wallet(self, answer):
        """From now on every address is a contract wallet whose isValidSignature gives `answer`."""
        self.answers = {"eth_getCode": "0x60", "eth_call": answer}


@pytest.fixture(scope="session")
def node_server():
    node = FakeNode()
    thread = Thread(target=node.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield node
    node.server.shutdown()
    node.server.server_close()
    thread.join()


@pytest.fixture
def node(node_server):
    node_server.answers, node_server.asked = {"eth_getCode": "0x"}, []
    return node_server


@pytest.fixture
def chain(db, node):
    return Chain.objects.create(
        pk=31337, chain_id=31337, name="Local", escrow_address="0x" + "e5" * 20, start_block=1, rpc_urls=[node.url]
    )
