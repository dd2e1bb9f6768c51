"""The checks of `manage.py lint`. All of them run; the output of those that fail is shown."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from otc.stack import node
from otc.stack.layout import PROJECT

SCHEMA = Path("docs") / "openapi.yaml"
Check = Callable[[], tuple[bool, str]]


def run() -> int:
    """0 when every check holds."""
    node.install(PROJECT, dev=True)
    os.environ["PATH"] = node.search_path()
    checks: dict[str, Check] = {
        "ruff check": _command(_module("ruff", "check", ".")),
        "ruff format": _command(_module("ruff", "format", "--check", ".")),
        "mypy": _command(_module("mypy")),
        "imports": _command(_script("lint-imports")),
        "migrations": _command(_manage("makemigrations", "--check", "--dry-run"), offline()),
        "deployment": _command(_manage("check", "--deploy", "--fail-level", "WARNING"), production()),
        "contracts": _command(_manage("build_contracts", "--check"), offline()),
        "API schema": schema_drift,
        "lock files": lock_files,
    }
    failed = []
    for name, check in checks.items():
        began = time.monotonic()
        good, output = check()
        print(f"{name:<14}{'ok' if good else 'FAILED'} ({time.monotonic() - began:.1f} s)", flush=True)
        if not good:
            failed.append(name)
            print("\n".join(f"    {line}" for line in output.splitlines()), flush=True)
    print(
        f"=== {len(checks) - len(failed)} checks hold, {len(failed)} failed{': ' + ', '.join(failed) if failed else ''} ==="
    )
    return 1 if failed else 0


def _module(*words: str) -> list[str]:
    return [sys.executable, "-m", *words]


def _manage(*words: str) -> list[str]:
    return [sys.executable, str(PROJECT / "manage.py"), *words]


def _script(name: str) -> list[str]:
    return [str(Path(sys.executable).with_name(name))]


def _command(words: list[str], env: Mapping[str, str] | None = None) -> Check:
    def check() -> tuple[bool, str]:
        done = subprocess.run(
            words,
            cwd=PROJECT,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode == 0, done.stdout

    return check


def offline() -> dict[str, str]:
    """The project's own settings with no server behind them."""
    return {
        "DJANGO_SETTINGS_MODULE": "otc.settings",
        # makemigrations warns that it can't compare with a database: it needn't, the tests do.
        "PYTHONWARNINGS": "ignore:Got an error checking a consistent migration history:RuntimeWarning",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": "postgresql://nobody@/none?host=/nonexistent",
        "REDIS_URL": "unix:///nonexistent?db=0",
    }


def production() -> dict[str, str]:
    """What a real installation sets, as docs/operations.md tells it to."""
    return {
        **offline(),
        "DEBUG": "0",
        "SECURE_COOKIES": "1",
        "SECURE_SSL_REDIRECT": "1",
        "SECURE_HSTS_SECONDS": "31536000",
        "SECURE_HSTS_WHOLE_DOMAIN": "1",
        "ALLOWED_HOSTS": "venue.example",
        "CSRF_TRUSTED_ORIGINS": "https://venue.example",
    }


def schema_drift() -> tuple[bool, str]:
    """True when docs/openapi.yaml is what the code generates."""
    with tempfile.TemporaryDirectory(prefix="forelock-schema-") as folder:
        made = Path(folder) / "openapi.yaml"
        words = _manage("spectacular", "--file", str(made), "--validate", "--fail-on-warn")
        good, output = _command(words, offline())()
        if not good:
            return False, output
        committed = PROJECT / SCHEMA
        if not committed.exists() or committed.read_bytes() != made.read_bytes():
            return (
                False,
                f"{SCHEMA} is not what the code generates: `python3 manage.py spectacular --file {SCHEMA}` writes it.",
            )
    return True, ""


def lock_files() -> tuple[bool, str]:
    """True when the locks name no address to download from: those are the machine's business."""
    bad = []
    for name, words in {
        "requirements.lock": ("index-url", "find-links", " @ "),
        "requirements-dev.lock": ("index-url", "find-links", " @ "),
        "requirements-proof-halmos.lock": ("index-url", "find-links", " @ "),
        "requirements-proof-slither.lock": ("index-url", "find-links", " @ "),
        "package-lock.json": ('"resolved"',),
    }.items():
        text = (PROJECT / name).read_text(encoding="utf-8")
        bad += [f"{name} contains {word.strip()}" for word in words if word in text]
    return not bad, "\n".join(bad)
