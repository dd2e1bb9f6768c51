"""`manage.py prove invariants`: the Solidity tests with the long runs of the `deep` profile."""

import os
import subprocess
import time
from collections.abc import Callable

from otc.proof import project
from otc.stack.testing import forge_binary


def run(say: Callable[[str], None]) -> int:
    """Forge's own status."""
    began = time.monotonic()
    done = subprocess.run(
        [str(forge_binary()), "test"],
        cwd=project.CONTRACTS,
        env={**os.environ, "FOUNDRY_PROFILE": "deep"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    kept = lines if done.returncode else [line for line in lines if "(runs:" in line or line.startswith("Ran ")]
    for line in kept:
        say(line)
    say(f"=== the deep profile {'fails' if done.returncode else 'holds'}, {time.monotonic() - began:.0f} s ===")
    return done.returncode
