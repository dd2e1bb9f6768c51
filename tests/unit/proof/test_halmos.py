import os
import subprocess
import sys
from pathlib import Path

import pytest

from otc.proof import halmos
from otc.stack.errors import StackError


def trial(seconds, *, folder=None, options=(), solvers=halmos.YICES):
    return halmos.Trial(folder or Path.cwd(), dict(os.environ), options, solvers, seconds)


PRINTS_AND_WORKS_ON = "print('[PASS] check_a() (paths: 1, time: 0.1s)', flush=True)\nwhile True: pass"


def test_what_works_and_decides_nothing_is_ended():
    lines = []
    with pytest.raises(TimeoutError):
        lines.extend(halmos._lines([sys.executable, "-c", PRINTS_AND_WORKS_ON], trial(1)))
    assert [halmos.parse(line)[:2] for line in lines] == [("check_a", halmos.PROVED)]


def test_what_ends_by_itself_is_not_called_too_slow(tmp_path, monkeypatch):
    monkeypatch.setattr(
        halmos, "_command", lambda contract, functions, trial: ["sh", "-c", "echo no such thing; exit 2"]
    )
    found = list(halmos._contract("KeepsTest", ["KeepsTest.check_a"], trial(600)))
    assert [(each.verdict, each.limit, each.detail) for each in found] == [
        (halmos.UNDECIDED, 0, "halmos ended without a result: no such thing")
    ]
    assert halmos.is_open(found[0], halmos.YICES, 600)


def test_checks_that_do_not_compile_are_told_by_what_the_compiler_says(tmp_path, monkeypatch):
    monkeypatch.setattr(halmos, "BUILD", ["sh", "-c", "echo 'Error: a comma is missing'; exit 1"])
    with pytest.raises(StackError, match="a comma is missing"):
        halmos._build(tmp_path, dict(os.environ))


SEES_WHAT_IS_KEPT = """
import gc, weakref
from halmos.sevm import Path

class Condition:
    pass

def main():
    path = Path()
    path.conditions = {Condition(): True}
    seen = weakref.ref(next(iter(path.conditions)))
    assert path.to_smt2(None) == "query"
    del path
    gc.collect()
    return 0 if seen() else 3
"""


@pytest.mark.parametrize(("main", "status"), [(halmos.MAIN, 0), (None, 3)])
def test_what_queries_were_made_of_is_kept_alive(tmp_path, main, status):
    """Without the wrapper it is not, so the test can fail."""
    package = tmp_path / "halmos"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "sevm.py").write_text(
        "class SMTQuery: ...\nclass Path:\n    def to_smt2(self, args):\n        return 'query'\n"
    )
    (package / "__main__.py").write_text(SEES_WHAT_IS_KEPT)
    plain = ["-c", "import sys; from halmos.__main__ import main; sys.exit(main())"]
    done = subprocess.run(
        [sys.executable, "-P", *([str(main)] if main else plain)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert done.returncode == status


def test_the_processor_time_of_a_group_is_what_it_worked():
    before = halmos._spent(os.getpgid(0))
    worked = os.times()
    while sum(os.times()[:2]) - sum(worked[:2]) < 0.5:
        pass
    assert halmos._spent(os.getpgid(0)) - before >= 0.4


@pytest.mark.parametrize(
    ("yices", "said"),
    [
        ("echo unsat", "unsat"),
        ("echo sat; echo model", "sat\nmodel"),
        ("echo unknown", "z3 of query"),
        ("while :; do :; done", "z3 of query"),
    ],
)
def test_z3_gets_what_yices_does_not_decide(tmp_path, yices, said):
    for name, does in (("yices-smt2", yices), ("z3", 'echo "z3 of $1"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    script = Path(halmos.__file__).with_name("solvers.sh")
    done = subprocess.run(
        ["sh", script, "1", "query"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{said}\n"


def test_halmos_is_asked_as_its_suite_wants_and_by_its_own_python():
    told = halmos.options(remembering=True)
    command = halmos._command("KeepsTest", ["check_a", "check_b"], trial(1, options=told, solvers=halmos.BOTH))
    assert command[:3] == ["python", "-P", str(halmos.MAIN)]
    assert {*halmos.LIMITS, *halmos.REMEMBERING, *halmos.SOLVERS[halmos.BOTH]} <= set(command)
    assert command[-1] == r"^(check_a|check_b)\("


def test_what_repeats_itself_is_remembered():
    names = [name for suite in halmos.suites() for name in suite.checks() if halmos.REPEATING.search(name)]
    assert {name.split(".")[0] for name in names} == {
        *("KeepsPartsTest", "SolventPartsTest", "ApprovalPartsTest", "ReachablePartsTest", "RightsDeliveryPartsTest")
    }
    assert all("check_deliver" in name or "check_false_deliver" in name for name in names)


def outcome(verdict, limit, solvers):
    return halmos.Outcome("KeepsTest.check_a", verdict, 1.0, "", limit, 0.0, solvers)


@pytest.mark.parametrize(
    ("last", "tried_by"),
    [
        (None, [halmos.YICES]),
        (outcome(halmos.PROVED, 10, halmos.YICES), []),
        (outcome(halmos.REFUTED, 10, halmos.BOTH), []),
        (outcome(halmos.UNDECIDED, 100, halmos.YICES), [halmos.BOTH]),
        (outcome(halmos.UNDECIDED, 10, halmos.YICES), [halmos.YICES, halmos.BOTH]),
        (outcome(halmos.UNDECIDED, 10, halmos.BOTH), [halmos.BOTH]),
        (outcome(halmos.UNDECIDED, 100, halmos.BOTH), []),
    ],
)
def test_who_tries_what_was_left(last, tried_by):
    assert [solvers for solvers in halmos.SOLVERS if halmos.is_open(last, solvers, 100)] == tried_by
