"""How the generated bindings read and write ABI words. Hashes and addresses are lower-case 0x-hex, numbers are ints."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode

WORD = 64  # hex digits
PANICS = {0x01: "assertion", 0x11: "overflow", 0x12: "division by zero", 0x21: "bad enum", 0x32: "index out of range"}


@dataclass(frozen=True, slots=True)
class ContractError:
    """A revert, decoded: the error's name and its arguments by name."""

    name: str
    args: dict[str, int | str | bool]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value}' for key, value in self.args.items())})"


def payload(data: str, words: int) -> str:
    """The hex digits of `data`, which must be exactly `words` ABI words; else ValueError."""
    if not data.startswith("0x") or len(data) != 2 + words * WORD:
        raise ValueError(f"expected {words} words of data, got {len(data) - 2} hex digits")
    return data[2:].lower()


def check_topics(topics: Sequence[str], topic0: str, count: int) -> None:
    """ValueError unless the log is of this event, and each topic one word."""
    if len(topics) != count or topics[0].lower() != topic0 or set(map(len, topics)) != {WORD + 2}:
        raise ValueError(f"not a log of {topic0}")


def raw(value: str) -> bytes:
    """0x-hex to bytes."""
    return bytes.fromhex(value[2:])


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


def call(selector: str, types: Sequence[str], values: Sequence[Any]) -> str:
    """Calldata as 0x-hex."""
    return selector + abi_encode(types, values).hex()


def result(types: Sequence[str], data: str) -> tuple[Any, ...]:
    """What `eth_call` returned, as eth_abi's values."""
    return abi_decode(types, raw(data))


def revert_reason(data: str, errors: dict[str, tuple[str, tuple[tuple[str, str], ...]]]) -> ContractError | None:
    """Revert data against `errors` (selector to name and (parameter, type) pairs) and Solidity's own two; None when
    unknown. A parameter named `what` is ASCII text in a bytes32.
    """
    selector, body = data[:10].lower(), "0x" + data[10:]
    try:
        if selector == "0x08c379a0":
            return ContractError("Error", {"message": str(result(["string"], body)[0])})
        if selector == "0x4e487b71":
            code = int(result(["uint256"], body)[0])
            return ContractError("Panic", {"code": code, "message": PANICS.get(code, "unknown")})
        if selector not in errors:
            return None
        name, parameters = errors[selector]
        values = result([kind for _, kind in parameters], body)
    except Exception as error:  # eth_abi raises a family of its own on truncated data
        raise ValueError(f"malformed revert data {data[:74]}") from error
    args: dict[str, int | str | bool] = {}
    for (parameter, kind), value in zip(parameters, values, strict=True):
        if kind == "bytes32" and parameter == "what":
            args[parameter] = value.rstrip(b"\0").decode("ascii", "replace")
        elif isinstance(value, bytes):
            args[parameter] = hexed(value)
        else:
            args[parameter] = value
    return ContractError(name, args)
