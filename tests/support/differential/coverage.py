"""Which functions a run has tried, and which it owes."""

from collections import Counter

NEVER_REFUSED = {"bump_epoch", "invalidate_nonces", "set_auto_deliver"}  # whoever calls, whatever he says


def owed(counts: Counter[tuple[str, str]], functions: tuple[str, ...]) -> list[str]:
    """Functions that were never accepted, or never refused where they can be."""
    missing = [f"{name} never accepted" for name in functions if not counts[name, "accepted"]]
    refusable = (name for name in functions if name not in NEVER_REFUSED)
    return missing + [f"{name} never refused" for name in refusable if not counts[name, "refused"]]


def table(counts: Counter[tuple[str, str]], functions: tuple[str, ...]) -> str:
    """A line a function: accepted, refused."""
    return "\n".join(f"{name:<22}{counts[name, 'accepted']:>8}{counts[name, 'refused']:>8}" for name in functions)
