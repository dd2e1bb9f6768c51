import os

import pytest

from otc.proof import compiling, halmos, symbolic
from otc.stack.errors import StackError

ABI = symbolic.committed_abi()
RIGHTS = symbolic.committed_abi(symbolic.RIGHTS)


def test_the_committed_checks_are_what_the_abi_gives():
    text = symbolic.GENERATED.read_text(encoding="utf-8")
    assert text == symbolic.source(ABI, RIGHTS), "manage.py prove halmos --write"
    text = symbolic.PARTS.read_text(encoding="utf-8")
    assert text == symbolic.parts_source(ABI), "manage.py prove halmos --write"


def checked(contract):
    return {name.split("check_")[1] for name in names() if name.startswith(f"{contract}.")}


def names():
    return [name for suite in halmos.suites() for name in suite.checks()]


def test_every_changing_function_is_checked_or_left_out_with_a_reason():
    changing = {entry["name"] for entry in symbolic.functions(ABI)}
    for contract in ("KeepsTest", "SolventTest", "ApprovalTest", "ReachableTest"):
        assert checked(contract) | symbolic.LEFT_OUT.keys() | set(symbolic.RECKONING) == changing
    of_escrow = {f"{name}{symbolic.OF_ESCROW}" for name in symbolic.NEVER}
    for contract in ("KeepsPartsTest", "SolventPartsTest", "ApprovalPartsTest", "ReachablePartsTest"):
        assert checked(contract) == set(symbolic.RECKONING) | (of_escrow if contract == "SolventPartsTest" else set())
    own = {entry["name"] for entry in symbolic.of_rights_alone(ABI, RIGHTS)}
    for contract in ("RightsTest", "ReachableRightsTest"):
        assert checked(contract) | symbolic.RIGHTS_LEFT_OUT.keys() == own
    assert all((symbolic.LEFT_OUT | symbolic.RIGHTS_LEFT_OUT).values())
    assert "RightsDeliveryPartsTest.check_deliver_takes_nothing" in names()  # by hand


def test_named_functions_exist():
    changing = {entry["name"] for entry in symbolic.functions(ABI)}
    assert {*symbolic.NEVER, *symbolic.OWNERS, *symbolic.SIGNED, *symbolic.FEE_MOVES, *symbolic.LEFT_OUT} <= changing


def test_a_new_function_changes_the_checks():
    new = {"type": "function", "name": "sweep", "stateMutability": "nonpayable", "inputs": []}
    assert symbolic.source([*ABI, new], RIGHTS).count('call(abi.encodeWithSignature("sweep()"))') == 4
    assert symbolic.source(ABI, [*RIGHTS, new]).count('call(abi.encodeWithSignature("sweep()"))') == 2


def test_only_solvency_is_checked_in_a_storage_without_what_never_is():
    parts = symbolic.parts_source(ABI).split("\n/// @title ")
    for assumed in symbolic.NEVER.values():
        assert [part.count(assumed) for part in parts] == [int("contract SolventPartsTest" in part) for part in parts]


def test_a_view_gets_no_check():
    seen = {"type": "function", "name": "look", "stateMutability": "view", "inputs": []}
    assert symbolic.source([*ABI, seen], RIGHTS) == symbolic.source(ABI, RIGHTS)


def test_a_planted_check_that_holds_is_wrong_and_one_that_is_refuted_is_right():
    for name in ("PlantedTest.check_x", "ReachableTest.check_fill", "ExclusiveTest.check_false_x"):
        assert halmos.Outcome(name, halmos.PROVED, 1, "").wrong
        assert halmos.Outcome(name, halmos.UNDECIDED, 1, "").wrong
        assert not halmos.Outcome(name, halmos.REFUTED, 1, "").wrong


def test_a_property_is_wrong_when_refuted_and_not_claimed_when_undecided():
    name, planted = "KeepsTest.check_fill", "PlantedTest.check_fill_takes_nothing_from_a_signer"
    refuted = halmos.Outcome(name, halmos.REFUTED, 1, "")
    assert refuted.wrong
    lines = halmos.summary(names(), {name: refuted, planted: halmos.Outcome(planted, halmos.REFUTED, 1, "")})
    assert [line for line in lines if "refuted, so" in line] == ["`KeepsTest`, refuted, so not claimed: `fill`."]
    undecided = halmos.Outcome(name, halmos.UNDECIDED, 1, "")
    assert not undecided.wrong
    lines = halmos.summary(names(), {name: undecided})
    assert "`KeepsTest`, undecided, so not claimed: `fill`." in lines
    assert any(line.startswith("`KeepsTest`, not run, so not claimed: `acceptOwnership`") for line in lines)


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """The checks that halmos was asked for, and who answered; it proves all that have an even length of name."""
    asked = []

    def contract(name, names, trial):
        asked.extend((check, trial.solvers) for check in names)
        for check in names:
            verdict = halmos.UNDECIDED if len(check) % 2 else halmos.PROVED
            yield halmos.Outcome(check, verdict, 1.0, "", trial.seconds, 1.0, trial.solvers)

    monkeypatch.setattr(halmos, "_contract", contract)
    monkeypatch.setattr(halmos, "prepare", lambda folder, suite: folder.mkdir(exist_ok=True))
    monkeypatch.setattr(halmos.tools, "ready", lambda tool: tmp_path)
    monkeypatch.setattr(halmos.tools, "folder", lambda tool: tmp_path)
    monkeypatch.setattr(halmos, "BUILD", ["true"])
    return asked


