"""Runs every test layer that this machine can run, and says what it left out and why."""

import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET  # reads what pytest just wrote
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from otc.stack import assets, machine, node
from otc.stack.errors import StackError
from otc.stack.layout import PROJECT

FORGE_LAYER = "contracts"  # and the Python tests beside the Solidity ones: bindings, artifacts, gas
WAITING_LAYER = "stack"  # waits for the programs that it starts, most of its time
LAYERS = (FORGE_LAYER, "unit", "support", "db", "chain", "sim", WAITING_LAYER, "e2e")
WORKERS = 2
CONTRACTS = PROJECT / "escrow" / "contracts"
# pytest's own status for "nothing was collected".
NOTHING_COLLECTED = 5


@dataclass
class Result:
    """What a run of one layer came to: tests by outcome (passed, failed, skipped), seconds, reasons of skipped ones."""

    layer: str
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    skipped: Counter[str] = field(default_factory=Counter)


@dataclass
class Forge:
    """The Solidity tests: unit, fuzz, invariants. What they say waits in `said` until they are done."""

    process: subprocess.Popen[bytes]
    said: Path
    began: float

    @classmethod
    def start(cls, folder: Path) -> "Forge":
        said = folder / "forge.txt"
        return cls(_start([str(forge_binary()), "test"], said, cwd=CONTRACTS), said, time.monotonic())

    def finish(self) -> tuple[list[Result], bool]:
        """Results, and whether all is well."""
        status = self.process.wait()
        text = self.said.read_text(encoding="utf-8")
        lines = text.splitlines()
        shown = lines if status else [line for line in lines if line.startswith("Ran ")][-1:]
        print("\n".join(["== contracts: forge test", *shown]), flush=True)
        result = Result(FORGE_LAYER, seconds=time.monotonic() - self.began)
        total = re.search(r"(\d+) tests passed, (\d+) failed, (\d+) skipped", text)
        if total:
            result.counts.update(passed=int(total[1]), failed=int(total[2]), skipped=int(total[3]))
        elif status:
            result.counts["failed"] += 1
        return [result], status == 0


@dataclass
class Pytest:
    """Python layers in one run. With `said` what it says waits there until it is done, else it is shown at once."""

    words: list[str]
    process: subprocess.Popen[bytes]
    report: Path
    said: Path | None

    @classmethod
    def start(cls, folder: Path, words: Sequence[str], *, beside: bool = False) -> "Pytest":
        """With `beside` in one process, else over WORKERS unless the words say how."""
        spread = [] if beside or _is_spread(words) else ["-n", str(WORKERS), "--dist", "worksteal"]
        name = "beside" if beside else "main"
        report, said = folder / f"{name}.xml", folder / f"{name}.txt" if beside else None
        if said is None:
            print(f"== pytest {' '.join(words)}", flush=True)
        command = [sys.executable, "-m", "pytest", *spread, "-q", f"--junitxml={report}", *words]
        return cls(list(words), _start(command, said, cwd=PROJECT), report, said)

    def finish(self) -> tuple[list[Result], bool]:
        """Results by layer, from its own report, and whether all is well."""
        status = self.process.wait()
        if self.said is not None:
            print(f"== pytest {' '.join(self.words)}\n{self.said.read_text(encoding='utf-8')}", flush=True)
        return _read(self.report) if self.report.exists() else [], status in {0, NOTHING_COLLECTED}


def run(arguments: Sequence[str]) -> int:
    """`[layer ...] [pytest arguments]` → exit status. Without a layer all are run; other paths are pytest's own business.

    Three programs run side by side: the Solidity tests, the layer that waits, and all other layers. So no core idles while
    something is waited for.
    """
    began = time.monotonic()
    layers = [word for word in arguments if word in LAYERS]
    rest = [word for word in arguments if word not in LAYERS]
    named = bool(layers) or any(not word.startswith("-") for word in rest)
    wanted = layers if named else list(LAYERS)
    node.install(PROJECT, dev=True)
    os.environ["PATH"] = node.search_path()
    assets.build(PROJECT)
    with tempfile.TemporaryDirectory(prefix="forelock-report-") as folder:
        results, well = _finish(_runs(Path(folder), wanted, rest, named=named))
    _summary(results, wanted, time.monotonic() - began, failed=not well)
    return 0 if well else 1


