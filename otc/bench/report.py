"""What a bench says: rows of name, figure, unit, bar, and whether the bar holds."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `bar` None: shown for comparison, nothing to hold."""

    name: str
    figure: float
    unit: str
    bar: float | None = None
    sense: Literal["at most", "at least"] = "at most"
    beside: str = ""  # the competitor's figure, in words

    @property
    def holds(self) -> bool:
        if self.bar is None:
            return True
        return self.figure <= self.bar if self.sense == "at most" else self.figure >= self.bar


def as_json(rows: Sequence[Row]) -> str:
    return json.dumps([{**asdict(row), "holds": row.holds} for row in rows], indent=1)


def as_table(rows: Sequence[Row]) -> str:
    """Columns wide enough for their content; numbers to the right."""
    head = ("name", "figure", "unit", "bar", "holds", "beside")
    cells = [
        (
            row.name,
            f"{row.figure:,.10g}",
            row.unit,
            "" if row.bar is None else f"{row.sense} {row.bar:,.10g}",
            "" if row.bar is None else ("yes" if row.holds else "NO"),
            row.beside,
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [head, *cells]) for column in range(len(head))]
    lines = []
    for line in [head, *cells]:
        padded = [
            text.rjust(width) if i == 1 else text.ljust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
