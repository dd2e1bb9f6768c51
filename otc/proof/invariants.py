"""`manage.py prove invariants`: random trading and thieves in the long runs of the `deep` profile, in pieces.

A piece is one campaign with a seed of its own. Which have passed is kept below var/proof/invariants, apart for each byte code and its
tests: a run goes on where another was ended, and several may run at once on different machines.
"""

import hashlib
import json
import os
import re
import resource
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from otc.core import clock
from otc.proof import mutation, project, report, symbolic, tools
from otc.stack.errors import StackError
from otc.stack.testing import forge_binary

PIECES = 250  # of 84,000 calls: 21 million
RIGHTS_EVERY = 3  # every third piece trades on a RightsEscrow
FILES = ("Invariants.t.sol", "RightsInvariants.t.sol", "KeyTheft.t.sol")
THIEVES = "thieves"
PASSED = re.compile(r"^\[PASS\] (\w+)\(.*\(runs: (\d+)(?:, calls: (\d+))?")
CALLS = re.compile(r"CALLS = (\d+);")


@dataclass(frozen=True)
class Piece:
    """What forge said of one that passed."""

    name: str
    runs: int
    calls: int  # of the escrow, by actors; 0 of thieves, who are not counted so
    seconds: float  # of the processor
    load: float


def pieces() -> dict[str, list[str]]:
    """What is asked of forge, by name: each campaign with its seed, and the thieves."""
    wanted = {}
    for number in range(1, PIECES + 1):
        campaign = "invariant_all_of_them_with_rights" if number % RIGHTS_EVERY == 0 else "invariant_all_of_them_one"
        wanted[f"{campaign} {number}"] = ["--match-test", rf"^{campaign}\(", "--fuzz-seed", hex(number)]
    return wanted | {THIEVES: ["--match-contract", "^KeyTheftTest$"]}


def digest() -> str:
    """Of the byte code and of the tests that a piece rests on."""
    artifacts = [path.read_bytes() for path in (symbolic.ARTIFACT, symbolic.RIGHTS)]
    tests = [mutation.rests_on(f"{name}:").encode() for name in FILES]
    settings = (project.CONTRACTS / "foundry.toml").read_bytes()
    return hashlib.sha256(b"".join([*artifacts, *tests, settings])).hexdigest()[: report.DIGITS]


def run(say: Callable[[str], None], *, figures: bool = False) -> int:
    """1 when a test fails, which ends the run."""
    mine = digest()
    results = tools.folder("invariants") / f"results-{mine}.jsonl"
    results.parent.mkdir(parents=True, exist_ok=True)
    known = _known(results)
    status = 0
    try:
        for name, words in pieces().items():
            if name in known:
                continue
            piece = _piece(say, name, words)
            if digest() != mine:
                raise StackError("the tests or the byte code were changed meanwhile: start again")
            if piece is None:
                status = 1
                break
            known[name] = piece
            with results.open("a", encoding="utf-8") as out:
                out.write(json.dumps(asdict(piece)) + "\n")
            say(f"{piece.calls:>8} calls {piece.seconds:>7.1f} s  {name}")
    except KeyboardInterrupt:
        say("ended by hand: what passed until now has")
    if status == 0:
        lines = summary(list(known.values()))
        say(lines[0])
        if figures:
            report.write("invariants", lines)
    return status


def _known(results: Path) -> dict[str, Piece]:
    if not results.exists():
        return {}
    entries = [Piece(**json.loads(line)) for line in results.read_text(encoding="utf-8").splitlines()]
    return {piece.name: piece for piece in entries}


def _piece(say: Callable[[str], None], name: str, words: Sequence[str]) -> Piece | None:
    """None when a test fails: forge's own words have been said then, with the seed and the calls."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(forge_binary()), "test", *words],
        cwd=project.CONTRACTS,
        env={**os.environ, "FOUNDRY_PROFILE": "deep"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    passed = [match for line in done.stdout.splitlines() if (match := PASSED.match(line))]
    if done.returncode or not passed:
        say(done.stdout)
        say(f"=== {name} fails ===")
        return None
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    each = calls_in_one()
    return Piece(
        name,
        runs=sum(int(match[2]) for match in passed),
        calls=sum(int(match[3] or 0) for match in passed) * each,
        seconds=round(seconds, 1),
        load=round(os.getloadavg()[0], 1),
    )


def calls_in_one() -> int:
    """Calls of the escrow in one call of forge, as the traders count them."""
    found = CALLS.search((mutation.TESTS / "support" / "Runs.sol").read_text(encoding="utf-8"))
    if found is None:
        raise StackError("support/Runs.sol does not say how many calls of the escrow are in one of forge's")
    return int(found[1])


def summary(passed: Sequence[Piece]) -> list[str]:
    """Figures of all that passed, as lines of Markdown."""
    loads = sorted(piece.load for piece in passed) or [0.0]
    trading = [piece for piece in passed if piece.name != THIEVES]
    rights = sum(piece.calls for piece in trading if "rights" in piece.name)
    calls, runs = sum(piece.calls for piece in trading), sum(piece.runs for piece in trading)
    seconds = sum(piece.seconds for piece in trading)
    thieves = next((piece for piece in passed if piece.name == THIEVES), None)
    theft = (
        f"{thieves.runs:,} thieves in {thieves.seconds:.0f} s, no bound was passed"
        if thieves
        else "the thieves have not run"
    )
    return [
        (
            f"{clock.now():%d %B %Y}, {os.cpu_count()} cores with a load of {loads[0]:.0f} to {loads[-1]:.0f}, {report.byte_code()}: "
            f"{len(trading)} of {PIECES} pieces, **{calls:,} calls** ({rights:,} of them on `RightsEscrow`) in {runs} runs; "
            f"{seconds:.0f} s of processor time, {1000 * seconds / max(calls, 1):.2f} ms a call. "
            f"No invariant was broken, and in each run every function worked. Of stolen keys: {theft}."
        )
    ]
