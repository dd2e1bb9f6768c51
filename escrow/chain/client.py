"""JSON-RPC to one node: batches, time-outs, and a closed list of what can go wrong. Never call it inside a transaction."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cache, cached_property
from math import inf
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as Urllib3TimeoutError

from otc.core import clock

CONNECT_TIMEOUT = 1.5  # seconds
ANSWER_TIMEOUT = 3.0  # seconds for a whole answer: a node that needs more is asked for less, or left
LANES = 3  # requests that may be under way to a node at once
BATCH_MAX = 100  # calls in one HTTP request: what the strictest public providers allow
PIECE = 1 << 18  # bytes read at once
HTTP_TOO_MANY = 429
HTTP_ERROR = 400

Call = tuple[str, Sequence[Any]]  # method, params


# When the questions of this thread must be answered, by the monotonic clock.
_deadline: ContextVar[float] = ContextVar("deadline", default=inf)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What this thread asks inside, of any node, must be answered within `seconds`, all of it; else RpcError (timeout)."""
    token = _deadline.set(min(_deadline.get(), clock.monotonic() + seconds))
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left() -> float:
    """What `within` leaves to this thread."""
    return _deadline.get() - clock.monotonic()


class RpcFault(StrEnum):
    """What went wrong. Those of ABOUT_THE_CALL are answers about the call; all others are about the node."""

    UNREACHABLE = "unreachable"  # no connection, or broken off
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    RANGE_TOO_WIDE = "range_too_wide"  # eth_getLogs: ask for fewer blocks
    UNKNOWN_BLOCK = "unknown_block"  # the node doesn't have what we asked about (yet, or any more)
    REVERTED = "reverted"  # eth_call: the contract refused
    REFUSED = "refused"  # any other error object
    MALFORMED = "malformed"  # not JSON-RPC, or not of the promised shape
    WRONG_CHAIN = "wrong_chain"


ABOUT_THE_CALL = {RpcFault.REVERTED, RpcFault.REFUSED}


class RpcError(Exception):
    """A call failed. `data` is the error object's data (revert bytes as 0x-hex) where there is some; `retry_after`: seconds for
    which the node asked to be left alone.
    """

    def __init__(self, fault: RpcFault, detail: str, *, data: str = "", retry_after: float = 0.0) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail
        self.data = data
        self.retry_after = retry_after


