"""How a node that is behind, or on a fork, would see the chain: questions and answers of JSON-RPC rewritten. No I/O."""

from collections.abc import Iterator
from typing import Any, Protocol

Json = dict[str, Any]
NEWEST = {"latest", "pending"}
# Where a call names the block that it asks about.
PLACE = {
    "eth_getBlockByNumber": 0,
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_getTransactionCount": 1,
    "eth_getStorageAt": 2,
}
# Their answer is a block, a receipt or a transaction, and null where the node has none.
NULLABLE = {
    "eth_getBlockByNumber",
    "eth_getBlockByHash",
    "eth_getTransactionReceipt",
    "eth_getTransactionByHash",
    "eth_getBlockReceipts",
}
HASH_LENGTH = 66


def question(method: str, *params: Any) -> Json:
    """One call."""
    return {"jsonrpc": "2.0", "id": 0, "method": method, "params": params}


class View(Protocol):
    """`head` is the node's real head. `asked` is what is put to the real node, `answered` what comes of its answer."""

    def asked(self, call: Json, head: int) -> Json: ...

    def answered(self, call: Json, answer: Json, head: int) -> Json: ...


class Lagging:
    """The newest `blocks` blocks have not arrived yet. A range of logs that ends above its head is cut there without a word."""

    def __init__(self, blocks: int) -> None:
        self._blocks = blocks

    def _head(self, head: int) -> int:
        return max(0, head - self._blocks)

    def asked(self, call: Json, head: int) -> Json:
        mine = hex(self._head(head))
        params = list(call.get("params", []))
        place = PLACE.get(call["method"])
        if place is not None and place < len(params) and params[place] in NEWEST:
            params[place] = mine
        if call["method"] == "eth_getLogs":
            params[0] = {
                key: mine if key in {"fromBlock", "toBlock"} and _above(value, self._head(head)) else value
                for key, value in params[0].items()
            }
        return {**call, "params": params}

    def answered(self, call: Json, answer: Json, head: int) -> Json:
        mine = self._head(head)
        method, result = call["method"], answer.get("result")
        if method == "eth_blockNumber":
            return {**answer, "result": hex(mine)}
        place = PLACE.get(method)
        params = call.get("params", [])
        tag = params[place] if place is not None and place < len(params) else None
        asked_above = tag not in NEWEST and _above(tag, mine)
        answer_above = isinstance(result, dict) and _height(result) > mine
        if method in NULLABLE and (asked_above or answer_above):
            return {**answer, "result": None}
        if asked_above:
            return _unknown(answer)
        if method == "eth_getLogs" and isinstance(result, list):
            return {**answer, "result": [log for log in result if _height(log) <= mine]}
        return answer


class Forked:
    """Blocks higher than `above` have other hashes here, and the same content."""

    def __init__(self, *, above: int) -> None:
        self._above = above
        self._mine: dict[str, str] = {}  # this branch's hash → the real one
        self._theirs: set[str] = set()

    def asked(self, call: Json, _head: int) -> Json:
        params: list[Any] = []
        for param in call.get("params", []):
            if isinstance(param, str):
                params.append(self._mine.get(param, param))
            elif isinstance(param, dict):
                params.append({key: self._mine.get(v, v) if isinstance(v, str) else v for key, v in param.items()})
            else:
                params.append(param)
        return {**call, "params": params}

    def answered(self, call: Json, answer: Json, _head: int) -> Json:
        if any(text in self._theirs for text in _texts(call.get("params", []))):
            # It never saw that branch.
            return {**answer, "result": None} if call["method"] in NULLABLE else _unknown(answer)
        if "result" not in answer:
            return answer
        return {**answer, "result": self._seen(answer["result"])}

    def _seen(self, found: Any) -> Any:
        if isinstance(found, list):
            return [self._seen(item) for item in found]
        if not isinstance(found, dict):
            return found
        height = _height(found)
        if height <= self._above:
            return found
        seen = dict(found)
        if isinstance(found.get("blockHash"), str):
            seen["blockHash"] = self._flip(found["blockHash"])
        elif "parentHash" in found:
            seen["hash"] = self._flip(found["hash"])
            if height - 1 > self._above:
                seen["parentHash"] = self._flip(found["parentHash"])
        if isinstance(found.get("logs"), list):
            seen["logs"] = self._seen(found["logs"])
        return seen

    def _flip(self, text: str) -> str:
        flipped = text[:-1] + f"{int(text[-1], 16) ^ 1:x}"
        self._mine[flipped] = text
        self._theirs.add(text)
        return flipped


def _texts(params: Any) -> Iterator[str]:
    for param in params:
        if isinstance(param, str):
            yield param
        elif isinstance(param, dict):
            yield from (value for value in param.values() if isinstance(value, str))


def _height(found: Any) -> int:
    """The block that a header, receipt, transaction or log belongs to; -1 for one that waits."""
    if not isinstance(found, dict):
        return -1
    text = found.get("blockNumber") or found.get("number")
    return int(text, 16) if isinstance(text, str) else -1


def _above(tag: Any, height: int) -> bool:
    """Whether a block tag names something above `height`."""
    if not isinstance(tag, str) or len(tag) == HASH_LENGTH:
        return False
    return tag in NEWEST or (tag.startswith("0x") and int(tag, 16) > height)


def _unknown(answer: Json) -> Json:
    return {"jsonrpc": "2.0", "id": answer["id"], "error": {"code": -32000, "message": "header not found"}}
