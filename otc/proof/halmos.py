"""`manage.py prove halmos`: symbolic checks of the shipped byte code, each in a process and a time limit of its own.

A check is *proved* when every path was walked and no solver query gave up, *refuted* when there is a counterexample,
*undecided* when the time was over. What is planted must be refuted, else the run fails: it would prove anything.
"""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from otc.proof import project, symbolic, tools
from otc.stack.layout import PROJECT

TESTS = PROJECT / "tests" / "symbolic"
SOLVER_SECONDS = 60  # for one assertion on one path
LOOP = 3  # times that a loop is walked
COUNTEREXAMPLE = 1  # halmos' own code of a test
PROVED, REFUTED, UNDECIDED = "proved", "refuted", "undecided"
PLANTED = re.compile(r"^(PlantedTest|ReachableTest)\.|\.check_false_")
CHECK = re.compile(r"^\s*function (check_\w+)\(", re.MULTILINE)
CONTRACT = re.compile(r"^contract (\w+Test) is", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    name: str
    verdict: str
    seconds: float
    detail: str

    @property
    def planted(self) -> bool:
        return PLANTED.search(self.name) is not None

    @property
    def wrong(self) -> bool:
        """A property that is false, or a planted one that was not found out."""
        return self.verdict != REFUTED if self.planted else self.verdict == REFUTED


def checks() -> list[str]:
    """All checks as Contract.function, in the order of the files."""
    found = []
    for path in sorted(TESTS.glob("*.t.sol")):
        text = path.read_text(encoding="utf-8")
        starts = [(match.start(), match[1]) for match in CONTRACT.finditer(text)]
        for match in CHECK.finditer(text):
            contract = [name for start, name in starts if start < match.start()][-1]
            found.append(f"{contract}.{match[1]}")
    return found


def run(say: Callable[[str], None], *, only: str = "", seconds: int = 300, jobs: int = 1) -> int:
    """Runs the checks whose name contains `only`; 1 when one is wrong."""
    wanted = [name for name in checks() if only in name]
    if not wanted:
        say(f"no check is named like {only}")
        return 1
    binaries = tools.ready("halmos")
    folder = prepare()
    environment = project.environment(binaries)
    subprocess.run(["forge", "build", "--ast"], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)

    def one(name: str) -> Outcome:
        outcome = _check(name, binaries / "halmos", folder, environment, seconds)
        mark = "WRONG" if outcome.wrong else "planted" if outcome.planted else ""
        say(f"{outcome.verdict:<10}{outcome.seconds:>7.1f} s  {outcome.name}  {outcome.detail} {mark}".rstrip())
        return outcome

    began = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        outcomes = list(pool.map(one, wanted))
    return _summary(say, outcomes, time.monotonic() - began)


def prepare() -> Path:
    """A private forge project: the committed checks, the interfaces, and the shipped byte code as a constant."""
    folder = tools.folder("halmos") / "project"
    project.make(folder, more=project.OPTIMIZED)
    shutil.copytree(TESTS, folder / "test", dirs_exist_ok=True)
    shutil.copytree(project.CONTRACTS / "src" / "interfaces", folder / "src" / "interfaces")
    code = json.loads(symbolic.ARTIFACT.read_text(encoding="utf-8"))["bytecode"].removeprefix("0x")
    shipped = f'// SPDX-License-Identifier: MIT\npragma solidity ^0.8.30;\n\nbytes constant SHIPPED = hex"{code}";\n'
    (folder / "test" / "Shipped.sol").write_text(shipped, encoding="utf-8")
    return folder


def _check(name: str, halmos: Path, folder: Path, environment: dict[str, str], seconds: int) -> Outcome:
    contract, function = name.split(".")
    report = folder / f"{name}.json"
    report.unlink(missing_ok=True)
    command = [
        str(halmos),
        *("--contract", contract, "--match-test", rf"^{function}\("),
        *("--default-bytes-lengths", "0,65", "--loop", str(LOOP)),
        *("--solver-timeout-assertion", f"{SOLVER_SECONDS}s", "--solver-threads", "1"),
        *("--early-exit", "--no-status", "--json-output", str(report)),
    ]
    began = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return Outcome(name, UNDECIDED, time.monotonic() - began, f"not done in {seconds} s")
    took = time.monotonic() - began
    result = _read(report, function)
    if result is None:
        return Outcome(name, UNDECIDED, took, " ".join(done.stderr.split())[-200:] or "halmos gave no result")
    code, paths, bounded = result
    detail = f"({paths} paths{', a loop was cut' if bounded else ''})"
    if code == COUNTEREXAMPLE:
        return Outcome(name, REFUTED, took, detail)
    if code == 0 and not bounded:
        return Outcome(name, PROVED, took, detail)
    return Outcome(name, UNDECIDED, took, f"{detail} halmos' code {code}")


def _read(report: Path, function: str) -> tuple[int, int, bool] | None:
    """Halmos' code, paths, and whether a loop was cut short; None without a report."""
    if not report.exists():
        return None
    found = json.loads(report.read_text(encoding="utf-8"))["test_results"]
    for results in found.values():
        for result in results:
            if result["name"].startswith(f"{function}("):
                paths = result.get("num_paths") or [0]
                return int(result["exitcode"]), int(paths[0]), bool(result.get("num_bounded_loops"))
    return None


def _summary(say: Callable[[str], None], outcomes: Sequence[Outcome], seconds: float) -> int:
    real = [outcome for outcome in outcomes if not outcome.planted]
    planted = [outcome for outcome in outcomes if outcome.planted]
    proved = sum(outcome.verdict == PROVED for outcome in real)
    undecided = [outcome.name for outcome in real if outcome.verdict == UNDECIDED]
    refuted = sum(outcome.verdict == REFUTED for outcome in planted)
    say(
        f"=== {proved} of {len(real)} properties proved, {len(undecided)} undecided, "
        f"{len(real) - proved - len(undecided)} refuted; {refuted} of {len(planted)} planted ones refuted; {seconds:.0f} s ==="
    )
    if undecided:
        say(f"undecided, so not claimed: {', '.join(undecided)}")
    for function, reason in symbolic.LEFT_OUT.items():
        say(f"left out: {function}: {reason}")
    return 1 if any(outcome.wrong for outcome in outcomes) else 0
