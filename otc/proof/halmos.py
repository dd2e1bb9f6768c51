"""`manage.py prove halmos`: symbolic checks of the shipped byte code, each with a time limit of its own.

A check is *proved* when every path was walked and no solver query gave up, *refuted* when there is a counterexample,
*undecided* when the time was over. What is planted must be refuted, else the run fails: it would prove anything.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from otc.proof import project, symbolic, tools
from otc.stack.layout import PROJECT

TESTS = PROJECT / "tests" / "symbolic"
SOLVER_SECONDS = 60  # for one assertion on one path
LOOP = 3  # times that a loop is walked
CUT = "loop-bound"  # in halmos' warning that a loop was walked LOOP times and not to its end
PROVED, REFUTED, UNDECIDED = "proved", "refuted", "undecided"
PLANTED = re.compile(r"^(PlantedTest|ReachableTest)\.|\.check_false_")
COLOUR = re.compile(r"\x1b\[\d*m")
RESULT = re.compile(
    r"^\[(?P<word>[A-Z]+)\] (?P<name>check_\w+)\(.* \(paths: (?P<paths>\d+), time: (?P<seconds>[\d.]+)s[,)]"
)
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
    with tempfile.TemporaryDirectory(prefix="run-", dir=tools.folder("halmos")) as name:
        folder = Path(name)  # of this run alone
        prepare(folder)
        return _run(say, wanted, folder, binaries, seconds, jobs)


def _run(
    say: Callable[[str], None], wanted: Sequence[str], folder: Path, binaries: Path, seconds: int, jobs: int
) -> int:
    environment = {**project.environment(binaries), "PYTHONUNBUFFERED": "1", "COLUMNS": "400"}
    subprocess.run(["forge", "build", "--ast"], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)

    by_contract: dict[str, list[str]] = {}
    for name in wanted:
        by_contract.setdefault(name.split(".")[0], []).append(name)

    def one(contract: str) -> list[Outcome]:
        return list(_told(say, _contract(contract, by_contract[contract], folder, environment, seconds)))

    began = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        outcomes = [outcome for found in pool.map(one, by_contract) for outcome in found]
    return _summary(say, outcomes, time.monotonic() - began)


def prepare(folder: Path) -> None:
    """Makes `folder` a forge project: the committed checks, the interfaces, and the shipped byte code as a constant."""
    project.make(folder, more=project.OPTIMIZED)
    shutil.copytree(TESTS, folder / "test", dirs_exist_ok=True)
    shutil.copytree(project.CONTRACTS / "src" / "interfaces", folder / "src" / "interfaces")
    code = json.loads(symbolic.ARTIFACT.read_text(encoding="utf-8"))["bytecode"].removeprefix("0x")
    shipped = f'// SPDX-License-Identifier: MIT\npragma solidity ^0.8.30;\n\nbytes constant SHIPPED = hex"{code}";\n'
    (folder / "test" / "Shipped.sol").write_text(shipped, encoding="utf-8")


def _told(say: Callable[[str], None], outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    for outcome in outcomes:
        mark = "WRONG" if outcome.wrong else "planted" if outcome.planted else ""
        say(f"{outcome.verdict:<10}{outcome.seconds:>7.1f} s  {outcome.name}  {outcome.detail} {mark}".rstrip())
        yield outcome


def _contract(
    contract: str, names: Sequence[str], folder: Path, environment: dict[str, str], seconds: int
) -> Iterator[Outcome]:
    """All checks of a contract in one process; one that takes too long is ended, and another goes on after it."""
    left = sorted((name.split(".")[1] for name in names), key=lambda name: f"{name}(")  # halmos' order
    while left:
        last: Outcome | None = None
        for line in _lines(_command(contract, left), folder, environment, seconds):
            found = parse(line)
            if found is not None and found[0] in left:
                if last:
                    yield last
                left.remove(found[0])
                last = Outcome(f"{contract}.{found[0]}", *found[1:])
            elif last and CUT in line:  # it is told after the result
                last = replace(last, verdict=UNDECIDED if last.verdict == PROVED else last.verdict, detail=CUT)
        if last:
            yield last
        if left:
            yield Outcome(f"{contract}.{left.pop(0)}", UNDECIDED, float(seconds), f"no result, or not in {seconds} s")


def _command(contract: str, functions: Sequence[str]) -> list[str]:
    return [
        "halmos",
        *("--contract", contract, "--match-test", rf"^({'|'.join(functions)})\("),
        *("--default-bytes-lengths", "0,65", "--loop", str(LOOP)),
        *("--solver-timeout-assertion", f"{SOLVER_SECONDS}s", "--solver-threads", "1"),
        *("--early-exit", "--no-status"),
    ]


def _lines(command: list[str], folder: Path, environment: dict[str, str], seconds: int) -> Iterator[str]:
    """What the program prints, until it ends; or until nothing was decided for `seconds`, when it is ended."""
    printed: SimpleQueue[str | None] = SimpleQueue()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:

        def read() -> None:
            for line in process.stdout or ():
                printed.put(line)
            printed.put(None)

        reader = Thread(target=read)
        reader.start()
        deadline = time.monotonic() + seconds
        try:
            while (line := printed.get(timeout=max(0.0, deadline - time.monotonic()))) is not None:
                if parse(line):
                    deadline = time.monotonic() + seconds
                yield line
        except Empty:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its solvers too
            reader.join()


def parse(line: str) -> tuple[str, str, float, str] | None:
    """Function, verdict, seconds and detail of a line that tells a result; None of another."""
    match = RESULT.search(COLOUR.sub("", line))
    if match is None:
        return None
    verdict = {"PASS": PROVED, "FAIL": REFUTED}.get(match["word"], UNDECIDED)
    detail = f"({match['paths']} paths)" + (f" {match['word'].lower()}" if verdict == UNDECIDED else "")
    return match["name"], verdict, float(match["seconds"]), detail


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
