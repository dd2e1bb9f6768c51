"""Progress for a person at a terminal, and lines for a log: one bar at a time."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO, TypeVar

from otc.core import clock

WIDTH = 24  # of a bar
TITLE = 44
REDRAW_SECONDS = 0.1
LINE_SECONDS = 10.0  # between lines where the output is no terminal

Item = TypeVar("Item")


class Bar:
    """One stage: so many of so many. `total` 0 is a stage whose length nobody knows."""

    def __init__(self, out: TextIO, title: str, total: int) -> None:
        self._out, self._title, self.total, self.done = out, title, total, 0
        self._live = out.isatty()
        self.started = clock.monotonic()
        self._drawn = self.started

    def advance(self, steps: int = 1) -> None:
        self.to(self.done + steps)

    def to(self, done: int) -> None:
        self.done = done
        now = clock.monotonic()
        if now - self._drawn >= (REDRAW_SECONDS if self._live else LINE_SECONDS):
            self._drawn = now
            self._draw("")

    def over(self, each: Iterable[Item]) -> Iterator[Item]:
        """Passes items through and counts them."""
        for item in each:
            yield item
            self.advance()

    def finish(self, *, well: bool) -> None:
        self._draw("" if well else "  failed", last=True)

    def _draw(self, note: str, *, last: bool = False) -> None:
        seconds = clock.monotonic() - self.started
        count = f"{self.done:>7,}/{self.total:,}" if self.total else " " * 7
        filled = WIDTH * self.done // self.total if self.total else WIDTH * last
        bar = "█" * min(filled, WIDTH) + "░" * (WIDTH - min(filled, WIDTH))
        line = f"{self._title:<{TITLE}} {bar} {seconds:6.1f} s {count}{note}"
        if self._live:
            self._out.write(f"\r{line}\x1b[K" + ("\n" if last else ""))
        else:
            self._out.write(line + "\n")
        self._out.flush()


class Console:
    """Where a rehearsal reports."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.started = clock.monotonic()

    def say(self, text: str = "") -> None:
        self.out.write(text + "\n")
        self.out.flush()

    @contextmanager
    def bar(self, title: str, total: int = 0) -> Iterator[Bar]:
        """A bar for the work inside."""
        bar = Bar(self.out, title, total)
        well = False
        try:
            yield bar
            well = True
        finally:
            bar.finish(well=well)

    def table(self, rows: list[list[str]]) -> None:
        """Rows under their head, columns as wide as they need; all but the first to the right."""
        widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
        for number, row in enumerate(rows):
            cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
            self.say("  " + "  ".join(cells).rstrip())
            if number == 0:
                self.say("  " + "  ".join("─" * width for width in widths))
