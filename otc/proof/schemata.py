"""All mutants in one compilation: sources in which each mutated place asks for the number of the mutant that is active.

`a < b` becomes `(MUTANT == 17 ? a <= b : a < b)`, a dropped statement `{ if (MUTANT == 18) { } else { … } }`. MUTANT is a
constant of 32 bytes that occurs nowhere else in the compiled code: to activate a mutant, its number is written over it.
Nothing but that number differs between a mutant and the unchanged contract, number 0.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from otc.proof import compiling
from otc.proof.operators import Mutant
from otc.stack.errors import StackError

UNIT = "src/Mutant.sol"
# So random that it stands nowhere else in the code, and is not made by cheaper code.
PLACEHOLDER = hashlib.sha256(b"forelock mutant").hexdigest()
CONSTANT = f"// SPDX-License-Identifier: MIT\npragma solidity ^0.8.30;\n\nuint256 constant MUTANT = 0x{PLACEHOLDER};\n"
IMPORT = f'\nimport {{MUTANT}} from "{UNIT}";'
PRAGMA = "pragma solidity ^0.8.30;"
EXPRESSIONS = frozenset(
    {"BinaryOperation", "Conditional", "FunctionCall", "Identifier", "IndexAccess", "Literal", "MemberAccess"}
    | {"TupleExpression", "UnaryOperation"}
)
STATEMENTS = frozenset({"EmitStatement", "ExpressionStatement", "IfStatement", "Return", "RevertStatement"})
# A guard is dropped in the library, where it stands.
MARK = re.compile(rb"MUTANT == (\d+)")
GUARDS = {
    "nonReentrant": (
        "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol",
        (
            "    modifier nonReentrantBut(uint256 mutant) {\n        if (MUTANT != mutant) _nonReentrantBefore();\n        _;\n"
            "        if (MUTANT != mutant) _nonReentrantAfter();\n    }\n\n"
        ),
        "    modifier nonReentrant() {",
    ),
    "onlyOwner": (
        "@openzeppelin/contracts/access/Ownable.sol",
        "    modifier onlyOwnerBut(uint256 mutant) {\n        if (MUTANT != mutant) _checkOwner();\n        _;\n    }\n\n",
        "    modifier onlyOwner() {",
    ),
}


@dataclass(frozen=True)
class Edit:
    """What a mutant changes: bytes `start` to `end` of its file become `new`."""

    number: int
    start: int
    end: int
    new: bytes


@dataclass
class Node:
    """A node of the syntax tree, with the mutants that are chosen at it."""

    kind: str
    start: int
    end: int
    parts: list["Node"]
    usable: bool
    edits: list[Edit] = field(default_factory=list)


def combine(sources: Mapping[str, str], mutants: Mapping[int, Mutant]) -> tuple[dict[str, str], set[int]]:
    """The sources with all of the numbered mutants that compile together, and the numbers of those."""
    trees, errors = compiling.trees(sources)
    if errors:
        raise StackError(f"the sources do not compile: {errors[0]['formattedMessage']}")
    bad: set[int] = set()
    while True:
        texts, held = {}, set[int]()
        for unit, text in sources.items():
            mine = [(n, m) for n, m in mutants.items() if compiling.OURS + m.file == unit and n not in bad]
            texts[unit], those = schema(text, trees[unit], mine)
            held |= those
        texts = guarded(texts)
        _, errors = compiling.trees(texts)
        if not errors:
            return texts, held
        bad |= {_guilty(error, texts) for error in errors}


def _guilty(error: compiling.Error, texts: Mapping[str, str]) -> int:
    """The mutant in whose text, or right behind which, the compiler stumbled."""
    place = error["sourceLocation"]
    marks = [match for match in MARK.finditer(texts[place["file"]].encode()) if match.start() <= place["start"] + 2]
    if not marks:
        raise StackError(f"no mutant is to blame: {error['formattedMessage']}")
    return int(marks[-1][1])


def edit(number: int, text: str, mutant: Mutant) -> Edit:
    """The smallest change of `text` that makes the mutant."""
    before, after = mutant.before, mutant.after
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    while head and _in_word(before, head) and (_in_word(after, head) or head == len(after)):
        head -= 1  # whole words only
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    while tail and _in_word(before, len(before) - tail):
        tail -= 1
    line = "\n".join(text.split("\n")[: mutant.line - 1])
    start = len(line.encode()) + (1 if mutant.line > 1 else 0)
    return Edit(
        number,
        start + len(before[:head].encode()),
        start + len(before[: len(before) - tail].encode()),
        after[head : len(after) - tail].encode(),
    )


def _in_word(text: str, place: int) -> bool:
    """Whether `place` is inside a word."""
    return 0 < place < len(text) and re.match(r"\w\w", text[place - 1 : place + 1]) is not None


def schema(text: str, ast: Mapping[str, Any], mutants: Sequence[tuple[int, Mutant]]) -> tuple[str, set[int]]:
    """The file with all of the numbered mutants that it can hold, and the numbers of those."""
    source = text.encode()
    root = _node(ast, source)
    held = set()
    for number, mutant in mutants:
        change = edit(number, text, mutant)
        place = _place(root, change, mutant)
        if place:
            place.edits.append(change)
            held.add(number)
    if not held:
        return text, held
    return _render(root, source).decode().replace(PRAGMA, PRAGMA + IMPORT, 1), held


def guarded(sources: Mapping[str, str]) -> dict[str, str]:
    """The sources with the constant, and with guards that a mutant can drop."""
    found = {**sources, UNIT: CONSTANT}
    for unit, modifier, place in GUARDS.values():
        if unit in found:
            text = found[unit].replace(place, modifier + place, 1)
            found[unit] = re.sub(r"^(pragma solidity .*;)$", rf"\1{IMPORT}", text, count=1, flags=re.MULTILINE)
    return found


def activate(code: str, number: int) -> str:
    """The compiled code (hex) with the mutant active; 0 for none. ValueError when there is no place for the number."""
    if PLACEHOLDER not in code:
        raise ValueError("the compiled code does not ask which mutant is active")
    return code.replace(PLACEHOLDER, f"{number:064x}")


def _node(entry: Mapping[str, Any], source: bytes) -> Node:
    start, length, _file = (int(part) for part in entry["src"].split(":"))
    end = start + length
    kind = entry["nodeType"]
    if kind in STATEMENTS and source[end : end + 1] == b";":
        end += 1
    parts = sorted((_node(part, source) for part in _parts(entry)), key=lambda part: (part.start, part.end))
    types = entry.get("typeDescriptions", {}).get("typeString") or ""
    usable = kind in STATEMENTS or (
        kind in EXPRESSIONS
        and not entry.get("lValueRequested")
        and types not in {"", "tuple()"}
        and not types.startswith(("function ", "type(", "modifier"))
    )
    return Node(kind, start, end, parts, usable)


def _parts(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for value in entry.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict) and "nodeType" in item and "src" in item:
                yield item


def _place(node: Node, change: Edit, mutant: Mutant) -> Node | None:
    """The smallest expression or statement that holds the change."""
    if node.kind == "InlineAssembly":
        return None
    for part in node.parts:
        if part.start <= change.start and change.end <= part.end:
            found = _place(part, change, mutant)
            if found:
                return found
    if mutant.operator == "drop guard":  # the change takes the blank before it too
        guards = [part for part in node.parts if part.kind == "ModifierInvocation"]
        return next((part for part in guards if change.start <= part.start and part.end <= change.end), None)
    return node if node.usable else None


def _render(node: Node, source: bytes) -> bytes:
    if node.kind == "ModifierInvocation" and node.edits:
        return source[node.start : node.end] + b"But(%d)" % node.edits[0].number
    written = b""
    at = node.start
    for part in node.parts:
        if part.start < at:
            continue  # of a node that stands in two places of the tree
        written += source[at : part.start] + _render(part, source)
        at = part.end
    written += source[at : node.end]
    statement = node.kind in STATEMENTS
    for change in reversed(node.edits):
        mutated = source[node.start : change.start] + change.new + source[change.end : node.end]
        if statement:
            written = b"{ if (MUTANT == %d) { %s } else { %s } }" % (change.number, mutated, written)
        else:
            written = b"(MUTANT == %d ? %s : %s)" % (change.number, mutated, written)
    return written
