"""Private forge projects of the provers, below var/proof: copies, so that nothing that a prover does touches the sources."""

import os
import re
import shutil
from pathlib import Path

from otc.stack.layout import PROJECT
from otc.stack.testing import forge_binary

CONTRACTS = PROJECT / "escrow" / "contracts"
NOT_SHIPPED = ("bench", "demo")
IMPORT = re.compile(r'^import .* from "(\.[^"]+)";$', re.MULTILINE)
SETTINGS = """[profile.default]
src = "src"
test = "test"
out = "out"
libs = ["node_modules"]
remappings = ["@openzeppelin/=node_modules/@openzeppelin/", "@escrow/=src/"]
auto_detect_remappings = false
solc = "{compiler}"
evm_version = "cancun"
bytecode_hash = "none"
cbor_metadata = false
offline = true
{more}
[lint]
lint_on_build = false
"""
OPTIMIZED = "optimizer = true\noptimizer_runs = 200\n"
# Without the optimizer, which does not change what the code does and takes most of the time.
FAST = "via_ir = true\noptimizer = false\n"


def sources(unit: str = "OTCEscrow.sol") -> list[Path]:
    """The contract's file and those of ours that it imports, interfaces apart."""
    folder = CONTRACTS / "src"
    found: set[Path] = set()
    todo = [folder / unit]
    while todo:
        path = todo.pop()
        if path not in found and "interfaces" not in path.parts:
            found.add(path)
            todo += [(path.parent / name).resolve() for name in IMPORT.findall(path.read_text(encoding="utf-8"))]
    return sorted(found)


def make(folder: Path, *, more: str) -> None:
    """A project in `folder` with the settings `more`, without sources."""
    for name in ("src", "test"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    link_packages(folder)
    settings = SETTINGS.format(compiler=CONTRACTS / "solc-wrapper.js", more=more)
    (folder / "foundry.toml").write_text(settings, encoding="utf-8")


def copy_sources(folder: Path) -> None:
    """The contract's sources into the project in `folder`."""
    shutil.rmtree(folder / "src", ignore_errors=True)
    shutil.copytree(CONTRACTS / "src", folder / "src", ignore=shutil.ignore_patterns(*NOT_SHIPPED))


def link_packages(folder: Path) -> None:
    """node_modules, shared with the project."""
    link = folder / "node_modules"
    link.unlink(missing_ok=True)
    link.symlink_to(PROJECT / "node_modules")


def environment(*folders: Path) -> dict[str, str]:
    """Ours, with forge and the programs in `folders` first on the path."""
    path = [str(forge_binary().parent), *map(str, folders), os.environ.get("PATH", os.defpath)]
    return {**os.environ, "PATH": os.pathsep.join(path)}
