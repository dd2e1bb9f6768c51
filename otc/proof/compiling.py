"""The shipped sources, as the committed compiler's inputs hold them, compiled once more: without the optimizer.

The optimizer does not change what the code does, takes most of the time, and would move the places of a mutant.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from typing import Any

from escrow.contracts import build
from otc.proof import project
from otc.stack.errors import StackError

CONTRACTS = ("OTCEscrow", "RightsEscrow", "CourtAdapter")
OURS = "src/"
SETTINGS = {
    "evmVersion": "cancun",
    "optimizer": {"enabled": False},
    "viaIR": True,  # the older pipeline refuses the sources as too deep
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
}
Error = Mapping[str, Any]
# Amounts that the shipped code reckons: unit, function, and what stands in its place, which may give any number.
UNKNOWN = (
    # From halmos' own cheat code. A pure function can't ask for it, but may call one that does not say so.
    (
        "src/lib/Shares.sol",
        "part",
        """        (total, done, whole);
        function() internal view returns (uint256) asks = _any;
        function() internal pure returns (uint256) any;
        assembly ("memory-safe") {
            any := asks
        }
        return any();
    }

    function _any() private view returns (uint256) {
        address svm = address(uint160(uint256(keccak256("svm cheat code"))));
        (, bytes memory answer) = svm.staticcall(abi.encodeWithSignature("createUint256(string)", "part"));
        return abi.decode(answer, (uint256));
""",
    ),
    ("src/lib/Shares.sol", "dueFor", "        return part(units, num, den);\n"),
    ("src/lib/Shares.sol", "ofTranche", "        return part(total, tgeBps, n + i);\n"),
    ("src/Offers.sol", "_leg", "        return Shares.part(total, before, units + whole);\n"),
    ("src/Deals.sol", "_locked", "        return Shares.part(deal.payment, progress[deal.id], stored);\n"),
)
IMPORTS = {"src/Offers.sol": 'import {Shares} from "./lib/Shares.sol";\n'}
FIRST_IMPORT = "import {State}"


def sources() -> dict[str, str]:
    """All that the contracts are made of, by the compiler's names."""
    found: dict[str, str] = {}
    for name in CONTRACTS:
        request = json.loads(build.input_path(name).read_text(encoding="utf-8"))
        found |= {unit: entry["content"] for unit, entry in request["sources"].items()}
    return dict(sorted(found.items()))


def with_unknown_amounts(name: str) -> str:
    """The creation code (hex) of an escrow, as shipped but for the functions of `UNKNOWN`, each of which gives any number."""
    request = json.loads(build.input_path(name).read_text(encoding="utf-8"))
    for unit, function, body in UNKNOWN:
        entry = request["sources"][unit]
        entry["content"] = _with_body(unit, entry["content"], function, body)
    for unit, line in IMPORTS.items():
        entry = request["sources"][unit]
        entry["content"] = entry["content"].replace(FIRST_IMPORT, line + FIRST_IMPORT, 1)
    contract = build.compile_contract(json.dumps(request), name, build.TARGETS[name])
    code: str = contract["evm"]["bytecode"]["object"]
    return code


def _with_body(unit: str, text: str, function: str, body: str) -> str:
    """`text` with other statements in a function. Errors: StackError when it is not there, or not once."""
    found = re.findall(rf"^    function {function}\([^{{]*{{\n", text, re.MULTILINE)
    if len(found) != 1:
        raise StackError(f"{unit} has another form: otc/proof/compiling.py has to follow")
    begin = text.index(found[0]) + len(found[0])
    return text[:begin] + body + text[text.index("\n    }\n", begin) + 1 :]


def trees(texts: Mapping[str, str]) -> tuple[dict[str, Any], list[Error]]:
    """The syntax tree of each unit, and the compiler's errors."""
    output = _ask(texts, {"*": {"": ["ast"]}})
    return {unit: entry["ast"] for unit, entry in output.get("sources", {}).items() if "ast" in entry}, _errors(output)


def codes(texts: Mapping[str, str]) -> tuple[dict[str, str], list[Error]]:
    """The creation code of each contract (hex), none when there are errors."""
    places = {build.TARGETS[name]: name for name in CONTRACTS}
    output = _ask(texts, {unit: {name: ["evm.bytecode.object"]} for unit, name in places.items()})
    errors = _errors(output)
    if errors:
        return {}, errors
    return {name: output["contracts"][unit][name]["evm"]["bytecode"]["object"] for unit, name in places.items()}, []


def _ask(texts: Mapping[str, str], selection: Mapping[str, Any]) -> dict[str, Any]:
    request = {
        "language": "Solidity",
        "sources": {unit: {"content": text} for unit, text in texts.items()},
        "settings": {**SETTINGS, "outputSelection": selection},
    }
    done = subprocess.run(
        [build.node(), str(project.CONTRACTS / "solc-wrapper.js"), "--standard-json"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"the compiler did not start; run `npm ci` in the project's folder.\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _errors(output: Mapping[str, Any]) -> list[Error]:
    return [entry for entry in output.get("errors", []) if entry["severity"] == "error"]