def test_a_run_goes_on_where_another_was_ended_and_gives_more_time_to_what_is_undecided(ran):
    def run(seconds):
        ran.clear()
        assert halmos.run(lambda line: None, only="OwnerTest", seconds=seconds) == 0
        return list(ran)

    first = run(10)
    names = [name for name, solvers in first if solvers == halmos.YICES]
    undecided = [(name, halmos.BOTH) for name in names if len(name) % 2]
    assert len(names) == len(symbolic.OWNERS)
    assert first == [(name, halmos.YICES) for name in names] + undecided
    assert run(10) == []
    assert run(20) == undecided


def test_a_project_that_was_moved_is_prepared_anew(tmp_path):
    assert not halmos._is_prepared(tmp_path)
    halmos.prepare(tmp_path, halmos.Suite((), {}, ()))
    assert halmos._is_prepared(tmp_path)
    link = tmp_path / "node_modules"
    link.unlink()
    link.symlink_to("/elsewhere/node_modules")
    assert not halmos._is_prepared(tmp_path)


def test_outcomes_stand_on_the_byte_code_and_on_the_checks(tmp_path):
    check = tmp_path / "A.t.sol"
    check.write_text("contract ATest is Symbolic {\n    function check_a() external {}\n}")
    suite = halmos.Suite((check,), {}, (b"code",))
    assert suite.checks() == ["ATest.check_a"]
    assert halmos.Suite((check,), {}, (b"other code",)).digest() != suite.digest()
    before = suite.digest()
    check.write_text("contract ATest is Symbolic {\n    function check_b() external {}\n}")
    assert suite.digest() != before


@pytest.mark.parametrize(("unit", "function", "body"), compiling.UNKNOWN)
def test_an_unknown_amount_takes_the_place_of_the_real_one(unit, function, body):
    before = compiling.sources()[unit]
    after = compiling._with_body(unit, before, function, body)
    kept = before.split(f"    function {function}(")
    assert after.startswith(f"{kept[0]}    function {function}(")
    assert body in after
    assert after.endswith(kept[1].partition("\n    }\n")[2])
    with pytest.raises(StackError, match=unit):
        compiling._with_body(unit, kept[0] + kept[1], function, body)


def test_a_refuted_property_fails_the_run(ran, monkeypatch):
    wrong = halmos.Outcome("OwnerTest.check_setFee", halmos.REFUTED, 1.0, "")
    monkeypatch.setattr(halmos, "_contract", lambda *arguments: iter([wrong]))
    assert halmos.run(lambda line: None, only="OwnerTest.check_setFee") == 1


def test_results_are_read_from_what_halmos_prints():
    line = "\x1b[32m[PASS]\x1b[0m check_fill((address,uint8),bytes) (paths: 38, time: 2.41s, bounds: [signature=[0, 65]])\n"
    assert halmos.parse(line) == ("check_fill", halmos.PROVED, 2.41, "(38 paths)")
    assert halmos.parse(line.replace("PASS", "FAIL"))[1] == halmos.REFUTED
    assert halmos.parse(line.replace("PASS", "TIMEOUT"))[1] == halmos.UNDECIDED
    assert halmos.parse(line.replace("PASS", "ERROR"))[1] == halmos.UNDECIDED
    assert halmos.parse("Counterexample: check_fill(x)") is None


def trial(folder, seconds):
    return halmos.Trial(folder, dict(os.environ), (), halmos.YICES, seconds)


def test_a_check_that_prints_nothing_is_ended_and_undecided(tmp_path, monkeypatch):
    def command(contract, functions, trial):
        if "check_a" in functions:  # hangs on the first, as halmos would
            return ["sh", "-c", "exec tail -f /dev/null"]
        return ["sh", "-c", "echo '[PASS] check_b() (paths: 2, time: 0.10s, bounds: [])'"]

    monkeypatch.setattr(halmos, "_command", command)
    found = list(halmos._contract("KeepsTest", ["KeepsTest.check_a", "KeepsTest.check_b"], trial(tmp_path, 1)))
    assert [(outcome.name, outcome.verdict) for outcome in found] == [
        ("KeepsTest.check_a", halmos.UNDECIDED),
        ("KeepsTest.check_b", halmos.PROVED),
    ]


def test_a_check_whose_loop_was_cut_is_undecided(tmp_path, monkeypatch):
    said = (
        "echo '[PASS] check_a() (paths: 2, time: 0.10s, bounds: [])'; echo 'WARNING (see x#loop-bound)';"
        "echo '[PASS] check_b() (paths: 2, time: 0.10s, bounds: [])'"
    )
    monkeypatch.setattr(halmos, "_command", lambda contract, functions, trial: ["sh", "-c", said])
    found = list(halmos._contract("KeepsTest", ["KeepsTest.check_a", "KeepsTest.check_b"], trial(tmp_path, 20)))
    assert [outcome.verdict for outcome in found] == [halmos.UNDECIDED, halmos.PROVED]
