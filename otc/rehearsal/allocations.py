"""The allocation list of a rehearsal: a given file, or one made from the seed with the size and the spread of a real airdrop.

The made one follows a well-known airdrop: 137,689 accounts, 25,000,000 tokens of 18 decimals in all, half of the
accounts within 82 and 250 tokens, a long tail of dust below, none above about 1,150.
"""

import csv
import gzip
import io
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO, cast

ROWS = 137_689
UNIT = 10**18
TOTAL = 25_000_000 * UNIT
MEDIAN = 150.0
# Spread of the logarithm above and below the median: the real list leans to the small side.
ABOVE, BELOW = 0.72, 1.0
CEILING = 1_150.0
DUST_SHARE = 0.02  # rows far below the rest
DUST_FLOOR = 1e-5

Row = tuple[str, int]


class ListError(Exception):
    """The given file is not `address,amount`; the text names the line."""


def read(path: Path) -> Iterator[Row]:
    """The rows of a CSV, plain or gzip, with or without its header. ListError names the first bad line."""
    line = 0
    try:
        with _opened(path) as file:
            for line, row in enumerate(csv.reader(file), start=1):
                if line == 1 and row[:1] == ["address"]:
                    continue
                address, amount = row
                yield address.lower(), int(amount)
    except (ValueError, EOFError, OSError, csv.Error) as error:
        raise ListError(f"{path}, after line {line - 1 if line else 0}: expected address,amount as CSV.") from error


def _opened(path: Path) -> TextIO:
    return cast(
        "TextIO", gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")
    )


def make(seed: int, rows: int = ROWS, total: int = TOTAL) -> list[Row]:
    """`rows` accounts sorted by address, amounts that sum to `total` exactly. The same seed gives the same list."""
    chance = random.Random(f"allocations {seed}")  # noqa: S311 - a rehearsal repeats, it hides nothing
    addresses: set[int] = set()
    while len(addresses) < rows:
        addresses.add(chance.getrandbits(160))
    weights = [int(_weight(chance) * 2**40) + 1 for _ in range(rows)]
    whole = sum(weights)
    amounts = [max(1, weight * total // whole) for weight in weights]
    # What rounding left over goes to the largest: nobody sees it there.
    amounts[amounts.index(max(amounts))] += total - sum(amounts)
    return [(f"0x{address:040x}", amount) for address, amount in zip(sorted(addresses), amounts, strict=True)]


def _weight(chance: random.Random) -> float:
    if chance.random() < DUST_SHARE:
        return math.exp(chance.uniform(math.log(DUST_FLOOR), 0.0))
    step = chance.gauss(0.0, 1.0)
    return min(CEILING, MEDIAN * math.exp(step * (ABOVE if step > 0 else BELOW)))


def write(path: Path, rows: list[Row]) -> None:
    """Stores rows as `address,amount` in gzip, byte for byte the same for the same rows."""
    text = io.StringIO()
    text.write("address,amount\n")
    text.writelines(f"{address},{amount}\n" for address, amount in rows)
    path.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=1, mtime=0))
