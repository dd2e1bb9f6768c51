"""The committed artifacts, their size and their gas. forge itself is run by `manage.py test contracts` before these."""

import json

from escrow.contracts import build
from otc.bench import gas

GAS_TOLERANCE = 0.02
CODE_LIMIT = 24_576  # what a chain takes
CODE_BAR = CODE_LIMIT - 1_024


def test_the_committed_artifacts_are_those_of_the_sources():
    differing = [path.name for path in build.drift()]
    assert not differing, f"{differing} differ: run `manage.py build_contracts` and commit"
    artifact = json.loads((build.HERE / "artifacts" / "OTCEscrow.json").read_text())
    # What explorers are given makes the code that is deployed. (Here, because the compiler has just answered for this input.)
    kept = build.compile_contract(build.input_path("OTCEscrow").read_text(), "OTCEscrow", artifact["sourceName"])
    assert "0x" + kept["evm"]["bytecode"]["object"] == artifact["bytecode"]
    assert "0x" + kept["evm"]["deployedBytecode"]["object"] == artifact["deployedBytecode"]


def test_code_size_leaves_room():
    assert build.code_size("OTCEscrow") <= CODE_BAR
    assert build.code_size("RightsEscrow") <= CODE_LIMIT


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
