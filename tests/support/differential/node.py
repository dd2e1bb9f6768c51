"""JSON-RPC over one kept connection, with batches: the differential makes thousands of small calls."""

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit


class NodeError(Exception):
    """The node refused: its message, and the revert data where it has some."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error.get("message", str(error)))
        data = error.get("data")
        self.data = data if isinstance(data, str) else "0x"


class Node:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.calls = 0

    def close(self) -> None:
        self._connection.close()

    def rpc(self, method: str, *params: Any) -> Any:
        return self._result(self._post({"jsonrpc": "2.0", "id": 0, "method": method, "params": params}))

    def batch(self, *calls: tuple) -> list[Any]:
        """Each call a method and its parameters; the results in their order."""
        answers = self._post(
            [
                {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
                for number, (method, *params) in enumerate(calls)
            ]
        )
        return [self._result(answer) for answer in sorted(answers, key=lambda answer: answer["id"])]

    def _post(self, body: Any) -> Any:
        self.calls += 1
        self._connection.request("POST", "/", json.dumps(body).encode(), {"Content-Type": "application/json"})
        return json.loads(self._connection.getresponse().read())

    @staticmethod
    def _result(answer: dict[str, Any]) -> Any:
        if "error" in answer:
            raise NodeError(answer["error"])
        return answer["result"]
