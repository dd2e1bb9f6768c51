"""The forge tests beside this file, the committed artifacts, and the gas, under one `manage.py test`."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from escrow.contracts import build
from otc.bench import gas

FORGE = build.ROOT / "node_modules/.bin/forge"
GAS_TOLERANCE = 0.02
CODE_BAR = 24_576 - 6_144  # room for what is still to come


def forge(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs forge in its folder; the compiler's wrapper finds Node on the path."""
    path = os.pathsep.join([str(Path(build.node()).parent), os.environ["PATH"]])
    return subprocess.run(
        [build.node(), str(FORGE), *arguments],
        cwd=build.HERE,
        env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_committed_artifacts_are_those_of_the_sources():
    differing = [path.name for path in build.drift()]
    assert not differing, f"{differing} differ: run `manage.py build_contracts` and commit"


def test_forge():
    assert FORGE.exists(), "forge is missing: run `npm ci` in the project's folder"
    done = forge("test")
    # npm's starter of forge ends with 0 whatever forge found: the count at the end decides
    counted = re.search(r"(\d+) tests passed, 0 failed, 0 skipped", done.stdout)
    if done.returncode != 0 or counted is None:
        lines = [line for line in done.stdout.splitlines() if not line.startswith(("[PASS]", "Suite result: ok"))]
        pytest.fail("\n".join(lines[-80:]) + "\n" + done.stderr[-2000:])
    assert int(counted[1]) > 100


def test_code_size_leaves_room():
    assert build.code_size("OTCEscrow") <= CODE_BAR


def test_gas_is_within_two_per_cent_of_the_snapshot_and_within_the_bars():
    wanted = json.loads(gas.SNAPSHOT.read_text())
    ours, theirs = gas.measure()
    assert set(ours) == set(wanted), "other operations than in the snapshot: python -m otc.bench.gas writes it anew"
    moved = {
        name: (round(figure), wanted[name])
        for name, figure in ours.items()
        if abs(figure - wanted[name]) > GAS_TOLERANCE * wanted[name]
    }
    assert not moved, (
        f"moved (now, snapshot): {moved}; if it was meant, python -m otc.bench.gas writes the snapshot anew"
    )
    above = {name: figure for name, figure in ours.items() if name in gas.BARS and figure > gas.BARS[name]}
    assert not above
    assert all(ours[name] < theirs[name] for name in theirs)