def _runs(folder: Path, wanted: Sequence[str], rest: Sequence[str], *, named: bool) -> list[Forge | Pytest]:
    """What is to be run, started."""
    runs: list[Forge | Pytest] = []
    if FORGE_LAYER in wanted and not (named and rest):
        runs.append(Forge.start(folder))
    paths = [f"tests/{layer}" for layer in wanted if any((PROJECT / "tests" / layer).rglob("test_*.py"))]
    waiting = f"tests/{WAITING_LAYER}"
    if waiting in paths and len(paths) > 1 and not _is_spread(rest):
        paths.remove(waiting)
        runs.append(Pytest.start(folder, [waiting, *rest], beside=True))
    if paths or (named and rest):
        runs.append(Pytest.start(folder, [*paths, *rest]))
    return runs


def _finish(runs: Sequence[Forge | Pytest]) -> tuple[list[Result], bool]:
    """Waits for all: the last one first, which is shown as it goes."""
    results: list[Result] = []
    well = True
    try:
        for each in reversed(runs):
            found, good = each.finish()
            results = [*found, *results]
            well &= good
    finally:
        for each in runs:
            each.process.terminate()  # does nothing to one that has ended
    return results, well


def _start(command: Sequence[str], said: Path | None, *, cwd: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    environment.pop("FORELOCK_TEST_RUN", None)  # each run has a folder of its own
    # The tests start a hundred Pythons, each of which would compile the whole project for itself: 0.8 s of the processor.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if said is None:
        return subprocess.Popen(command, cwd=cwd, env=environment)
    with said.open("wb") as out:
        return subprocess.Popen(command, cwd=cwd, env=environment, stdout=out, stderr=subprocess.STDOUT)


def _is_spread(words: Iterable[str]) -> bool:
    """The caller says himself over how many processes the tests are spread."""
    return any(word.startswith(("-n", "-p", "--pdb")) for word in words)


def forge_binary() -> Path:
    """Forge's program for this platform, as npm installed it."""
    found = sorted((PROJECT / "node_modules" / "@foundry-rs").glob("forge-*/bin/forge"))
    if not found:
        raise StackError(
            "forge is missing: delete the folder node_modules and start again (npm has it for Linux, macOS and Windows)."
        )
    return found[0]


def _read(report: Path) -> list[Result]:
    results = {layer: Result(layer) for layer in LAYERS}
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314  # as above
        parts = case.get("classname", "").split(".")
        layer = next((part for part in parts if part in results), "support")
        result = results[layer]
        result.seconds += float(case.get("time", 0))
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            result.counts["failed"] += 1
        elif skip is not None:
            result.counts["skipped"] += 1
            result.skipped[skip.get("message", "")] += 1
        else:
            result.counts["passed"] += 1
    return [result for result in results.values() if result.counts]


def _summary(results: Sequence[Result], wanted: Sequence[str], seconds: float, *, failed: bool) -> None:
    ran = {result.layer for result in results}
    print("\nlayer       passed  failed  skipped   seconds of tests", flush=True)
    for result in results:
        counts = result.counts
        print(
            f"{result.layer:<11}{counts['passed']:>7}{counts['failed']:>8}{counts['skipped']:>9}{result.seconds:>11.1f}"
        )
    for layer in wanted:
        if layer not in ran:
            print(f"{layer:<11} left out: {_why_not(layer)}")
    for result in results:
        for reason, count in result.skipped.items():
            print(f"{result.layer:<11} left out {count}: {reason}")
    total = sum((result.counts for result in results), Counter[str]())
    words = [f"{total['passed']} passed", f"{total['failed']} failed", f"{total['skipped']} skipped"]
    print(f"=== {', '.join(words)} in {seconds:.1f}s: {'FAILED' if failed else 'all good'} ===", flush=True)


def _why_not(layer: str) -> str:
    if layer == "e2e" and machine.chromium() is None:
        return machine.NO_CHROMIUM
    return (
        "it has no tests" if not any((PROJECT / "tests" / layer).rglob("test_*.py")) else "nothing of it was selected"
    )
