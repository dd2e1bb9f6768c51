"""Figures in docs/verification.md: each block between two marks is written by the command that measured it."""

import hashlib
import json
import re
from collections.abc import Sequence

from otc.proof import project
from otc.stack.errors import StackError
from otc.stack.layout import PROJECT

PAGE = PROJECT / "docs" / "verification.md"
DIGITS = 12


def write(name: str, lines: Sequence[str]) -> None:
    """Replaces the block of that name. StackError when the page has none."""
    text = PAGE.read_text(encoding="utf-8")
    block = re.compile(rf"(<!-- figures: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not block.search(text):
        raise StackError(f"{PAGE.name} has no block for the figures of {name}")
    content = "".join(f"{line}\n" for line in lines)
    PAGE.write_text(block.sub(lambda match: match[1] + content + match[2], text, count=1), encoding="utf-8")


def byte_code(name: str = "OTCEscrow") -> str:
    """The shipped code that the figures are of, by its digest."""
    code = json.loads((project.CONTRACTS / "artifacts" / f"{name}.json").read_text(encoding="utf-8"))["bytecode"]
    return f"byte code {hashlib.sha256(code.encode()).hexdigest()[:DIGITS]}"
