import re
from pathlib import Path

import pytest

from otc.proof import compiling, mutation, operators
from otc.proof.mutation import TESTS


def changes(line):
    return {(found.operator, found.after) for found in operators.mutants("A.sol", line)}


@pytest.mark.parametrize(
    ("line", "operator", "after"),
    [
        ("if (now < start) x = 1;", "boundary", "if (now <= start) x = 1;"),
        ("if (now >= start) x = 1;", "boundary", "if (now > start) x = 1;"),
        ("if (a == b) x = 1;", "equality", "if (a != b) x = 1;"),
        ("ok = a && b;", "logic", "ok = a || b;"),
        ("x = a + b;", "sign", "x = a - b;"),
        ("x -= b;", "sign", "x += b;"),
        ("x = a * b;", "times", "x = a / b;"),
        ("emptied = true;", "truth", "emptied = false;"),
        ("_credit(payToken, deal.buyer, x);", "parties", "_credit(payToken, deal.seller, x);"),
        ("_end(deal, RULED, 1, 2, 0);", "outcome", "_end(deal, TIMED_OUT, 1, 2, 0);"),
        ("  if (a == 0) revert ZeroAmount();", "drop check", "  "),
        ("  _requireCaller(seller);", "drop check", "  "),
        ("  _credit(payToken, buyer, x);", "drop credit", "  "),
        ("  if (c != 0) _credit(payToken, seller, c);", "drop credit", "  "),
        ("  liabilities[token] -= amount;", "drop credit", "  "),
        ("  deals[id] = bytes32(stored);", "drop write", "  "),
        ("  word.value = used | bit;", "drop write", "  "),
        ("  filled[hash] = before;", "drop write", "  "),
        ("  emit Vetoed(market);", "drop event", "  "),
        ("function f() external onlyOwner nonReentrant {", "drop guard", "function f() external onlyOwner {"),
        ("function f() external onlyOwner nonReentrant {", "drop guard", "function f() external nonReentrant {"),
        ("fees[token] += 1;", "wrong token", "fees[address(1)] += 1;"),
        ("_debit(deal.payToken, x, y);", "wrong token", "_debit(address(1), x, y);"),
        ("  uint256 fee = paid * bps;", "drop fee", "  uint256 fee = 0;"),
        ("_notBefore(until + 1);", "off by one", "_notBefore(until);"),
        (
            "uint256 internal constant MAX_FEE_BPS = 200;",
            "constant",
            "uint256 internal constant MAX_FEE_BPS = 200 + 1;",
        ),
    ],
)
def test_each_operator_makes_its_change(line, operator, after):
    assert (operator, after) in changes(line)


def test_every_operator_is_tested_above():
    marks = test_each_operator_makes_its_change.pytestmark[0].args[1]
    assert operators.OPERATORS.keys() - {"status"} == {operator for _, operator, _ in marks}


@pytest.mark.parametrize(
    "line",
    [
        "// if (a < b) revert X();",
        "/// @dev a + b",
        'import {A} from "./A.sol";',
        "event A(address indexed buyer);",
        "mapping(address token => uint256) public fees;",
        "x = 1 << 128;",
        "uint256 private constant OFFER_BYTES = 448; // 14 words",
    ],
)
def test_what_does_nothing_is_left_alone(line):
    assert changes(line) == set()


def test_a_comment_stays_and_is_not_mutated():
    (mutant,) = operators.mutants("A.sol", "    if (a < b) x(); // a < b")
    assert mutant.after == "    if (a <= b) x(); // a < b"


def test_a_mutant_changes_its_line_only():
    text = "a\n  x = a + b;\nc\n"
    (mutant,) = operators.mutants("A.sol", text)
    assert (mutant.line, mutant.place) == (2, 8)
    assert operators.apply(text, mutant) == "a\n  x = a - b;\nc\n"
    with pytest.raises(ValueError, match="the file has changed"):
        operators.apply("a\nb\nc\n", mutant)


def test_a_check_in_either_form_is_dropped():
    for line in (
        'if (a == 0) return "field";',
        "if (a == 0) _revertMismatch(id);",
        "_after(until);",
        "_notAfter(until);",
    ):
        assert ("drop check", "") in changes(line)


def test_the_same_sources_give_the_same_mutants_with_names_of_their_own():
    sources = compiling.sources()
    first = mutation.all_mutants(sources)
    assert first == mutation.all_mutants(sources)
    assert len(first) > 800
    assert len({(found.name, found.after) for found in first}) == len(first)
    assert {found.operator for found in first} == operators.OPERATORS.keys()


def test_every_file_that_is_mutated_has_tests_that_are_asked_first():
    files = {mutant.file for mutant in mutation.all_mutants(compiling.sources())}
    assert files == mutation.FIRST.keys()
    contracts = set(
        re.findall(r"^contract (\w+)Test is", "".join(map(Path.read_text, TESTS.glob("*.t.sol"))), re.MULTILINE)
    )
    assert {name for names in mutation.FIRST.values() for name in names.split("|")} <= contracts


def test_a_sample_can_be_drawn_again_and_all_means_all():
    found = mutation.all_mutants(compiling.sources())
    drawn = mutation.chosen(found, only="", sample=20, seed=7, every=False)
    assert len(drawn) == 20
    assert drawn == mutation.chosen(found, only="", sample=20, seed=7, every=False)
    assert drawn != mutation.chosen(found, only="", sample=20, seed=8, every=False)
    every = mutation.chosen(found, only="", sample=20, seed=7, every=True)
    assert every[:20] == drawn
    assert set(every) == set(found)


def verdict(mutant, name, by=""):
    return mutation.Verdict(mutant, name, 1.0, by, "", 2.0)


def test_the_figures_tell_killed_and_explained_ones_apart(monkeypatch):
    first = operators.Mutant("A.sol", 1, "sign", "  x = a + b;", "  x = a - b;", 8)
    second = operators.Mutant("A.sol", 2, "sign", "  y = a + b;", "  y = a - b;", 8)
    found = [verdict(first, mutation.KILLED, "A.t.sol:ATest [FAIL]"), verdict(second, mutation.SURVIVED)]
    monkeypatch.setattr(mutation, "explained", lambda: {("A.sol", 2, "y = a + b;", "y = a - b;"): "why"})
    said = "\n".join(mutation.summary(found, 9))
    assert "2 of 9 mutants judged, 2 compile, **1 killed (50.0 %)**, 1 survived, 1 of those explained (" in said
    assert "| sign | 1 | 1 | 0 |" in said


def test_each_explanation_is_of_a_mutant_that_is_made():
    made = {mutation.key(mutant) for mutant in mutation.all_mutants(compiling.sources())}
    assert mutation.explained().keys() <= made
    assert all(len(reason) > 40 for reason in mutation.explained().values())


def test_a_verdict_stands_while_the_test_that_gave_it_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(mutation, "TESTS", tmp_path)
    (tmp_path / "support").mkdir()
    support, killer, other = tmp_path / "support" / "Venue.sol", tmp_path / "A.t.sol", tmp_path / "B.t.sol"
    support.write_text("contract Venue {}")
    killer.write_text('import {Venue} from "./support/Venue.sol";\ncontract ATest is Venue {}')
    other.write_text("contract BTest {}")
    by = "A.t.sol:ATest [FAIL] test_a()"
    killed, survived = mutation.rests_on(by), mutation.rests_on("")
    other.write_text("contract BTest { uint256 changed; }")
    assert mutation.rests_on(by) == killed
    assert mutation.rests_on("") != survived
    support.write_text("contract Venue { uint256 changed; }")
    assert mutation.rests_on(by) != killed
