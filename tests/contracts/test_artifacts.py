"""The committed artifacts: their size and their gas. That they are those of the sources, `manage.py lint` checks; forge itself is run by
`manage.py test contracts` before these.
"""

import json

from escrow.contracts import build
from otc.bench import gas

GAS_TOLERANCE = 0.02


def test_code_size_leaves_room():
    left = {name: build.CODE_LIMIT - build.code_size(name) for name in build.CODE_ROOM}
    assert all(left[name] >= room for name, room in build.CODE_ROOM.items()), left


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
