"""What tokens say of themselves, asked outside of transactions. Shown, never trusted."""

from collections.abc import Iterable

from escrow.chain.client import Call, Node, RpcError
from escrow.services.markets import TokenFacts

SYMBOL = "0x95d89b41"  # symbol()
DECIMALS = "0x313ce567"  # decimals()
SYMBOL_MAX = 20
WORD = 64  # hex digits
DECIMALS_MAX = 255


def token_facts(node: Node, tokens: Iterable[str]) -> dict[str, TokenFacts]:
    """Symbol and decimals of each token; what one does not say, or says badly, is empty or None. Errors: RpcError of the node."""
    wanted = sorted(set(tokens))
    if not wanted:
        return {}
    calls: list[Call] = [
        ("eth_call", [{"to": token, "data": data}, "latest"]) for token in wanted for data in (SYMBOL, DECIMALS)
    ]
    answers = node.answers(calls)
    return {
        token: TokenFacts(_symbol(answers[2 * place]), _decimals(answers[2 * place + 1]))
        for place, token in enumerate(wanted)
    }


def _decimals(answer: object) -> int | None:
    digits = _digits(answer)
    if len(digits) != WORD:
        return None
    value = int(digits, 16)
    return value if value <= DECIMALS_MAX else None


def _symbol(answer: object) -> str:
    """An ABI string, or the bytes32 of early tokens; printable characters only."""
    digits = _digits(answer)
    if len(digits) == WORD:
        raw = bytes.fromhex(digits).rstrip(b"\0")
    elif len(digits) >= 2 * WORD and int(digits[:WORD], 16) == WORD // 2:
        length = min(int(digits[WORD : 2 * WORD], 16), len(digits))
        raw = bytes.fromhex(digits[2 * WORD : 2 * WORD + 2 * length])
    else:
        return ""
    text = raw.decode("utf-8", "replace").strip()
    return "".join(char for char in text if char.isprintable() and char != "\ufffd")[:SYMBOL_MAX]


def _digits(answer: object) -> str:
    if isinstance(answer, RpcError) or not isinstance(answer, str) or not answer.startswith("0x"):
        return ""
    digits = answer[2:]
    return digits if len(digits) % 2 == 0 and (not digits or digits.isalnum()) else ""
