"""Runs every test layer that this machine can run, and says what it left out and why."""

import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET  # reads what pytest just wrote
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from otc.stack import assets, machine, node
from otc.stack.errors import StackError
from otc.stack.layout import PROJECT

FORGE_LAYER = "contracts"  # and the Python tests beside the Solidity ones: bindings, artifacts, gas
PYTEST_LAYERS = (FORGE_LAYER, "unit", "support", "db", "chain", "sim", "stack", "e2e")
LAYERS = PYTEST_LAYERS
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


def run(arguments: Sequence[str]) -> int:
    """`[layer ...] [pytest arguments]` → exit status. Without a layer all are run; other paths are pytest's own business."""
    began = time.monotonic()
    layers = [word for word in arguments if word in LAYERS]
    rest = [word for word in arguments if word not in LAYERS]
    named = bool(layers) or any(not word.startswith("-") for word in rest)
    wanted = layers if named else list(LAYERS)
    node.install(PROJECT, dev=True)
    os.environ["PATH"] = node.search_path()
    assets.build(PROJECT)
    results: list[Result] = []
    failed = False
    if FORGE_LAYER in wanted and not (named and rest):
        result, status = run_forge()
        results.append(result)
        failed |= status != 0
    paths = [f"tests/{layer}" for layer in wanted if any((PROJECT / "tests" / layer).rglob("test_*.py"))]
    if paths or (named and rest):
        found, status = run_pytest([*paths, *rest])
        results += found
        failed |= status not in {0, NOTHING_COLLECTED}
    _summary(results, wanted, time.monotonic() - began, failed=failed)
    return 1 if failed else 0


def run_forge() -> tuple[Result, int]:
    """The Solidity tests: unit, fuzz, invariants."""
    print("== contracts: forge test", flush=True)
    began = time.monotonic()
    executable = forge_binary()
    result = Result(FORGE_LAYER)
    done = subprocess.run(
        [str(executable), "test"],
        cwd=CONTRACTS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    shown = lines if done.returncode else [line for line in lines if line.startswith("Ran ")][-1:]
    print("\n".join(shown), flush=True)
    total = re.search(r"(\d+) tests passed, (\d+) failed, (\d+) skipped", done.stdout)
    if total:
        result.counts.update(passed=int(total[1]), failed=int(total[2]), skipped=int(total[3]))
    elif done.returncode:
        result.counts["failed"] += 1
    result.seconds = time.monotonic() - began
    return result, done.returncode


def forge_binary() -> Path:
    """Forge's program for this platform, as npm installed it."""
    found = sorted((PROJECT / "node_modules" / "@foundry-rs").glob("forge-*/bin/forge"))
    if not found:
        raise StackError(
            "forge is missing: delete the folder node_modules and start again (npm has it for Linux, macOS and Windows)."
        )
    return found[0]


def run_pytest(arguments: Sequence[str]) -> tuple[list[Result], int]:
    """All Python layers in one pytest run over WORKERS processes; results by layer, from its own report."""
    print(f"== pytest {' '.join(arguments)}", flush=True)
    distribution = (
        []
        if any(word.startswith(("-n", "-p", "--pdb")) for word in arguments)
        else ["-n", str(WORKERS), "--dist", "worksteal"]
    )
    with tempfile.TemporaryDirectory(prefix="forelock-report-") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", *distribution, "-q", f"--junitxml={report}", *arguments]
        status = subprocess.run(command, cwd=PROJECT, env=_environment(), check=False).returncode
        return (_read(report) if report.exists() else []), status


def _environment() -> dict[str, str]:
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}


def _read(report: Path) -> list[Result]:
    results = {layer: Result(layer) for layer in PYTEST_LAYERS}
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
