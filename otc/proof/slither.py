"""`manage.py prove slither`: static analysis; a finding that slither.json does not answer fails the run."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from otc.core import clock
from otc.proof import project, report, tools
from otc.stack.errors import StackError

ANSWERS = Path(__file__).with_name("slither.json")
Finding = tuple[str, str]  # detector, and the function or variable that it names


def run(say: Callable[[str], None], *, figures: bool = False) -> int:
    """1 when there is a finding without an answer, or an answer without a finding."""
    found = findings(analyse())
    answered = answers()
    for (check, place), reason in sorted(answered.items()):
        if (check, place) in found:
            say(f"answered  {check}: {place}: {reason}")
    new = sorted(found - answered.keys())
    gone = sorted(answered.keys() - found)
    for check, place in new:
        say(f"NEW       {check}: {place}")
    for check, place in gone:
        say(f"STALE     {check}: {place}: answered, but no longer found")
    checks = Counter(check for check, _ in found)
    line = (
        f"{clock.now():%d %B %Y}, {report.byte_code()}: {len(found)} findings "
        f"({', '.join(f'{n} {check}' for check, n in sorted(checks.items()))}); "
        f"{len(new)} without an answer, {len(gone)} answers without a finding."
    )
    say(line)
    if figures:
        report.write("slither", [line])
    return 1 if new or gone else 0


def analyse() -> Mapping[str, Any]:
    """Slither's report on the contract's sources."""
    binaries = tools.ready("slither")
    folder = tools.folder("slither") / "project"
    project.make(folder, more=project.FAST)
    project.copy_sources(folder)
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    command = [str(binaries / "slither"), ".", "--filter-paths", "node_modules", "--json", str(report)]
    done = subprocess.run(
        command, cwd=folder, env=project.environment(binaries), capture_output=True, text=True, check=False
    )
    if not report.exists():
        raise StackError(f"slither gave no report. It said:\n{done.stderr[-2000:]}")
    content: Mapping[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    if not content.get("success"):
        raise StackError(f"slither failed: {content.get('error')}")
    return content


def findings(report: Mapping[str, Any]) -> set[Finding]:
    """Detector and place of each finding: line numbers move, names stay."""
    return {(str(item["check"]), _place(item["elements"])) for item in report["results"].get("detectors", [])}


def groups() -> list[dict[str, Any]]:
    """Detector, places and reason, as they are written down."""
    content: list[dict[str, Any]] = json.loads(ANSWERS.read_text(encoding="utf-8"))
    return content


def answers() -> dict[Finding, str]:
    """What was looked at, and why it stands."""
    return {(group["check"], place): group["reason"] for group in groups() for place in group["places"]}


def _place(elements: Sequence[Mapping[str, Any]]) -> str:
    """Contract.function, with .variable for a local one."""
    if not elements:
        return "-"
    names: list[str] = []
    element: Mapping[str, Any] = elements[0]
    while element:
        if element["type"] != "node":
            names.insert(0, str(element["name"]))
        element = element.get("type_specific_fields", {}).get("parent", {})
        if element.get("type") == "source":
            break
    return ".".join(names)
