"""`manage.py prove halmos`: symbolic checks of the shipped byte code, each with a limit of its own in seconds of the processor.

A check is *proved* when every path was walked and no solver query gave up, *refuted* when there is a counterexample,
*undecided* when the time was over. What is planted must be refuted, else the run fails: it would prove anything.

Outcomes are kept below var/proof/halmos, apart for each byte code and its checks: a run goes on where another was ended, and
tries again what that left undecided in less time or with one solver.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from otc.core import clock
from otc.proof import compiling, project, report, symbolic, tools
from otc.stack.errors import StackError
from otc.stack.layout import PROJECT

TESTS = PROJECT / "tests" / "symbolic"
MAIN = Path(__file__).with_name("halmos_main.py")
SOLVER_SECONDS = 600  # of the clock, for one assertion on one path: the check's own limit comes first
# Who answers: the first decides nearly all in seconds. What it leaves undecided is tried again by both, as the second decides in
# a second what the first never ends; elsewhere it takes ten times as long.
YICES, BOTH = "yices", "yices and z3"
YICES_SECONDS = 20  # of the processor, for one query of both
SOLVERS = {
    YICES: [],
    BOTH: ["--solver-command", f"sh {Path(__file__).with_name('solvers.sh')} {YICES_SECONDS}"],
}
POLL = 2  # seconds
PROCESSES = Path("/proc")  # Linux
SHIPPED = "Shipped.sol"  # the byte code, as constants
LOOP = 3  # times that a loop is walked
LIMITS = (
    *("--default-bytes-lengths", "0,65", "--loop", str(LOOP)),
    *("--solver-timeout-assertion", f"{SOLVER_SECONDS}s", "--solver-threads", "1"),
)
# What made a query impossible is remembered. A delivery with unknown amounts has thousands of paths that end for the same few reasons.
# Elsewhere the names that this gives to all that is known cost more than it saves.
REMEMBERING = ("--cache-solver",)
REPEATING = re.compile(r"PartsTest\.check_(false_)?deliver")
MANNER = ("--early-exit", "--no-status")
CUT = "loop-bound"  # in halmos' warning that a loop was walked LOOP times and not to its end
PROVED, REFUTED, UNDECIDED, NOT_RUN = "proved", "refuted", "undecided", "not run"
PLANTED = re.compile(r"^(PlantedTest|Reachable\w*Test)\.|\.check_false_")
COLOUR = re.compile(r"\x1b\[\d*m")
RESULT = re.compile(
    r"^\[(?P<word>[A-Z]+)\] (?P<name>check_\w+)\(.* \(paths: (?P<paths>\d+), time: (?P<seconds>[\d.]+)s[,)]"
)
# As halmos does it, which finds nothing left to compile then: its time is not a check's.
BUILD = ["forge", "build", "--ast", "--root", ".", "--extra-output", "storageLayout", "metadata"]
CHECK = re.compile(r"^\s*function (check_\w+)\(", re.MULTILINE)
CONTRACT = re.compile(r"^contract (\w+Test) is", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    name: str
    verdict: str
    seconds: float
    detail: str
    limit: int = 0  # the seconds of the processor that it had
    load: float = 0.0
    solvers: str = YICES

    @property
    def planted(self) -> bool:
        return PLANTED.search(self.name) is not None

    @property
    def wrong(self) -> bool:
        """A property that is false, or a planted one that was not found out."""
        return self.verdict != REFUTED if self.planted else self.verdict == REFUTED


@dataclass(frozen=True)
class Trial:
    """How checks are tried: in which project, with which options of halmos, by which solvers, for how many seconds each."""

    folder: Path
    environment: Mapping[str, str]
    options: tuple[str, ...]
    solvers: str
    seconds: int


@dataclass(frozen=True)
class Suite:
    """Checks that are compiled and run together, and the byte code that they are of."""

    files: tuple[Path, ...]
    codes: Mapping[str, Callable[[], str]]  # name of the constant, creation code (hex)
    stands_on: tuple[bytes, ...]  # what the codes are made of

    def checks(self) -> list[str]:
        """All checks as Contract.function, in the order of the files."""
        found = []
        for path in self.files:
            text = path.read_text(encoding="utf-8")
            starts = [(match.start(), match[1]) for match in CONTRACT.finditer(text)]
            for match in CHECK.finditer(text):
                contract = [name for start, name in starts if start < match.start()][-1]
                found.append(f"{contract}.{match[1]}")
        return found

    def digest(self) -> str:
        """Of all that an outcome stands on: the byte code, the checks, and how they are run."""
        told = options(remembering=any(map(REPEATING.search, self.checks())))
        parts = [*self.stands_on, *(path.read_bytes() for path in (*self.files, MAIN)), " ".join(told).encode()]
        return hashlib.sha256(b"".join(parts)).hexdigest()[: report.DIGITS]


def options(*, remembering: bool) -> tuple[str, ...]:
    """What halmos is told, but for the checks' names and the solvers."""
    return (*LIMITS, *(REMEMBERING if remembering else ()), *MANNER)


