"""What this machine has of the things that some tests need and the project can't bring along."""

import os
import shutil
from pathlib import Path

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ENS_VARIABLE = "FORELOCK_ENS_DATA"
NO_CHROMIUM = "no Chromium here: install one (Debian: apt-get install chromium), or name it in CHROMIUM"
NO_ENS_DATA = f"the ENS airdrop is no part of the project: set {ENS_VARIABLE} to the folder with allocations.csv.gz"


def chromium() -> str | None:
    """The path of a Chromium: the variable CHROMIUM, else one on the path."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    return next((found for name in CHROMIUM_NAMES if (found := shutil.which(name))), None)


def ens_data() -> Path | None:
    """The folder that FORELOCK_ENS_DATA names, if it holds the list."""
    folder = Path(os.environ.get(ENS_VARIABLE, "/nonexistent"))
    return folder if (folder / "allocations.csv.gz").exists() else None
