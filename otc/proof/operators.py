"""Mutants of Solidity source text: each changes one thing that a test must notice.

Text, not syntax: a mutant that does not compile is counted as such and proves nothing. The order is that of the text, so
the same sources always give the same mutants.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Change = tuple[int, int, str]  # from, to, new text
Operator = Callable[[str], Iterator[Change]]


@dataclass(frozen=True)
class Mutant:
    """`line` (from 1) of `file` becomes `after`."""

    file: str
    line: int
    operator: str
    before: str
    after: str
    place: int  # column of the change

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line}:{self.place} {self.operator}"


def _swap(pairs: Sequence[tuple[str, str]]) -> Operator:
    """Each word of a pair for the other, at each place."""
    both = {**dict(pairs), **{b: a for a, b in pairs}}
    words = "|".join(rf"\b{word}\b" if word.isidentifier() else re.escape(word) for word in both)
    pattern = re.compile(words)

    def operator(code: str) -> Iterator[Change]:
        for match in pattern.finditer(code):
            yield match.start(), match.end(), both[match[0]]

    return operator


def _replace(pattern: str, new: str) -> Operator:
    compiled = re.compile(pattern)

    def operator(code: str) -> Iterator[Change]:
        for match in compiled.finditer(code):
            yield match.start(), match.end(), match.expand(new)

    return operator


STORED = (
    r"(?:deals|progress|delivered|filled|nonces|epochs|autoDeliver|payTokenAllowed|feeRecipient|_config\.\w+"
    r"|m\.[\w.]+|_markets|word\.value|free\.value)"
)
OUTCOMES = (("DELIVERED", "SLASHED"), ("REFUNDED", "MUTUAL"), ("RULED", "TIMED_OUT"))
OPERATORS: dict[str, Operator] = {
    "boundary": _swap([(" < ", " <= "), (" > ", " >= ")]),
    "equality": _swap([(" == ", " != ")]),
    "logic": _swap([(" && ", " || ")]),
    "sign": _swap([(" + ", " - "), (" += ", " -= ")]),
    "times": _swap([(" * ", " / ")]),
    "truth": _swap([("true", "false")]),
    "parties": _swap([("buyer", "seller"), ("payer", "payee")]),
    "outcome": _swap(OUTCOMES),
    "status": _swap([("OPEN", "PROPOSED"), ("CANCELLED", "CANCEL_PROPOSED"), ("BY_BUYER", "BY_SELLER")]),
    "drop check": _replace(
        r"^(\s*)(?:(?:else )?if \(.*\) (?:revert \w+\(.*\)|_revert\w+\(.*\)|return \"\w+\")"
        r"|_(?:require|not|after|check)\w*\(.*\));$",
        r"\1",
    ),
    "drop credit": _replace(
        r"^(\s*)(?:if \([^;]*\) )?(?:_(?:credit|debit)\(.*\)|(?:fees|liabilities)\[.*\] [+-]?= .*);$", r"\1"
    ),
    "drop write": _replace(rf"^(\s*)(?:if \([^;]*\) )?{STORED}(?:\[.*?\])*(?:\.value)? \|?= [^=].*;$", r"\1"),
    "drop event": _replace(r"^(\s*)emit .*;$", r"\1"),
    "drop guard": _replace(r" (?:nonReentrant|onlyOwner)\b", ""),
    "wrong token": _replace(
        r"(_(?:credit|debit)\(|(?:fees|liabilities|balances)\[)(?:deal\.)?(?:payToken|token)\b", r"\1address(1)"
    ),
    "drop fee": _replace(r"^(\s*)(uint256 fee\w*) = .*;$", r"\1\2 = 0;"),
    "off by one": _replace(r" [+-] 1\b", ""),
    "constant": _replace(r"^(\s*uint256 .*constant (?!\w*BYTES)\w+ = [\w ]+);", r"\1 + 1;"),
}


def mutants(file: str, text: str) -> list[Mutant]:
    """All mutants of one file, in the order of its text."""
    found: list[Mutant] = []
    for number, line in enumerate(text.splitlines(), start=1):
        code = _code(line)
        if not code.strip() or _declares(code):
            continue
        changes = [
            (start, name, end, new) for name, operator in OPERATORS.items() for start, end, new in operator(code)
        ]
        for start, name, end, new in sorted(changes):
            after = code[:start] + new + code[end:]
            if after != code:
                found.append(Mutant(file, number, name, line, after + line[len(code) :], start + 1))
    return found


def apply(text: str, mutant: Mutant) -> str:
    """The file with the mutant in it. ValueError when it is no longer the file that the mutant was made of."""
    lines = text.split("\n")
    if lines[mutant.line - 1] != mutant.before:
        raise ValueError(f"{mutant.name}: the file has changed")
    lines[mutant.line - 1] = mutant.after
    return "\n".join(lines)


def _code(line: str) -> str:
    """The line without its comment. A string with // in it does not occur in these sources."""
    if line.lstrip().startswith(("//", "/*", "*")):
        return ""
    return line.split(" //", 1)[0].rstrip()


def _declares(code: str) -> bool:
    """Lines that do nothing by themselves."""
    return code.lstrip().startswith(
        ("import ", "pragma ", "using ", "event ", "error ", "mapping(", "contract ", "abstract ")
    )
