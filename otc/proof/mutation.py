"""`manage.py prove mutation`: changes the contracts in one place at a time, and asks the Solidity tests to notice.

Nearly all mutants are compiled at once (`otc.proof.schemata`), the others one by one, and each is tested in a private copy
of the tests. *killed*: a test fails. *survived*: all tests pass. *not compiling* and *too slow* say nothing, and are
counted apart.

What was judged is kept below var/proof/mutation: a verdict stands as long as the sources, and the tests that it rests on, are
the same. So a run that was ended goes on where it was, and after a new test only the survivors are tried again.
"""

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from escrow.contracts import build
from otc.core import clock
from otc.proof import compiling, operators, project, report, schemata, tools
from otc.proof.operators import Mutant
from otc.stack.errors import StackError
from otc.stack.layout import PROJECT

KILLED, SURVIVED, BROKEN, SLOW = "killed", "survived", "not compiling", "too slow"
QUIET = "quiet"  # not noticed by the quick tests: the long ones have not been asked yet
SECONDS = 900  # for one run of tests
# Fewer random cases than the test command has, which must find it first.
RUNS = {"FOUNDRY_FUZZ_RUNS": "32", "FOUNDRY_INVARIANT_RUNS": "2"}
LARGE = 400_000  # bytes of code that a test may deploy: all mutants are in it
TESTS = PROJECT / "tests" / "contracts"
LONG = "Invariants|KeyTheft"  # random trading, and thieves
FAILING = re.compile(r"^Encountered \d+ failing tests? in .*?([^/]+\.sol:\w+)$")
# forge asks for the compiler's version each time, and to load the compiler takes longer than most tests.
WRAPPER = """#!/usr/bin/env node
if (process.argv.includes("--version")) process.stdout.write({version});
else require({real});
"""
# The tests that notice most of what is wrong in a file: they are asked first.
EVERY = "Edges|EdgesOfRights|Events"  # and these, whatever the file
FIRST = {
    "Admin.sol": "SetFee|SetPayToken|SetGuardian|SetFeeRecipient|PauseEntry|CollectFees|Ownership",
    "Attestations.sol": "Attest|Dispute|Finalize|Rule|RuleTimeout|Appeal",
    "Deals.sol": "Deliver|Tranches|Slash|Refund|MutualClose|Dispute",
    "Delivering.sol": "Deliver|DeliverBatch|Tranches|Boundaries",
    "Escrow.sol": "Multicall",
    "Funds.sol": "Deposit|DepositWithPermit|Withdraw|WeirdTokens",
    "Markets.sol": "CreateMarket|Propose|Veto|Extend|ProposeCancel|WithdrawCancel|ConfirmCancel|Attest",
    "Offers.sol": "Fill|FillBatch|MatchOffers|Cancel|InvalidateNonces|BumpEpoch|Consumption",
    "Positions.sol": "TransferPosition|FillResale",
    "RightDelivery.sol": "Rights|HostileRights",
    "Settlement.sol": "Slash|SlashBatch|Refund|RefundBatch|MutualClose|Tranches",
    "State.sol": "Deposit|Withdraw|Fill|Signatures|PauseEntry",
    "TokenDelivery.sol": "Deliver|DeliverBatch|DeliverFor|SetAutoDeliver",
    "adapter/CourtAdapter.sol": "Court",
    "lib/Packed.sol": "Propose|Deliver|Attest|Dispute|Extend",
    "lib/Pieces.sol": "Rights|HostileRights",
    "lib/Shares.sol": "Tranches|Deliver|Finalize",
    "lib/Signatures.sol": "Signatures|Wallets",
    "lib/Tokens.sol": "WeirdTokens|Deposit|Withdraw",
}


@dataclass(frozen=True)
class Verdict:
    mutant: Mutant
    verdict: str
    seconds: float
    by: str  # the test that noticed
    rests_on: str  # digest of the tests that say so
    load: float

    @property
    def survived(self) -> bool:
        """No test that was asked noticed it."""
        return self.verdict in {SURVIVED, QUIET}


