"""What tokens say of themselves, asked outside of transactions. Shown, never trusted."""

from collections.abc import Iterable, Mapping, Sequence

from escrow.chain.client import ABOUT_THE_CALL, Call, Node, RpcError, RpcFault
from escrow.services.markets import TokenFacts

SYMBOL = "0x95d89b41"  # symbol()
DECIMALS = "0x313ce567"  # decimals()
BALANCE_OF = "0x70a08231"  # balanceOf(address)
# A token may be anybody's code. Several times what an honest one needs, and so little that a bad one neither keeps a node busy nor
# returns megabytes.
GAS = hex(300_000)
SYMBOL_MAX = 20
WORD = 64  # hex digits
DECIMALS_MAX = 255
# The token refused, ran out of gas, or says too much. Any other fault is the node's, and says nothing about the token.
OWN_FAULTS = ABOUT_THE_CALL | {RpcFault.RANGE_TOO_WIDE}


def token_facts(node: Node, tokens: Iterable[str]) -> dict[str, TokenFacts]:
    """Symbol and decimals of each token; what one does not say, or says badly, is empty or None. Errors: RpcError of the node, to
    any of the calls: what is asked once and kept must not depend on its mood.
    """
    wanted = sorted(set(tokens))
    if not wanted:
        return {}
    calls: list[Call] = [
        ("eth_call", [{"to": token, "data": data, "gas": GAS}, "latest"])
        for token in wanted
        for data in (SYMBOL, DECIMALS)
    ]
    answers = _answers(node, calls)
    return {
        token: TokenFacts(_symbol(answers[2 * place]), _decimals(answers[2 * place + 1]))
        for place, token in enumerate(wanted)
    }


def token_balances(
    node: Node, tokens: Sequence[str], *, holder: str, at: Mapping[str, str | None]
) -> dict[str, int | None]:
    """What each token says that `holder` has at a block; None: it reverts, or returns no number. Errors: RpcError of the node."""
    data = BALANCE_OF + "00" * 12 + holder[2:]
    answers = _answers(node, [("eth_call", [{"to": token, "data": data, "gas": GAS}, at]) for token in tokens])
    return {token: _balance(answer) for token, answer in zip(tokens, answers, strict=True)}


def _answers(node: Node, calls: Sequence[Call]) -> list[object]:
    """Errors: RpcError of the node, to any of the calls."""
    answers = node.answers(calls)
    for answer in answers:
        if isinstance(answer, RpcError) and answer.fault not in OWN_FAULTS:
            raise answer
    return list(answers)


def _balance(answer: object) -> int | None:
    digits = _digits(answer)
    return int(digits[:WORD], 16) if len(digits) >= WORD else None


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
    if not isinstance(answer, str) or not answer.startswith("0x"):
        return ""
    digits = answer[2:]
    return digits if len(digits) % 2 == 0 and (not digits or digits.isalnum()) else ""
