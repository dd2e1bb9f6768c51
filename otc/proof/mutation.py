"""`manage.py prove mutation`: changes the contract in one place at a time, and asks the Solidity tests to notice.

Each mutant is compiled without the optimizer and tested in a private copy of the tests. *killed*: a test fails.
*survived*: all tests pass. *not compiling* and *too slow* say nothing, and are counted apart.
"""

import json
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue

from otc.proof import operators, project, tools
from otc.proof.operators import Mutant
from otc.stack.errors import StackError
from otc.stack.layout import PROJECT

KILLED, SURVIVED, BROKEN, SLOW = "killed", "survived", "not compiling", "too slow"
SECONDS = 900  # for compiling, and for testing
NICE = 15
# Fewer random cases than the test command has, which must find it first.
RUNS = {"FOUNDRY_FUZZ_RUNS": "32", "FOUNDRY_INVARIANT_RUNS": "8"}
LARGE = 100_000  # bytes of code that a test may deploy: it is not optimized
CONTRACT = "OTCEscrow"


@dataclass(frozen=True)
class Verdict:
    mutant: Mutant
    verdict: str
    seconds: float
    by: str  # the test that noticed


def all_mutants() -> list[Mutant]:
    """Of all source files, in their order."""
    folder = project.CONTRACTS / "src"
    return [
        mutant
        for path in project.sources()
        for mutant in operators.mutants(path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8"))
    ]


def chosen(mutants: Sequence[Mutant], *, only: str, sample: int, seed: int, every: bool) -> list[Mutant]:
    """Those whose name contains `only`, or `sample` of them drawn by `seed`."""
    wanted = [mutant for mutant in mutants if only in mutant.name]
    if every or sample >= len(wanted):
        return wanted
    picked = random.Random(seed).sample(range(len(wanted)), sample)  # noqa: S311  # a sample that can be drawn again
    return [wanted[index] for index in picked]


def run(say: Callable[[str], None], *, only: str, sample: int, seed: int, jobs: int, every: bool) -> int:
    """1 when a mutant survives that survivors.json does not explain."""
    mutants = all_mutants()
    wanted = chosen(mutants, only=only, sample=sample, seed=seed, every=every)
    say(f"{len(mutants)} mutants, {len(wanted)} of them now (seed {seed})")
    benches: SimpleQueue[Bench] = SimpleQueue()
    for number in range(jobs):
        bench = Bench(tools.folder("mutation") / str(number))
        bench.make()
        if number == 0:
            bench.prove_sound()
        benches.put(bench)
    results = tools.folder("mutation") / "results.jsonl"

    def one(mutant: Mutant) -> Verdict:
        bench = benches.get()
        try:
            verdict = bench.judge(mutant)
        finally:
            benches.put(bench)
        with results.open("a", encoding="utf-8") as out:
            out.write(json.dumps(asdict(verdict)) + "\n")
        say(f"{verdict.verdict:<14}{verdict.seconds:>6.0f} s  {mutant.name}  {verdict.by}".rstrip())
        if verdict.verdict == SURVIVED:
            say(f"    - {mutant.before.strip()}\n    + {mutant.after.strip()}")
        return verdict

    began = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        verdicts = list(pool.map(one, wanted))
    return _summary(say, verdicts, time.monotonic() - began)


class Bench:
    """A copy of the sources, where mutants are compiled, and one of the tests, where they are tried."""

    def __init__(self, folder: Path) -> None:
        self.build = folder / "build"
        self.contracts = folder / "test" / "escrow" / "contracts"
        self.tests = folder / "test" / "tests" / "contracts"

    def make(self) -> None:
        project.make(self.build, more=project.FAST)
        project.copy_sources(self.build)
        for folder in (self.contracts / "src", self.contracts / "artifacts", self.tests):
            shutil.rmtree(folder, ignore_errors=True)  # but not what forge has compiled
        keep = shutil.ignore_patterns("out", "cache", "node_modules", "__pycache__", "solc-wrapper.js")
        shutil.copytree(project.CONTRACTS, self.contracts, ignore=keep, dirs_exist_ok=True)
        shutil.copytree(PROJECT / "tests" / "contracts", self.tests)
        project.link_packages(self.contracts)
        wrapper = self.contracts / "solc-wrapper.js"
        wrapper.unlink(missing_ok=True)
        wrapper.symlink_to(project.CONTRACTS / "solc-wrapper.js")

    def prove_sound(self) -> None:
        """The tests pass on the unchanged contract as it is compiled here; else every mutant would seem killed."""
        try:
            if not self._compile():
                raise StackError("the unchanged contract does not compile")
            passed, failing = self._test()
        except subprocess.TimeoutExpired as error:
            raise StackError(
                f"the unchanged contract takes longer than {SECONDS} s: the machine is too busy"
            ) from error
        if not passed:
            raise StackError(f"the tests fail without any mutant: {failing}")

    def judge(self, mutant: Mutant) -> Verdict:
        began = time.monotonic()
        source = self.build / "src" / mutant.file
        original = source.read_text(encoding="utf-8")
        source.write_text(operators.apply(original, mutant), encoding="utf-8")
        try:
            verdict, by = BROKEN, ""
            if self._compile():
                passed, by = self._test()
                verdict = SURVIVED if passed else KILLED
        except subprocess.TimeoutExpired:
            verdict, by = SLOW, ""
        finally:
            source.write_text(original, encoding="utf-8")
        return Verdict(mutant, verdict, time.monotonic() - began, by)

    def _compile(self) -> bool:
        """Puts the compiled contract where the tests read it."""
        done = self._forge(["build", f"src/{CONTRACT}.sol"], self.build)
        if done.returncode != 0:
            return False
        built = json.loads((self.build / "out" / f"{CONTRACT}.sol" / f"{CONTRACT}.json").read_text(encoding="utf-8"))
        target = self.contracts / "artifacts" / f"{CONTRACT}.json"
        artifact = json.loads(target.read_text(encoding="utf-8"))
        artifact["bytecode"] = built["bytecode"]["object"]
        artifact["deployedBytecode"] = built["deployedBytecode"]["object"]
        target.write_text(json.dumps(artifact), encoding="utf-8")
        return True

    def _test(self) -> tuple[bool, str]:
        """Whether all tests pass, and which failed first: the quick ones before the long random ones."""
        shutil.rmtree(self.contracts / "cache" / "invariant", ignore_errors=True)  # failures of the mutant before
        shutil.rmtree(self.contracts / "cache" / "fuzz", ignore_errors=True)
        for words in (["--no-match-contract", "Invariant"], ["--match-contract", "Invariant"]):
            done = self._forge(["test", "--fail-fast", *words], self.contracts)
            if done.returncode != 0:
                failing = [line for line in done.stdout.splitlines() if line.startswith("[FAIL")]
                return False, " ".join(failing[0].split())[-90:] if failing else done.stdout[-200:] + done.stderr[-200:]
        return True, ""

    def _forge(self, words: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
        environment = {**project.environment(), **RUNS, "FOUNDRY_CODE_SIZE_LIMIT": str(LARGE)}
        command = ["nice", "-n", str(NICE), "forge", *words]
        if os.name != "posix":
            command = ["forge", *words]
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
        )


def _summary(say: Callable[[str], None], verdicts: Sequence[Verdict], seconds: float) -> int:
    counts = Counter(verdict.verdict for verdict in verdicts)
    told = explained()
    for verdict in verdicts:
        if verdict.verdict == SURVIVED and _key(verdict.mutant) in told:
            counts["explained"] += 1
    ran = counts[KILLED] + counts[SURVIVED]
    say(
        f"=== {counts[KILLED]} of {ran} killed, {counts[SURVIVED]} survived ({counts['explained']} explained as equivalent); "
        f"{counts[BROKEN]} not compiling, {counts[SLOW]} too slow; {seconds:.0f} s ==="
    )
    by = Counter((verdict.mutant.operator, verdict.verdict) for verdict in verdicts)
    for operator in operators.OPERATORS:
        if any(name == operator for name, _ in by):
            say(f"    {operator:<12} killed {by[operator, KILLED]:>3}, survived {by[operator, SURVIVED]:>3}")
    return 1 if counts[SURVIVED] > counts["explained"] else 0


def explained() -> dict[tuple[str, str, str], str]:
    """Survivors that change nothing that can be seen, with the reason: by file, text before and after."""
    entries = json.loads(Path(__file__).with_name("survivors.json").read_text(encoding="utf-8"))
    return {(entry["file"], entry["before"], entry["after"]): entry["reason"] for entry in entries}


def _key(mutant: Mutant) -> tuple[str, str, str]:
    return mutant.file, mutant.before.strip(), mutant.after.strip()
