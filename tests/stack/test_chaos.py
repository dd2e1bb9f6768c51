"""Chaos as a person starts it: a few seeds hold, and a bug that is planted is found."""

import json
import os
import subprocess
import sys
from pathlib import Path

from otc.core import failpoints

PROJECT = Path(__file__).resolve().parents[2]
SECONDS = 1200  # of one run on a machine that has other things to do


def shell(var):
    """What a person's shell has: nothing of ours."""
    ours = {
        "DJANGO_SETTINGS_MODULE",
        "SECRET_KEY",
        "DATABASE_URL",
        "REDIS_URL",
        "RPC_URL",
        "MEDIA_ROOT",
        "CELERY_BEAT_FILE",
    }
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "FORELOCK_VAR": str(var)}


def test_five_seeds_hold_every_invariant(tmp_path):
    """Of them the first goes past finality."""
    command = [sys.executable, str(PROJECT / "manage.py"), "chaos", "--seeds", "5", "--seed", "48", "--json"]
    done = subprocess.run(
        command, cwd=PROJECT, env=shell(tmp_path / "var"), capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["seeds"] == 5
    assert report["violations"] == {}
    assert report["seen"]["halts"] == 1
    assert report["seen"]["deals"] > 15
    assert report["seen"]["deals in rights"] > 0 < report["seen"]["deals matched"]
    assert sum(report["injected"].values()) > 20
    assert set(report["unreached"]) < set(failpoints.NAMES), "most are reached even in five seeds"


def test_a_keeper_that_sends_before_it_stores_is_found(tmp_path):
    command = [sys.executable, "-m", "tests.support.planted_chaos", "tests.support.planted"]
    done = subprocess.run(
        command, cwd=PROJECT, env=shell(tmp_path / "var"), capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    violations = json.loads(done.stdout)
    assert any("somebody else signs with it" in violation for violation in violations), violations