def suites() -> list[Suite]:
    """The shipped byte code; and, for what reckons amounts, the same sources with amounts that may be anything, of each escrow."""
    shipped = {"SHIPPED": _code(symbolic.ARTIFACT), "SHIPPED_RIGHTS": _code(symbolic.RIGHTS)}
    artifacts = (symbolic.ARTIFACT.read_bytes(), symbolic.RIGHTS.read_bytes())
    files = tuple(sorted(TESTS.glob("*.sol")))
    parts, rights = (tuple(sorted(folder.glob("*.sol"))) for folder in (symbolic.PARTS.parent, TESTS / "rights"))
    shared = tuple(path for path in files if not path.name.endswith(".t.sol"))
    unknown = json.dumps([compiling.UNKNOWN, compiling.IMPORTS]).encode()
    return [
        Suite(files, shipped, artifacts),
        Suite(
            (*parts, *shared),
            {**shipped, "ANY_PARTS": partial(compiling.with_unknown_amounts, "OTCEscrow")},
            (*artifacts, unknown),
        ),
        Suite(
            (*rights, *shared),
            {**shipped, "ANY_RIGHTS_PARTS": partial(compiling.with_unknown_amounts, "RightsEscrow")},
            (*artifacts, unknown),
        ),
    ]


def _code(artifact: Path) -> Callable[[], str]:
    def code() -> str:
        text: str = json.loads(artifact.read_text(encoding="utf-8"))["bytecode"]
        return text.removeprefix("0x")

    return code


def run(say: Callable[[str], None], *, only: str = "", seconds: int = 300, figures: bool = False) -> int:
    """Runs the checks whose name contains `only` and that are not decided yet; 1 when one is wrong."""
    binaries = tools.ready("halmos")
    environment = {**project.environment(binaries), "PYTHONUNBUFFERED": "1", "COLUMNS": "400"}
    known: dict[str, Outcome] = {}
    for suite in suites():
        known |= _run(say, suite, environment, only, seconds)
    names = [name for suite in suites() for name in suite.checks()]
    for line in summary(names, known):
        say(line)
    if figures:
        report.write("halmos", summary(names, known))
    return 1 if any(outcome.wrong for outcome in known.values()) else 0


def _run(
    say: Callable[[str], None], suite: Suite, environment: dict[str, str], only: str, seconds: int
) -> dict[str, Outcome]:
    """What is known of the suite's checks now."""
    folder = tools.folder("halmos") / f"run-{suite.digest()}"
    results = folder / "results.jsonl"
    known = _known(results)
    names = [name for name in suite.checks() if only in name]
    for name in names:
        if not any(is_open(known.get(name), solvers, seconds) for solvers in SOLVERS):
            _tell(say, known[name])
    for solvers in SOLVERS:
        together: dict[tuple[str, bool], list[str]] = {}
        for name in names:
            if is_open(known.get(name), solvers, seconds):
                together.setdefault((name.split(".")[0], REPEATING.search(name) is not None), []).append(name)
        if together and not _is_prepared(folder):
            prepare(folder, suite)
        if together:
            _build(folder, environment)
        for (contract, remembering), mine in together.items():
            trial = Trial(folder, environment, options(remembering=remembering), solvers, seconds)
            for outcome in _contract(contract, mine, trial):
                known[outcome.name] = outcome
                with results.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(asdict(outcome)) + "\n")
                _tell(say, outcome)
    return known


