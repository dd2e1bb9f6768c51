"""The environment of a command: what the shell sets, else what the stack it belongs to has. The one place that decides it."""

import os
import secrets
from collections.abc import MutableMapping
from urllib.parse import quote

from otc.stack import anvil, redis
from otc.stack.layout import Layout, read_json
from otc.stack.lock import holder

# Commands that run a stack of their own: the folder it lives in below var/ (empty: var/ itself).
OWN_STACK = {"up": "", "rehearse": "rehearse", "bench": "bench", "chaos": "chaos"}
# Commands that bring a test run's own servers.
TESTING = frozenset({"test", "lint"})
# Commands that read the settings but no server.
OFFLINE = frozenset(
    {
        "build_contracts",
        "check",
        "collectstatic",
        "diffsettings",
        "prove",
        "help",
        "makemigrations",
        "spectacular",
        "version",
        "--help",
        "--version",
        "-h",
    }
)
# The services that a shell may point elsewhere for `up`.
EXTERNAL = ("DATABASE_URL", "REDIS_URL", "RPC_URL")

# Which of them the shell gave; `prepare` notes it before it fills in the rest.
given: set[str] = set()


def prepare(command: str) -> None:
    """Completes os.environ for `manage.py command`, before the settings are read."""
    given.update(name for name in EXTERNAL if name in os.environ)
    if command in TESTING:
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    elif command in OWN_STACK:
        name = OWN_STACK[command]
        layout = Layout.of(name)
        # A private stack must never meet the servers of the shell, so it wins over them.
        complete(os.environ, embedded(layout), override=bool(name))
    else:
        complete(os.environ, running(Layout.of()), override=False)
        if command in OFFLINE:
            complete(os.environ, placeholders(), override=False)


def complete(environ: MutableMapping[str, str], values: dict[str, str], *, override: bool) -> None:
    """Adds `values` to `environ`; what is there stays unless `override`."""
    for name, value in values.items():
        if override or name not in environ:
            environ[name] = value


def embedded(layout: Layout) -> dict[str, str]:
    """Every setting of a stack with embedded services; RPC_URL comes when its port is known."""
    layout.make()
    return {
        "DJANGO_SETTINGS_MODULE": "otc.settings",
        "SECRET_KEY": layout.secret("SECRET_KEY"),
        "DEBUG": "0",
        "SECURE_COOKIES": "0",  # http on this machine
        "SECURE_SSL_REDIRECT": "0",
        "DATABASE_URL": f"postgresql://postgres@/forelock?host={quote(str(layout.sockets / 'pg'))}",
        "REDIS_URL": redis.url(layout.sockets / "redis.sock"),
        "MEDIA_ROOT": str(layout.root / "media"),
        "CELERY_BEAT_FILE": str(layout.run / "beat"),
        "KEEPER_PRIVATE_KEY": anvil.key("keeper"),
    }


def running(layout: Layout) -> dict[str, str]:
    """The settings of the stack that runs in `layout`; empty when none does."""
    if holder(layout) is None:
        return {}
    return {str(name): str(value) for name, value in read_json(layout.run / "env.json").items()}


def placeholders() -> dict[str, str]:
    """Settings for commands that need none of the servers."""
    return {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": "postgresql://nobody@/none?host=/nonexistent",
        "REDIS_URL": "unix:///nonexistent?db=0",
    }
