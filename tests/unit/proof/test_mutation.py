import pytest

from otc.proof import mutation, operators


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


def test_the_same_sources_give_the_same_mutants_with_names_of_their_own():
    first = mutation.all_mutants()
    assert first == mutation.all_mutants()
    assert len(first) > 300
    assert len({(found.name, found.after) for found in first}) == len(first)
    assert {found.operator for found in first} == operators.OPERATORS.keys()


def test_a_sample_can_be_drawn_again_and_all_means_all():
    found = mutation.all_mutants()
    drawn = mutation.chosen(found, only="", sample=20, seed=7, every=False)
    assert len(drawn) == 20
    assert drawn == mutation.chosen(found, only="", sample=20, seed=7, every=False)
    assert drawn != mutation.chosen(found, only="", sample=20, seed=8, every=False)
    assert mutation.chosen(found, only="", sample=20, seed=7, every=True) == found


def test_a_survivor_fails_the_run_and_a_killed_mutant_does_not():
    mutant = operators.Mutant("A.sol", 1, "sign", "x = a + b;", "x = a - b;", 8)
    survived = mutation.Verdict(mutant, mutation.SURVIVED, 1, "")
    killed = mutation.Verdict(mutant, mutation.KILLED, 1, "a test")
    said = []
    assert mutation._summary(said.append, [killed], 1) == 0
    assert mutation._summary(said.append, [killed, survived], 1) == 1
    assert "1 of 2 killed, 1 survived" in "\n".join(said)