def all_mutants(sources: Mapping[str, str]) -> list[Mutant]:
    """Of all files of ours that do something, in their order."""
    return [
        mutant
        for unit, text in sources.items()
        if unit.startswith(compiling.OURS) and "/interfaces/" not in unit
        for mutant in operators.mutants(unit.removeprefix(compiling.OURS), text)
    ]


def chosen(mutants: Sequence[Mutant], *, only: str, sample: int, seed: int, every: bool) -> list[Mutant]:
    """Those whose name contains `only`, or `sample` of them, in an order drawn by `seed`: the first of it are a smaller sample."""
    wanted = [mutant for mutant in mutants if only in mutant.name]
    random.Random(seed).shuffle(wanted)  # noqa: S311  # a sample that can be drawn again
    return wanted if every else wanted[:sample]


def run(say: Callable[[str], None], *, only: str, sample: int, seed: int, every: bool, figures: bool) -> int:
    """1 when a mutant survives that survivors.json does not explain."""
    sources = compiling.sources()
    mutants = all_mutants(sources)
    wanted = chosen(mutants, only=only, sample=sample, seed=seed, every=every)
    say(f"{len(mutants)} mutants, {len(wanted)} of them now (seed {seed})")
    bench = Bench(tools.folder("mutation"), sources, mutants)
    say(f"{len(bench.held)} of them in one compilation")
    wanted.sort(key=lambda mutant: bench.numbers[mutant] not in bench.held)  # the others take minutes each: last
    try:
        for long in (False, True):
            bench.prove_sound(long=long)
            for mutant in wanted:
                known = bench.known(mutant)
                if known is None or (known.verdict == QUIET and long):
                    tell(say, bench.judge(mutant, long=long))
    except KeyboardInterrupt:
        say("ended by hand: what was judged until now is")
    verdicts = [verdict for mutant in wanted if (verdict := bench.known(mutant)) is not None]
    lines = summary(verdicts, len(mutants))
    for line in lines:
        say(line)
    if figures:
        report.write("mutation", lines)
    told = explained()
    return 1 if any(verdict.survived and key(verdict.mutant) not in told for verdict in verdicts) else 0


def tell(say: Callable[[str], None], verdict: Verdict) -> None:
    """One line, and for a survivor what was changed."""
    mutant = verdict.mutant
    say(f"{verdict.verdict:<14}{verdict.seconds:>6.1f} s  {mutant.name}  {verdict.by}".rstrip())
    if verdict.survived:
        say(f"    - {mutant.before.strip()}\n    + {mutant.after.strip()}")


