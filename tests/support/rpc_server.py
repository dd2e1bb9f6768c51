"""HTTP endpoints on this machine that answer as a fake node does, or as a broken one: for what a fake transport can't show."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from escrow.chain.client import RpcError

Answer = tuple[int, dict[str, str], bytes]
DRIP_SECONDS = 0.2


class RpcServer:
    """Serves `node`. `broken`, while set, answers in its place: (status, headers, body), None to hang up."""

    def __init__(self, node: Any, *, chain_id: int = 31337) -> None:
        self.node, self.chain_id = node, chain_id
        self.broken: Callable[[], Answer | None] | None = None
        self.asked = 0
        self.url = ""
        self.body = b""  # of the last question

    def answer(self, body: bytes) -> Answer | None:
        self.asked += 1
        self.body = body
        return self.respond() if self.broken is None else self.broken()

    def respond(self) -> Answer:
        """As a good endpoint."""
        return 200, {}, orjson.dumps([self._one(call) for call in orjson.loads(self.body)])

    def _one(self, call: dict[str, Any]) -> dict[str, Any]:
        said: dict[str, Any] = {"jsonrpc": "2.0", "id": call["id"]}
        if call["method"] == "eth_chainId":
            return said | {"result": hex(self.chain_id)}
        (answer,) = self.node.answers([(call["method"], call["params"])])
        if isinstance(answer, RpcError):
            return said | {"error": {"message": answer.detail}}
        return said | {"result": answer}


@contextmanager
def serving(server: RpcServer) -> Iterator[RpcServer]:
    """The server on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            answer = server.answer(self.rfile.read(int(self.headers["Content-Length"])))
            if answer is None:
                self.close_connection = True
                return
            status, headers, content = answer
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: object) -> None: ...

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_address[1]}/{id(server)}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@contextmanager
def black_hole() -> Iterator[str]:
    """The address of an endpoint that takes connections and never answers."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(64)
        yield f"http://127.0.0.1:{hole.getsockname()[1]}"


@contextmanager
def dripping() -> Iterator[str]:
    """The address of an endpoint that sends its answer one byte after the other, for ever."""
    done = threading.Event()
    with socket.socket() as tap:
        tap.bind(("127.0.0.1", 0))
        tap.listen(4)

        def drip() -> None:
            connection, _ = tap.accept()
            with connection, suppress(OSError):
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not done.wait(DRIP_SECONDS):
                    connection.sendall(b" ")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{tap.getsockname()[1]}"
        finally:
            done.set()
            thread.join()
