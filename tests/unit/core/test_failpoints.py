"""Failpoints: silent unless a folder is named; then one arming is one death, at the time it says, in one process."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from otc.core import failpoints

PROJECT = Path(__file__).resolve().parents[3]
THREE_TIMES = """
from otc.core.failpoints import reach
for turn in range(3):
    print(turn, flush=True)
    reach("keeper.sent")
"""


def run(folder=None, code=THREE_TIMES):
    env = {**os.environ, failpoints.VARIABLE: str(folder or "")}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=env, capture_output=True, text=True, check=False
    )


class TestReach:
    def test_without_a_folder_nothing_happens(self, tmp_path):
        failpoints.arm(tmp_path, "keeper.sent")
        assert run().returncode == 0
        assert failpoints.reached(tmp_path, "keeper.sent") == 0

    def test_unarmed_it_counts_alone(self, tmp_path):
        assert run(tmp_path).returncode == 0
        assert run(tmp_path).returncode == 0
        assert failpoints.reached(tmp_path, "keeper.sent") == 6

    @pytest.mark.parametrize("times", [1, 2, 3])
    def test_dies_at_the_armed_time_and_only_once(self, tmp_path, times):
        run(tmp_path)
        failpoints.arm(tmp_path, "keeper.sent", times=times)
        died = run(tmp_path)
        assert died.returncode == -signal.SIGKILL
        assert died.stdout.split() == [str(turn) for turn in range(times)]
        assert run(tmp_path).returncode == 0, "the arming went with the first death"
        assert failpoints.disarm(tmp_path) == []

    def test_another_name_is_not_hit(self, tmp_path):
        failpoints.arm(tmp_path, "keeper.stored")
        assert run(tmp_path).returncode == 0
        assert failpoints.disarm(tmp_path) == ["keeper.stored"]
        assert failpoints.disarm(tmp_path) == []

    def test_unknown_names_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match=r"no failpoint 'keeper\.sold'"):
            failpoints.arm(tmp_path, "keeper.sold")
        wrong = run(tmp_path, "from otc.core.failpoints import reach; reach('keeper.sold')")
        assert "There is no failpoint 'keeper.sold'" in wrong.stderr


class TestTable:
    def test_each_name_stands_in_the_code_once_and_each_in_the_code_is_listed(self):
        found = [
            name
            for package in ("otc", "points", "escrow")
            for path in sorted((PROJECT / package).rglob("*.py"))
            for name in re.findall(r"\breach\(\"([\w.]+)\"\)", path.read_text(encoding="utf-8"))
            if path.name != "failpoints.py"
        ]
        assert sorted(found) == sorted(failpoints.NAMES)
