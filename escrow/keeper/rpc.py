"""The keeper's questions as JSON-RPC, put to the chain's endpoints in order until one gives a usable answer."""

from collections.abc import Sequence
from typing import Any

from escrow.chain.client import ABOUT_THE_CALL, Call, RpcError, RpcFault
from escrow.chain.endpoints import chain_answers
from escrow.contracts import bindings, words
from escrow.keeper.models import SendResult
from escrow.keeper.node import NodeUnavailableError, Pulse, Receipt, Simulation, send_result
from otc.core.models import Chain

TIP_WHERE_UNKNOWN = hex(10**9)  # wei per gas, for nodes without eth_maxPriorityFeePerGas
VIEW_GAS = hex(500_000)  # for what a stranger's contract says: enough for any honest one


class RpcNode:
    """escrow.keeper.node.Node over the endpoints of a chain."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def pulse(self, address: str, *, safe_number: int) -> Pulse:
        head, tip, price, balance, latest, pending, safe = self._answers(
            [
                ("eth_getBlockByNumber", ["latest", False]),
                ("eth_maxPriorityFeePerGas", []),
                ("eth_gasPrice", []),
                ("eth_getBalance", [address, "latest"]),
                ("eth_getTransactionCount", [address, "latest"]),
                ("eth_getTransactionCount", [address, "pending"]),
                ("eth_getTransactionCount", [address, hex(safe_number)]),
            ]
        )
        header = _required(head)
        legacy = header.get("baseFeePerGas") is None
        if legacy:
            tip = _required(price)
        elif isinstance(tip, RpcError):
            tip = TIP_WHERE_UNKNOWN
        return Pulse(
            number=int(header["number"], 16),
            base_fee=None if legacy else int(header["baseFeePerGas"], 16),
            tip=int(tip, 16),
            balance=int(_required(balance), 16),
            nonce_latest=int(_required(latest), 16),
            nonce_pending=int(_required(pending), 16),
            nonce_safe=_count(safe),
        )

    def receipts(self, tx_hashes: Sequence[str]) -> list[Receipt | None]:
        answers = self._answers([("eth_getTransactionReceipt", [tx_hash]) for tx_hash in tx_hashes])
        return [_receipt(_usable(answer)) for answer in answers]

    def counted(self, address: str, tx_hashes: Sequence[str], *, safe_number: int) -> tuple[int, list[Receipt | None]]:
        count, *receipts = self._answers(
            [
                ("eth_getTransactionCount", [address, hex(safe_number)]),
                *(("eth_getTransactionReceipt", [tx_hash]) for tx_hash in tx_hashes),
            ]
        )
        return _count(count), [_receipt(_usable(answer)) for answer in receipts]

    def known(self, tx_hashes: Sequence[str]) -> list[bool]:
        answers = self._answers([("eth_getTransactionByHash", [tx_hash]) for tx_hash in tx_hashes])
        return [_usable(answer) is not None for answer in answers]

    def block_hashes(self, numbers: Sequence[int]) -> list[str | None]:
        answers = self._answers([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
        headers = [None if isinstance(answer, RpcError) else answer for answer in answers]
        return [header["hash"].lower() if header else None for header in headers]

    def read(self, to: str, calls: Sequence[str], *, block: int) -> list[str]:
        """One eth_call of the contract's own multicall: so all results are of one state."""
        data = bindings.encode_multicall([words.raw(call) for call in calls])
        answer = _required(self._answers([("eth_call", [{"to": to, "data": data}, hex(block)])])[0])
        return [words.hexed(part) for part in words.result(["bytes[]"], answer)[0]]

    def views(self, calls: Sequence[tuple[str, str]], *, block: int) -> list[str | None]:
        asked: list[Call] = [
            ("eth_call", [{"to": to, "data": data, "gas": VIEW_GAS}, hex(block)]) for to, data in calls
        ]
        return [_returned(answer) for answer in self._answers(asked)]

    def estimate(self, *, sender: str, to: str, data: str) -> Simulation:
        call = {"from": sender, "to": to, "data": data}
        return _simulation(self._answers([("eth_estimateGas", [call, "latest"])])[0], with_gas=True)

    def try_each(self, *, sender: str, to: str, calls: Sequence[str], block: int) -> list[Simulation]:
        asked: list[Call] = [("eth_call", [{"from": sender, "to": to, "data": data}, hex(block)]) for data in calls]
        return [_simulation(answer, with_gas=False) for answer in self._answers(asked)]

    def send(self, raw: bytes) -> tuple[SendResult, str]:
        try:
            answer = self._answers([("eth_sendRawTransaction", [words.hexed(raw)])])[0]
        except NodeUnavailableError as error:
            return SendResult.TRANSIENT, str(error)
        if not isinstance(answer, RpcError):
            return SendResult.ACCEPTED, ""
        if answer.fault in {RpcFault.RATE_LIMITED, RpcFault.TIMEOUT}:
            return SendResult.TRANSIENT, answer.detail
        return send_result(answer.detail), answer.detail

    def _answers(self, calls: Sequence[Call]) -> list[Any]:
        """Answers in order, errors about single calls in their places."""
        try:
            return chain_answers(self._chain, calls)
        except RpcError as error:
            raise NodeUnavailableError(str(error)) from error


def _count(answer: Any) -> int:
    """Of a state that the node may not have, or no longer."""
    return 0 if isinstance(answer, RpcError) else int(answer, 16)


def _required(answer: Any) -> Any:
    answer = _usable(answer)
    if answer is None:
        raise NodeUnavailableError("an empty answer")
    return answer


def _usable(answer: Any) -> Any:
    if isinstance(answer, RpcError):
        raise NodeUnavailableError(str(answer))
    return answer


def _returned(answer: Any) -> str | None:
    if isinstance(answer, RpcError) and answer.fault in ABOUT_THE_CALL:
        return None
    return str(_required(answer))


def _receipt(answer: Any) -> Receipt | None:
    if not answer or not answer.get("blockHash"):
        return None
    return Receipt(
        block_number=int(answer["blockNumber"], 16),
        block_hash=answer["blockHash"].lower(),
        succeeded=int(answer["status"], 16) == 1,
    )


def _simulation(answer: Any, *, with_gas: bool) -> Simulation:
    if isinstance(answer, RpcError):
        if answer.fault not in ABOUT_THE_CALL:
            raise NodeUnavailableError(str(answer))
        return Simulation(None, answer.data, answer.detail)
    return Simulation(int(answer, 16) if with_gas else 0)
