import pytest

from otc.proof import operators, schemata
from otc.proof.operators import Mutant

FILE = """pragma solidity ^0.8.30;

contract A {
    function f(uint256 a, uint256 b) external nonReentrant returns (uint256 c) {
        if (a < b) revert Wrong();
        c = a + b;
        uint256 d = c * 2;
    }
}
"""


def node(kind, text, *parts, inside=FILE, **more):
    """A node of the compiler's tree that stands where `text` first stands."""
    return {"nodeType": kind, "src": f"{inside.index(text)}:{len(text)}:0", "parts": list(parts), **more}


def expression(kind, text, *parts, **more):
    return node(kind, text, *parts, typeDescriptions={"typeString": "uint256"}, **more)


BODY = FILE[FILE.index("{\n        if") : FILE.index("    }\n}")] + "    }"
TREE = node(
    "SourceUnit",
    FILE,
    node(
        "FunctionDefinition",
        FILE[FILE.index("function") : FILE.index("    }\n}")] + "    }",
        node("ModifierInvocation", "nonReentrant"),
        node(
            "Block",
            BODY,
            node(
                "IfStatement",
                "if (a < b) revert Wrong()",
                expression("BinaryOperation", "a < b"),
                node("RevertStatement", "revert Wrong()"),
            ),
            node(
                "ExpressionStatement",
                "c = a + b",
                expression(
                    "Assignment",
                    "c = a + b",
                    expression("Identifier", "c = "[:1], lValueRequested=True),
                    expression("BinaryOperation", "a + b"),
                ),
            ),
            node("VariableDeclarationStatement", "uint256 d = c * 2", expression("BinaryOperation", "c * 2")),
        ),
    ),
)


def schema(*operator_names):
    found = [mutant for mutant in operators.mutants("A.sol", FILE) if mutant.operator in operator_names]
    text, held = schemata.schema(FILE, TREE, list(enumerate(found, start=1)))
    assert held == set(range(1, len(found) + 1))
    return text


@pytest.mark.parametrize(
    ("operator", "line"),
    [
        ("boundary", "if ((MUTANT == 1 ? a <= b : a < b)) revert Wrong();"),
        ("sign", "c = (MUTANT == 1 ? a - b : a + b);"),
        ("times", "uint256 d = (MUTANT == 1 ? c / 2 : c * 2);"),
        ("drop check", "{ if (MUTANT == 1) {  } else { if (a < b) revert Wrong(); } }"),
        ("drop guard", "external nonReentrantBut(1) returns"),
    ],
)
def test_a_place_asks_which_mutant_is_active(operator, line):
    text = schema(operator)
    assert line in text
    assert text.count("MUTANT ==") == (0 if operator == "drop guard" else 1)


def test_an_inner_place_stays_in_the_unchanged_branch_of_an_outer_one():
    assert "{ if (MUTANT == 1) {  } else { if ((MUTANT == 2 ? a <= b : a < b)) revert Wrong(); } }" in schema(
        "drop check", "boundary"
    )


def test_a_file_without_mutants_is_left_alone():
    assert schemata.schema(FILE, TREE, []) == (FILE, set())


def test_what_is_no_expression_or_statement_is_not_held():
    line = FILE.split("\n")[3]
    declared = Mutant("A.sol", 4, "parties", line, line.replace("uint256 a", "uint256 z"), 24)
    assert schemata.schema(FILE, TREE, [(1, declared)])[1] == set()


def test_the_change_of_a_mutant_is_as_small_as_can_be():
    for operator, before, new in (("boundary", b"<", b"<="), ("sign", b"+", b"-"), ("times", b"*", b"/")):
        (mutant,) = (mutant for mutant in operators.mutants("A.sol", FILE) if mutant.operator == operator)
        change = schemata.edit(1, FILE, mutant)
        assert FILE.encode()[change.start : change.end].strip() in {before, b""}
        changed = FILE.encode()[: change.start] + change.new + FILE.encode()[change.end :]
        assert changed.decode() == operators.apply(FILE, mutant)
        assert new in changed


def test_a_number_is_written_over_the_placeholder():
    code = f"60007f{schemata.PLACEHOLDER}14"
    assert schemata.activate(code, 258) == f"60007f{258:064x}14"
    with pytest.raises(ValueError, match="does not ask"):
        schemata.activate("6000", 1)


def test_the_guards_of_the_library_get_their_droppable_twins():
    unit, _, place = schemata.GUARDS["nonReentrant"]
    text = schemata.guarded({unit: f"pragma solidity ^0.8.24;\n{place}\n"})[unit]
    assert "modifier nonReentrantBut(uint256 mutant)" in text
    assert text.count(place) == 1
    assert text.startswith(f"pragma solidity ^0.8.24;{schemata.IMPORT}")
