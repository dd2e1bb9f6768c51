"""The committed byte code of Fixtures.sol; `python -m tests.support.differential.fixtures` compiles it anew."""

import hashlib
import json
from pathlib import Path

from escrow.contracts import build

SOURCE = "../../tests/support/differential/Fixtures.sol"
STORED = Path(__file__).with_name("fixtures.json")
NAMES = ("ModelToken", "ModelPasses", "ModelKeys", "ModelBoth", "ModelChameleon", "Lens")


def _digest() -> str:
    return hashlib.sha256(json.dumps(build._sources([SOURCE]), sort_keys=True).encode()).hexdigest()


def fixtures() -> dict[str, str]:
    """Creation code by name. Errors: AssertionError when it is not that of the sources."""
    stored = json.loads(STORED.read_text())
    assert stored["sources"] == _digest(), "Fixtures.sol or Tokens.sol changed: compile them as the module says"
    return stored["bytecode"]


def compile_fixtures() -> None:
    request = {
        "language": "Solidity",
        "sources": {unit: {"content": text} for unit, text in build._sources([SOURCE]).items()},
        "settings": {
            "evmVersion": "cancun",
            "optimizer": {"enabled": True, "runs": 200},
            "metadata": {"bytecodeHash": "none", "appendCBOR": False},
            "outputSelection": {SOURCE: {name: ["evm.bytecode.object"] for name in NAMES}},
        },
    }
    text = json.dumps(request)
    code = {name: "0x" + build.compile_contract(text, name, SOURCE)["evm"]["bytecode"]["object"] for name in NAMES}
    STORED.write_text(json.dumps({"sources": _digest(), "bytecode": code}, indent=1) + "\n")


if __name__ == "__main__":
    compile_fixtures()
