"""What the keeper asks of a node, and how a node's answers to a raw transaction are read. No I/O here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from escrow.keeper.models import SendResult


class NodeUnavailableError(Exception):
    """No endpoint gave a usable answer: the step ends, the next one tries again."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """The state that a step is judged by, read together. Wei. `base_fee` None: blocks have none, and `tip` is the whole price of
    gas (a legacy chain). `nonce_safe` is the account's count at the safe block, 0 where the node no longer knows that state.
    """

    number: int
    base_fee: int | None
    tip: int
    balance: int
    nonce_latest: int
    nonce_pending: int
    nonce_safe: int


@dataclass(frozen=True, slots=True)
class Receipt:
    block_number: int
    block_hash: str
    succeeded: bool


@dataclass(frozen=True, slots=True)
class Simulation:
    """Gas when it would go through, else the revert data (empty when the node gave none) and the node's words."""

    gas: int | None
    revert_data: str = ""
    message: str = ""


class Node(Protocol):
    """Every method raises NodeUnavailableError, except `send`, which says TRANSIENT."""

    def pulse(self, address: str, *, safe_number: int) -> Pulse: ...

    def receipts(self, tx_hashes: Sequence[str]) -> list[Receipt | None]: ...

    def counted(self, address: str, tx_hashes: Sequence[str], *, safe_number: int) -> tuple[int, list[Receipt | None]]:
        """The account's count at the safe block, as in `Pulse`, and these receipts, of one and the same endpoint."""
        ...

    def known(self, tx_hashes: Sequence[str]) -> list[bool]:
        """Whether the node has the transaction, waiting or mined."""
        ...

    def block_hashes(self, numbers: Sequence[int]) -> list[str | None]: ...

    def read(self, to: str, calls: Sequence[str], *, block: int) -> list[str]:
        """The results of view calls of the escrow at one block."""
        ...

    def views(self, calls: Sequence[tuple[str, str]], *, block: int) -> list[str | None]:
        """What each (contract, calldata) returns at one block; None where it reverts or has no code."""
        ...

    def estimate(self, *, sender: str, to: str, data: str) -> Simulation: ...

    def try_each(self, *, sender: str, to: str, calls: Sequence[str], block: int) -> list[Simulation]:
        """Each call alone at one block; `gas` is 0 where it would go through."""
        ...

    def send(self, raw: bytes) -> tuple[SendResult, str]: ...


# In this order: a text that fits two rows means the first. Words of geth, anvil, reth, erigon, nethermind, besu and L2 sequencers.
_SEND_WORDS: tuple[tuple[SendResult, tuple[str, ...]], ...] = (
    (
        SendResult.KNOWN,
        (
            "already known",
            "alreadyknown",
            "already imported",
            "known transaction",
            "already exists",
            "already in mempool",
        ),
    ),
    (
        SendResult.UNDERPRICED,
        (
            "underpriced",
            "less than block base fee",
            "fee too low",
            "feetoolow",
            "gas price too low",
            "gas price below",
            "max fee per gas too low",
            "replacement not allowed",
        ),
    ),
    (
        SendResult.NONCE_LOW,
        ("nonce too low", "oldnonce", "nonce is too low", "invalid nonce; got", "nonce has already been used"),
    ),
    (
        SendResult.FUNDS_LOW,
        ("insufficient funds", "insufficientfunds", "not enough funds", "insufficient balance", "upfront cost exceeds"),
    ),
    (SendResult.REVERTED, ("execution reverted", "always failing transaction", "transaction would revert")),
    (
        SendResult.TRANSIENT,
        (
            "timeout",
            "timed out",
            "too many requests",
            "rate limit",
            "limit exceeded",
            "pool is full",
            "pool full",
            "nonce too high",
            "nonce gap",
            "futurenonce",
            "header not found",
            "unavailable",
            "in-flight transaction limit",
            "try again",
        ),
    ),
)


def send_result(message: str) -> SendResult:
    """The meaning of a node's error text; UNKNOWN when no row fits."""
    text = message.lower()
    for result, words in _SEND_WORDS:
        if any(word in text for word in words):
            return result
    return SendResult.UNKNOWN
