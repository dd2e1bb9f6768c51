"""What `manage.py test` starts: the Solidity tests, the layer that waits and all others are programs of their own."""

import subprocess
import sys
from dataclasses import dataclass

import pytest

from otc.stack import testing
from otc.stack.testing import LAYERS, WAITING_LAYER, Result


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Starts nothing: answers what a run with these words would."""
    monkeypatch.setattr(testing.Forge, "start", lambda _folder: "forge")
    monkeypatch.setattr(testing.Pytest, "start", lambda _folder, words, *, beside=False: (beside, *words))

    def runs(wanted, rest=(), *, named=True):
        return testing._runs(tmp_path, wanted, rest, named=named)

    return runs


def test_without_words_all_layers_run_in_three_programs(started):
    forge, beside, main = started(LAYERS, named=False)
    assert forge == "forge"
    assert beside == (True, f"tests/{WAITING_LAYER}")
    assert main == (False, *(f"tests/{layer}" for layer in LAYERS if layer != WAITING_LAYER))


def test_words_of_pytests_go_to_each(started):
    assert started(["unit", WAITING_LAYER], ["-k", "clock"]) == [
        (True, f"tests/{WAITING_LAYER}", "-k", "clock"),
        (False, "tests/unit", "-k", "clock"),
    ]


@pytest.mark.parametrize(
    ("wanted", "rest"),
    [([WAITING_LAYER], []), (["unit", WAITING_LAYER], ["-n", "0"]), (["unit", WAITING_LAYER], ["--pdb"])],
)
def test_one_program_where_there_is_one_layer_or_the_caller_spreads(started, wanted, rest):
    assert started(wanted, rest) == [(False, *(f"tests/{layer}" for layer in wanted), *rest)]


def test_a_path_is_pytests_business(started):
    assert started([], ["tests/unit/core"]) == [(False, "tests/unit/core")]
    assert started(["contracts"], ["-k", "gas"]) == [(False, "tests/contracts", "-k", "gas")]


@dataclass
class Ended:
    """A run that came to its end."""

    layer: str
    good: bool
    process: subprocess.Popen

    def finish(self):
        return [Result(self.layer)], self.good


@pytest.mark.parametrize("bad", [None, "unit", "stack"])
def test_each_must_be_well_and_none_outlives_the_command(bad):
    sleeping = [sys.executable, "-c", "import signal; signal.pause()"]
    runs = [Ended(layer, layer != bad, subprocess.Popen(sleeping)) for layer in ("stack", "unit")]
    results, well = testing._finish(runs)
    assert [result.layer for result in results] == ["stack", "unit"]
    assert well is (bad is None)
    assert all(run.process.wait(timeout=20) for run in runs)