class Node(Protocol):
    """What the chain reader needs of a node. `width` remembers how many blocks of logs it gives at once; `lanes` is how many
    questions may be under way at once, from as many threads (1: all from the thread of the caller).
    """

    name: str
    width: "RangeWidth"
    lanes: int

    def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Results in order; RpcError when any call fails."""
        ...

    def answers(self, calls: Sequence[Call]) -> list[Any]:
        """As `batch`, but a call that the node answered with an error has its RpcError in the list."""
        ...


class RangeWidth:
    """Blocks per eth_getLogs that a node allows: halves on refusal; grows twofold until something was refused, by an eighth
    afterwards, never back to what was refused; and no wider than about LOGS logs, so that several ranges are under way while one is staged.
    """

    START, LARGEST = 100, 10_000
    LOGS = 4_000

    def __init__(self) -> None:
        self.blocks = self.START
        self.refused: int | None = None  # the fewest blocks that were too many

    def refuse(self, width: int) -> None:
        """`width` blocks were too many."""
        self.refused = min(width, self.refused or width)
        self.blocks = max(1, width // 2)

    def accept(self, width: int, *, logs: int = 0) -> None:
        """`width` blocks went well, with so many logs. A range shorter than allowed says nothing."""
        if width < self.blocks:
            return
        ceiling = self.LARGEST if self.refused is None else self.refused - 1
        wider = self.blocks * 2 if self.refused is None else self.blocks + self.blocks // 8 + 1
        if logs:
            ceiling = min(ceiling, width * self.LOGS // logs)
        self.blocks = max(1, min(wider, ceiling))


class HttpNode:
    """A node behind an HTTP endpoint. Checks the chain id before its first answer. Threads may share it."""

    lanes = LANES

    def __init__(self, url: str, chain_id: int) -> None:
        self.url = url
        self.name = urlsplit(url).netloc.rsplit("@", maxsplit=1)[-1]  # no path: providers put their keys there
        self.width = RangeWidth()
        self._chain_id = chain_id
        self._checked = False

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # an endpoint is what the operator configured, not what a proxy variable says
        session.mount("http://", HTTPAdapter(pool_maxsize=LANES + 1))
        session.mount("https://", HTTPAdapter(pool_maxsize=LANES + 1))
        return session

    def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Results in order. Errors: RpcError of the first call that failed, or of the transport."""
        self._check_chain()
        results: list[Any] = []
        for start in range(0, len(calls), BATCH_MAX):
            results += _results(self._post(calls[start : start + BATCH_MAX]))
        return results

    def call(self, method: str, *params: Any) -> Any:
        return self.batch([(method, params)])[0]

    def answers(self, calls: Sequence[Call]) -> list[Any]:
        """As `batch`, but a call that the node answered with an error has its RpcError in the list."""
        self._check_chain()
        answers: list[Any] = []
        for start in range(0, len(calls), BATCH_MAX):
            answers += [_answer(item) for item in self._post(calls[start : start + BATCH_MAX])]
        return answers

    def _check_chain(self) -> None:
        if self._checked:
            return
        found = int(_results(self._post([("eth_chainId", [])]))[0], 16)
        if found != self._chain_id:
            raise RpcError(
                RpcFault.WRONG_CHAIN, f"{self.name} serves chain {found}, this is configured as {self._chain_id}"
            )
        self._checked = True

    def _post(self, calls: Sequence[Call]) -> list[dict[str, Any]]:
        body = orjson.dumps(
            [
                {"jsonrpc": "2.0", "id": i, "method": method, "params": params}
                for i, (method, params) in enumerate(calls)
            ]
        )
        until = min(_deadline.get(), clock.monotonic() + ANSWER_TIMEOUT)
        try:
            status, headers, content = self._exchange(body, until)
        except (requests.Timeout, Urllib3TimeoutError) as error:
            raise RpcError(RpcFault.TIMEOUT, f"{self.name} took too long") from error
        except (requests.RequestException, HTTPError) as error:
            raise RpcError(RpcFault.UNREACHABLE, f"{self.name}: {type(error).__name__}") from error
        if status == HTTP_TOO_MANY:
            pause = _pause(headers.get("Retry-After", ""))
            raise RpcError(RpcFault.RATE_LIMITED, f"{self.name} asks us to slow down", retry_after=pause)
        return _in_order(content, len(calls), self.name, status)

    def _exchange(self, body: bytes, until: float) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body. Read piece by piece: a node that drips must not hold us."""
        left = until - clock.monotonic()
        if left <= 0:
            raise requests.Timeout
        with self._session.post(
            self.url,
            data=body,
            headers={"Content-Type": "application/json"},
            timeout=(min(CONNECT_TIMEOUT, left), left),
            stream=True,
        ) as response:
            response.raw.decode_content = True  # gzip
            pieces = []
            while piece := response.raw.read1(PIECE):
                pieces.append(piece)
                if clock.monotonic() > until:
                    raise requests.Timeout
            return response.status_code, response.headers, b"".join(pieces)


def _pause(text: str) -> float:
    """The seconds that a Retry-After header names, as a number or as a date; 0 when it says nothing."""
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - clock.now()).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _in_order(content: bytes, count: int, name: str, status: int) -> list[dict[str, Any]]:
    """The response objects by id: a batch may come back in any order."""
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        fault = RpcFault.UNREACHABLE if status >= HTTP_ERROR else RpcFault.MALFORMED
        raise RpcError(fault, f"{name} answered {status} with something that is not JSON") from error
    if isinstance(answer, dict) and "error" in answer:  # the batch as a whole was refused
        raise _fault_of(answer["error"])
    if not isinstance(answer, list) or len(answer) != count:
        raise RpcError(RpcFault.MALFORMED, f"{name} gave no answer to each of {count} calls")
    by_id = {item.get("id"): item for item in answer if isinstance(item, dict)}
    if set(by_id) != set(range(count)):
        raise RpcError(RpcFault.MALFORMED, f"{name} mixed up the ids of a batch")
    return [by_id[index] for index in range(count)]


def _results(items: Sequence[dict[str, Any]]) -> list[Any]:
    results = []
    for item in items:
        answer = _answer(item)
        if isinstance(answer, RpcError):
            raise answer
        results.append(answer)
    return results


def _answer(item: dict[str, Any]) -> Any:
    return _fault_of(item["error"]) if item.get("error") is not None else item.get("result")


# What nodes and providers write, matched in this order, lower case. Texts differ between programs; codes say little.
PHRASES: tuple[tuple[str, RpcFault], ...] = (
    ("revert", RpcFault.REVERTED),
    ("rate limit", RpcFault.RATE_LIMITED),
    ("too many requests", RpcFault.RATE_LIMITED),
    ("request limit", RpcFault.RATE_LIMITED),
    ("block range", RpcFault.RANGE_TOO_WIDE),
    ("range is too", RpcFault.RANGE_TOO_WIDE),
    ("range too", RpcFault.RANGE_TOO_WIDE),
    ("more than", RpcFault.RANGE_TOO_WIDE),
    ("maximum distance", RpcFault.RANGE_TOO_WIDE),
    ("response size", RpcFault.RANGE_TOO_WIDE),
    ("too large", RpcFault.RANGE_TOO_WIDE),
    ("query timeout", RpcFault.RANGE_TOO_WIDE),
    ("unknown block", RpcFault.UNKNOWN_BLOCK),
    ("block not found", RpcFault.UNKNOWN_BLOCK),
    ("header not found", RpcFault.UNKNOWN_BLOCK),
    ("blockoutofrange", RpcFault.UNKNOWN_BLOCK),
    ("out of range", RpcFault.UNKNOWN_BLOCK),
    ("timeout", RpcFault.TIMEOUT),
)


# What else providers write of it, they write under these: "limit exceeded" of EIP-1474, and HTTP's code within the answer.
CODES = {-32005: RpcFault.RATE_LIMITED, HTTP_TOO_MANY: RpcFault.RATE_LIMITED}


def _fault_of(error: Any) -> RpcError:
    if not isinstance(error, dict):
        return RpcError(RpcFault.REFUSED, str(error)[:200])
    message, code = str(error.get("message", "")), error.get("code")
    data = error.get("data", "")
    lowered = message.lower()
    other = CODES.get(code, RpcFault.REFUSED) if isinstance(code, int) else RpcFault.REFUSED
    fault = next((fault for phrase, fault in PHRASES if phrase in lowered), other)
    return RpcError(fault, message[:200], data=data if isinstance(data, str) else "")


@cache
def http_node(url: str, chain_id: int) -> HttpNode:
    """The process's connection to an endpoint: kept open, and its learnt range width with it."""
    return HttpNode(url, chain_id)


def nodes_of(rpc_urls: Sequence[str], chain_id: int) -> list[Node]:
    """The nodes of a chain, best first."""
    return [http_node(url, chain_id) for url in rpc_urls]