def _build(folder: Path, environment: Mapping[str, str]) -> None:
    """Compiles the checks. StackError with what the compiler says."""
    done = subprocess.run(
        BUILD, cwd=folder, env=environment, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        raise StackError(f"The symbolic checks in {TESTS} do not compile:\n{done.stdout[-2000:]}")


def is_open(last: Outcome | None, solvers: str, seconds: int) -> bool:
    """Whether these solvers, with so many seconds for a check, may decide what was not decided until now."""
    if last is None:
        return solvers == YICES
    if last.verdict != UNDECIDED:
        return False
    return last.limit < seconds if last.solvers == solvers else last.solvers == YICES


def _known(results: Path) -> dict[str, Outcome]:
    if not results.exists():
        return {}
    entries = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    return {entry["name"]: Outcome(**entry) for entry in entries}


def _is_prepared(folder: Path) -> bool:
    """Whether `folder` is a whole project, of this checkout where it is now. What is written last tells."""
    link, last = folder / "node_modules", folder / "test" / SHIPPED
    return last.exists() and link.readlink() == PROJECT / "node_modules"


def prepare(folder: Path, suite: Suite) -> None:
    """Makes `folder` a forge project: the suite's checks, the interfaces, and the byte code as constants."""
    project.make(folder, more=project.OPTIMIZED)
    for path in suite.files:
        target = folder / "test" / path.relative_to(TESTS)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    shutil.copytree(project.CONTRACTS / "src" / "interfaces", folder / "src" / "interfaces")
    shipped = "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.30;\n\n"
    for name, code in suite.codes.items():
        shipped += f'bytes constant {name} = hex"{code()}";\n'
    (folder / "test" / SHIPPED).write_text(shipped, encoding="utf-8")


def _tell(say: Callable[[str], None], outcome: Outcome) -> None:
    mark = "WRONG" if outcome.wrong else "planted" if outcome.planted else ""
    say(f"{outcome.verdict:<10}{outcome.seconds:>7.1f} s  {outcome.name}  {outcome.detail} {mark}".rstrip())


def _contract(contract: str, names: Sequence[str], trial: Trial) -> Iterator[Outcome]:
    """All checks of a contract in one process; one that takes too long is ended, and another goes on after it."""
    left = sorted((name.split(".")[1] for name in names), key=lambda name: f"{name}(")  # halmos' order
    while left:
        last: Outcome | None = None
        limit, line, why = 0, "", ""
        try:
            for line in _lines(_command(contract, left, trial), trial):
                found = parse(line)
                if found is not None and found[0] in left:
                    if last:
                        yield last
                    left.remove(found[0])
                    last = Outcome(f"{contract}.{found[0]}", *found[1:], trial.seconds, _load(), trial.solvers)
                elif last and CUT in line:  # it is told after the result
                    last = replace(last, verdict=UNDECIDED if last.verdict == PROVED else last.verdict, detail=CUT)
            why = f"halmos ended without a result: {line.strip()}"
        except TimeoutError:
            limit, why = trial.seconds, f"not in {trial.seconds} s of the processor"
        if last:
            yield last
        if left:
            yield Outcome(f"{contract}.{left.pop(0)}", UNDECIDED, float(limit), why, limit, _load(), trial.solvers)


def _load() -> float:
    return round(os.getloadavg()[0], 1)


def _command(contract: str, functions: Sequence[str], trial: Trial) -> list[str]:
    chosen = ["--contract", contract, "--match-test", rf"^({'|'.join(functions)})\("]
    # halmos' own Python: its programs are the first on the path. -P, as a file beside MAIN has the name of the package.
    return ["python", "-P", str(MAIN), *trial.options, *SOLVERS[trial.solvers], *chosen]


def _lines(command: list[str], trial: Trial) -> Iterator[str]:
    """What the program prints, until it ends. TimeoutError when it worked for the trial's seconds and decided nothing, or stood still for
    as long by the clock: then it is ended.
    """
    seconds = trial.seconds
    printed: SimpleQueue[str | None] = SimpleQueue()
    with subprocess.Popen(
        command,
        cwd=trial.folder,
        env=trial.environment,
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
        began = worked = 0.0
        moved = clock.monotonic()
        try:
            while (spent := _spent(process.pid)) < began + seconds and clock.monotonic() < moved + seconds:
                if spent > worked:
                    worked, moved = spent, clock.monotonic()
                try:
                    line = printed.get(timeout=POLL)
                except Empty:
                    continue
                if line is None:
                    return
                if parse(line):
                    began = _spent(process.pid)
                yield line
            raise TimeoutError
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its solvers too
            reader.join()


def _spent(group: int) -> float:
    """Seconds of the processor that a process group has had, with its ended children: what else the machine does takes none of them."""
    ticks = 0
    for process in PROCESSES.glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            words = process.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(words[2]) == group:
                ticks += sum(map(int, words[11:15]))  # user and system, and those of children
    return ticks / os.sysconf("SC_CLK_TCK")


def parse(line: str) -> tuple[str, str, float, str] | None:
    """Function, verdict, seconds and detail of a line that tells a result; None of another."""
    match = RESULT.search(COLOUR.sub("", line))
    if match is None:
        return None
    verdict = {"PASS": PROVED, "FAIL": REFUTED}.get(match["word"], UNDECIDED)
    detail = f"({match['paths']} paths)" + (f" {match['word'].lower()}" if verdict == UNDECIDED else "")
    return match["name"], verdict, float(match["seconds"]), detail


def summary(names: Sequence[str], known: Mapping[str, Outcome]) -> list[str]:
    """Figures of all checks, as lines of Markdown: what is refuted and was not planted is named, and what is not claimed. What has not
    been run on this byte code is called not run.
    """
    loads = sorted(outcome.load for outcome in known.values()) or [0.0]
    lines = [
        (
            f"{clock.now():%d %B %Y}, {os.cpu_count()} cores with a load of {loads[0]:.0f} to {loads[-1]:.0f}, "
            f"{report.byte_code()}, at most {max((outcome.limit for outcome in known.values()), default=0)} s of the processor for a check, "
            f"{sum(outcome.seconds for outcome in known.values()):.0f} s of the clock in all."
        ),
        "",
        "| contract | checks | proved | refuted | undecided | not run |",
        "|---|---|---|---|---|---|",
    ]
    open_ones: list[str] = []
    for contract in dict.fromkeys(name.split(".")[0] for name in names):
        mine = [name for name in names if name.startswith(f"{contract}.")]
        counts = Counter(known[name].verdict if name in known else NOT_RUN for name in mine)
        row = [counts[verdict] for verdict in (PROVED, REFUTED, UNDECIDED, NOT_RUN)]
        lines.append(f"| `{contract}` | {len(mine)} | {' | '.join(map(str, row))} |")
        for verdict in (REFUTED, UNDECIDED, NOT_RUN):
            those = [name for name in mine if (known[name].verdict if name in known else NOT_RUN) == verdict]
            if verdict == REFUTED:
                those = [name for name in those if known[name].wrong]
            if those:
                short = ", ".join(f"`{name.split('check_')[1]}`" for name in those)
                open_ones += ["", f"`{contract}`, {verdict}, so not claimed: {short}."]
    return lines + open_ones
