"""The seeds that are kept."""

from pathlib import Path

KEPT = Path(__file__).with_name("seeds.txt")


def kept_seeds(what: str) -> list[int]:
    """Seeds of `what` ("watcher" or "keeper") that failed once."""
    lines = [line.split() for line in KEPT.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [int(words[1]) for words in lines if words[0] == what]