class Bench:
    """The compiled mutants, a copy of the tests where they are tried, and what was judged before."""

    def __init__(self, folder: Path, sources: Mapping[str, str], mutants: Sequence[Mutant]) -> None:
        self.contracts = folder / "test" / "escrow" / "contracts"
        self.tests = folder / "test" / "tests" / "contracts"
        self.sources = sources
        self.numbers = {mutant: number for number, mutant in enumerate(mutants, start=1)}
        digest = hashlib.sha256(
            json.dumps([schemata.CONSTANT, *sources.items(), *map(asdict, mutants)]).encode()
        ).hexdigest()[:16]
        self.results = folder / f"results-{digest}.jsonl"
        self.verdicts = self._read()
        self._copy()
        self.codes, self.held = self._compiled(folder / f"compiled-{digest}.json")

    def _copy(self) -> None:
        for folder in (self.contracts / "src", self.contracts / "artifacts", self.tests):
            shutil.rmtree(folder, ignore_errors=True)  # but not what forge has compiled
        keep = shutil.ignore_patterns("out", "cache", "node_modules", "__pycache__", "solc-wrapper.js")
        shutil.copytree(project.CONTRACTS, self.contracts, ignore=keep, dirs_exist_ok=True)
        shutil.copytree(TESTS, self.tests)
        project.link_packages(self.contracts)
        wrapper = self.contracts / "solc-wrapper.js"
        wrapper.unlink(missing_ok=True)
        real = project.CONTRACTS / wrapper.name
        version = subprocess.run([build.node(), real, "--version"], capture_output=True, text=True, check=True).stdout
        wrapper.write_text(WRAPPER.format(version=json.dumps(version), real=json.dumps(str(real))), encoding="utf-8")
        wrapper.chmod(0o755)
        # all of the tests at once: forge is quick afterwards
        compiled = self._forge(["build", "--sizes"], seconds=None)
        if "No files changed" not in compiled.stdout and "Compiler run successful" not in compiled.stdout:
            raise StackError(f"the tests do not compile:\n{compiled.stdout[-2000:]}{compiled.stderr[-2000:]}")

    def _compiled(self, kept: Path) -> tuple[dict[str, str], set[int]]:
        """The code of each contract with all mutants in it, and the numbers of those mutants."""
        if kept.exists():
            content = json.loads(kept.read_text(encoding="utf-8"))
            return content["codes"], set(content["held"])
        texts, held = schemata.combine(self.sources, {number: mutant for mutant, number in self.numbers.items()})
        codes, errors = compiling.codes(texts)
        if errors:
            raise StackError(f"the mutants do not compile together: {errors[0]['formattedMessage']}")
        kept.write_text(json.dumps({"codes": codes, "held": sorted(held)}), encoding="utf-8")
        return codes, held

    def prove_sound(self, *, long: bool) -> None:
        """The tests pass while no mutant is active; else every mutant would seem killed."""
        mark = self.results.with_suffix(".long" if long else ".quick")
        if mark.exists() and mark.read_text(encoding="utf-8") == rests_on(""):
            return
        self._put({name: schemata.activate(code, 0) for name, code in self.codes.items()})
        failing = self._test(["--match-contract" if long else "--no-match-contract", LONG])
        if failing:
            raise StackError(f"the tests fail without any mutant: {failing}")
        mark.write_text(rests_on(""), encoding="utf-8")

    def known(self, mutant: Mutant) -> Verdict | None:
        """What was judged before on the same tests."""
        verdict = self.verdicts.get(mutant)
        if verdict and (verdict.verdict == BROKEN or verdict.rests_on == rests_on(verdict.by)):
            return verdict
        return None

    def judge(self, mutant: Mutant, *, long: bool) -> Verdict:
        """By the quick tests, or by the long ones."""
        began = time.monotonic()
        name, by = BROKEN, ""
        number = self.numbers[mutant]
        if number in self.held:
            codes = {contract: schemata.activate(code, number) for contract, code in self.codes.items()}
        else:
            codes = self._alone(mutant)
        if codes:
            self._put(codes)
            first = f"{FIRST[mutant.file]}|{EVERY}"
            runs = (
                [["--match-contract", LONG]]
                if long
                else [
                    ["--match-contract", f"^({first})Test$"],
                    ["--no-match-contract", f"{LONG}|^({first})Test$"],
                ]
            )
            try:
                by = next((failing for words in runs if (failing := self._test(words))), "")
                name = KILLED if by else SURVIVED if long else QUIET
            except subprocess.TimeoutExpired:
                name = SLOW
        load = os.getloadavg()[0]
        verdict = Verdict(mutant, name, round(time.monotonic() - began, 1), by, rests_on(by), round(load, 1))
        self.verdicts[mutant] = verdict
        with self.results.open("a", encoding="utf-8") as out:
            out.write(json.dumps(asdict(verdict)) + "\n")
        return verdict

    def _alone(self, mutant: Mutant) -> dict[str, str]:
        """Compiled by itself; empty when it does not compile."""
        unit = compiling.OURS + mutant.file
        texts = {**self.sources, unit: operators.apply(self.sources[unit], mutant)}
        _, errors = compiling.trees(texts)  # much quicker than to make the code
        return {} if errors else compiling.codes(texts)[0]

    def _put(self, codes: Mapping[str, str]) -> None:
        """Where the tests read them."""
        for name, code in codes.items():
            (self.contracts / "artifacts" / f"{name}.json").write_text(json.dumps({"bytecode": f"0x{code}"}))

    def _test(self, words: Sequence[str]) -> str:
        """The file, contract and name of a test that fails; empty when all pass."""
        for name in ("invariant", "fuzz"):  # failures of the mutant before
            shutil.rmtree(self.contracts / "cache" / name, ignore_errors=True)
        done = self._forge(["test", "--fail-fast", *words], seconds=SECONDS)
        if done.returncode == 0:
            return ""
        lines = done.stdout.splitlines()
        where = [match[1] for line in lines if (match := FAILING.match(line))]
        what = [line for line in lines if line.startswith("[FAIL")]
        if not where or not what:
            raise StackError(f"forge failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return f"{where[0]} {' '.join(what[0].split())[-70:]}"

    def _forge(self, words: Sequence[str], *, seconds: int | None) -> subprocess.CompletedProcess[str]:
        environment = {**project.environment(), **RUNS, "FOUNDRY_CODE_SIZE_LIMIT": str(LARGE)}
        return subprocess.run(
            ["forge", *words],
            cwd=self.contracts,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )

    def _read(self) -> dict[Mutant, Verdict]:
        if not self.results.exists():
            return {}
        entries = [json.loads(line) for line in self.results.read_text(encoding="utf-8").splitlines()]
        verdicts = [Verdict(**{**entry, "mutant": Mutant(**entry["mutant"])}) for entry in entries]
        return {verdict.mutant: verdict for verdict in verdicts}


def rests_on(by: str) -> str:
    """The digest of the failing test's file and of what it imports; of all tests, when none fails."""
    if not by:
        return _digest(sorted(TESTS.rglob("*.sol")))
    found: set[Path] = set()
    todo = [TESTS / by.split(":", maxsplit=1)[0]]
    while todo:
        path = todo.pop()
        if path in found or not path.exists():
            continue
        found.add(path)
        todo += [(path.parent / name).resolve() for name in project.IMPORT.findall(path.read_text(encoding="utf-8"))]
    return _digest(sorted(found))


def _digest(paths: Sequence[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def summary(verdicts: Sequence[Verdict], of: int) -> list[str]:
    """Figures of a run, as lines of Markdown."""
    counts = Counter(verdict.verdict for verdict in verdicts)
    told = explained()
    survived = counts[SURVIVED] + counts[QUIET]
    known = sum(verdict.survived and key(verdict.mutant) in told for verdict in verdicts)
    ran = counts[KILLED] + survived
    loads = sorted(verdict.load for verdict in verdicts) or [0.0]
    lines = [
        (
            f"{clock.now():%d %B %Y}, {os.cpu_count()} cores with a load of {loads[0]:.0f} to {loads[-1]:.0f}, "
            f"{report.byte_code()}: {len(verdicts)} of {of} mutants judged, {ran} compile, **{counts[KILLED]} killed "
            f"({100 * counts[KILLED] / max(ran, 1):.1f} %)**, {survived} survived, {known} of those explained "
            f"(and {counts[QUIET]} tried by the quick tests only); "
            f"{counts[BROKEN]} do not compile, {counts[SLOW]} too slow; {sum(v.seconds for v in verdicts):.0f} s in all."
        ),
        "",
        "| operator | killed | survived | not compiling |",
        "|---|---|---|---|",
    ]
    by = Counter((verdict.mutant.operator, verdict.verdict) for verdict in verdicts)
    return lines + [
        f"| {operator} | {by[operator, KILLED]} | {by[operator, SURVIVED] + by[operator, QUIET]} | {by[operator, BROKEN]} |"
        for operator in operators.OPERATORS
    ]


def explained() -> dict[tuple[str, int, str, str], str]:
    """Survivors that change nothing that can be seen, with the reason: by file, line, and its text before and after."""
    entries: list[dict[str, Any]] = json.loads(Path(__file__).with_name("survivors.json").read_text(encoding="utf-8"))
    return {(entry["file"], entry["line"], entry["before"], entry["after"]): entry["reason"] for entry in entries}


def key(mutant: Mutant) -> tuple[str, int, str, str]:
    return mutant.file, mutant.line, mutant.before.strip(), mutant.after.strip()
