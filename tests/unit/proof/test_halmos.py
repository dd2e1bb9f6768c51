import os
import subprocess
import sys
from pathlib import Path

import pytest

from otc.proof import halmos

PRINTS_AND_WORKS_ON = "print('[PASS] check_a() (paths: 1, time: 0.1s)', flush=True)\nwhile True: pass"


def test_what_works_and_decides_nothing_is_ended():
    command = [sys.executable, "-c", PRINTS_AND_WORKS_ON]
    lines = list(halmos._lines(command, Path.cwd(), dict(os.environ), 1))
    assert [halmos.parse(line)[:2] for line in lines] == [("check_a", halmos.PROVED)]


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
