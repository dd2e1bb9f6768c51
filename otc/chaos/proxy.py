"""An endpoint of the chain that can be made to misbehave: HTTP before the node, transparent until it gets a trouble.

What a lagging or a forked endpoint says is consistent in itself, as a real one's would be: it just is not what the others say.
"""

import random
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from otc.chaos import views
from otc.rehearsal.node import NodeError

UPSTREAM_SECONDS = 20.0
HANG_SECONDS = 25.0  # longer than any client of ours waits
SLOW_SECONDS = 0.4
SEND = "eth_sendRawTransaction"


class Kind(StrEnum):
    """What is wrong with an endpoint."""

    TIMEOUT = "times out"
    TOO_MANY = "answers 429"
    BROKEN = "answers 500"
    TRUNCATED = "cuts its answers short"
    SLOW = "is slow"
    DOUBLED = "does everything twice"
    SHUFFLED = "answers a batch in another order"
    LOST = "closes the connection before it does anything"
    SWALLOWED = "passes transactions on and loses the answer"
    LAGGING = "lags"
    FORKED = "is on a fork"


@dataclass(frozen=True, slots=True)
class Trouble:
    """`share` of the requests meet it; those that don't are answered well. `blocks`: how far it lags, or how deep the fork is."""

    kind: Kind
    share: float = 1.0
    blocks: int = 0

    def __str__(self) -> str:
        blocks = f" by {self.blocks} blocks" if self.blocks else ""
        return f"{self.kind.value}{blocks}" + (f", {self.share:.0%} of the time" if self.share < 1 else "")


class _Broken(Exception):  # noqa: N818 - a way to end a request, not an error of ours
    """The request ends with this status and body; without a status the connection is just closed."""

    def __init__(self, status: int = 0, body: bytes = b"") -> None:
        super().__init__(status)
        self.status, self.body = status, body


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of those who ask and are killed meanwhile: that is what this is for."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Proxy:
    """One endpoint at `url`, in threads of this process. `node` names the real one, which may move."""

    def __init__(self, node: Callable[[], str], *, seed: int = 0) -> None:
        self._node = node
        self._trouble: Trouble | None = None
        self._view: views.View | None = None
        self._healed = threading.Event()
        self._chance = random.Random(seed)  # noqa: S311 - a seed that can be run again
        self.met = 0  # requests that met a trouble
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self.set(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def set(self, trouble: Trouble | None) -> None:
        """From here on: this trouble, or none. A request that hangs from the one before is let go. NodeError when the node is down and
        a fork of it was asked for.
        """
        self._healed.set()
        self._healed = threading.Event()
        view: views.View | None = None
        if trouble is not None and trouble.kind is Kind.LAGGING:
            view = views.Lagging(trouble.blocks)
        elif trouble is not None and trouble.kind is Kind.FORKED:
            try:
                view = views.Forked(above=max(0, self._head() - trouble.blocks))
            except _Broken as error:
                raise NodeError("The node does not answer.") from error
        self._view, self._trouble = view, trouble

    def answer(self, body: bytes) -> bytes:
        """The answer to a request's body. Raises _Broken."""
        trouble, view = self._trouble, self._view
        if trouble is None or self._chance.random() >= trouble.share:
            return self._forward(body)
        self.met += 1
        if view is not None:
            return self._through(view, body)
        return self._badly(trouble.kind, body)

    def _badly(self, kind: Kind, body: bytes) -> bytes:
        match kind:
            case Kind.TIMEOUT:
                self._healed.wait(HANG_SECONDS)
                raise _Broken
            case Kind.LOST:
                raise _Broken
            case Kind.TOO_MANY:
                raise _Broken(429, b'{"error": "slow down"}')
            case Kind.BROKEN:
                raise _Broken(500, b"<html>internal error</html>")
            case Kind.SLOW:
                self._healed.wait(SLOW_SECONDS)
            case Kind.DOUBLED:
                self._forward(body)
            case Kind.SWALLOWED if SEND.encode() in body:
                self._forward(body)
                raise _Broken
            case _:
                pass
        answer = self._forward(body)
        if kind is Kind.TRUNCATED:
            raise _Broken(200, answer[: len(answer) // 2])
        if kind is Kind.SHUFFLED:
            found = orjson.loads(answer)
            if isinstance(found, list):
                self._chance.shuffle(found)
            return orjson.dumps(found)
        return answer

    def _through(self, view: views.View, body: bytes) -> bytes:
        """As a node with another view of the chain would answer."""
        asked = orjson.loads(body)
        calls = asked if isinstance(asked, list) else [asked]
        head = self._head()
        changed = [view.asked(call, head) for call in calls]
        answers = {answer["id"]: answer for answer in orjson.loads(self._forward(orjson.dumps(changed)))}
        seen = [view.answered(call, answers[call["id"]], head) for call in calls]
        return orjson.dumps(seen if isinstance(asked, list) else seen[0])

    def _head(self) -> int:
        return int(orjson.loads(self._forward(orjson.dumps(views.question("eth_blockNumber"))))["result"], 16)

    def _forward(self, body: bytes) -> bytes:
        request = urllib.request.Request(self._node(), body, {"Content-Type": "application/json"})  # noqa: S310  # our own node
        try:
            with urllib.request.urlopen(request, timeout=UPSTREAM_SECONDS) as response:  # noqa: S310  # as above
                return bytes(response.read())
        except (urllib.error.URLError, OSError) as error:
            raise _Broken(502, b"the node does not answer") from error


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                status, answer = 200, proxy.answer(body)
            except _Broken as broken:
                status, answer = broken.status, broken.body
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Says nothing: the workers' logs tell what they met."""

    return Handler
