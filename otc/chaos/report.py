"""What was injected and what was seen, seed by seed and in sum."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from otc.chaos.run import Result


class Report:
    """`say` gets one line at a time. `unreached`: failpoints that nobody came by in the whole run."""

    def __init__(self, *, say: Callable[[str], object]) -> None:
        self._say = say
        self.results: list[Result] = []
        self.unreached: list[str] = []

    @property
    def violations(self) -> int:
        """How many seeds broke something."""
        return sum(bool(result.violations) for result in self.results)

    def add(self, result: Result) -> None:
        """Takes a seed in and says how it went; a violation with all that was done, when, and how to do it again."""
        self.results.append(result)
        verdict = "VIOLATION" if result.violations else "ok"
        self._say(
            f"seed {result.seed:>4}  {verdict:<9} {result.seconds:5.1f} s  {result.injected.total():>2} faults, "
            f"{result.seen['deals']} deals, {result.seen['intents done']} intents"
        )
        if not result.violations:
            return
        for seconds, what in result.happened:
            self._say(f"  {seconds:6.1f} s  {what}")
        for violation in result.violations:
            self._say(f"  broken: {violation}")
        self._say(f"  again: python3 manage.py chaos --seeds 1 --seed {result.seed}")

    def as_json(self) -> dict[str, Any]:
        return {
            "seeds": len(self.results),
            "violations": {result.seed: result.violations for result in self.results if result.violations},
            "seconds": round(sum(result.seconds for result in self.results), 1),
            "injected": dict(self._sum("injected").most_common()),
            "seen": dict(sorted(self._sum("seen").items())),
            "deepest": max((depth for result in self.results for depth in result.depths), default=0),
            "unreached": self.unreached,
        }

    def tell(self) -> None:
        """The sums, for a person."""
        found = self.as_json()
        self._say(f"\n{found['seeds']} seeds in {found['seconds']:,.0f} s, {self.violations} with a violation")
        for title in ("injected", "seen"):
            self._say(f"\n{title.capitalize()}")
            for name, count in found[title].items():
                self._say(f"  {name:<40} {count:>7,}")
        self._say(f"\nDeepest reorganisation: {found['deepest']} blocks")
        self._say(f"Failpoints nobody came by: {', '.join(self.unreached) or 'none'}")

    def _sum(self, name: str) -> Counter[str]:
        total: Counter[str] = Counter()
        for result in self.results:
            total.update(getattr(result, name))
        return total
