"""Reads the environment for the settings: every knob of the process comes through here."""

import os
import re
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str | None = None) -> str:
    """The value of `name`; ImproperlyConfigured when it is missing and there is no default."""
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(f"Set the environment variable {name}, or start with `python3 manage.py up`.")
    return value


def flag(name: str, *, default: bool) -> bool:
    """True for 1/true/yes/on, False for 0/false/no/off (any case)."""
    raw = os.environ.get(name)
    if raw is None:
        return default
    lowered = raw.strip().lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off", ""}:
        return False
    raise ImproperlyConfigured(f"{name}={raw!r} is neither true nor false: use 1 or 0.")


def number(name: str, default: int) -> int:
    """A whole number."""
    raw = os.environ.get(name)
    if raw is None:
        return default
    try:
        return int(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={raw!r} is not a whole number.") from error


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list, blanks dropped."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def rates(name: str, default: str) -> dict[str, tuple[int, int]]:
    """`read=100/60,write=20/60` as {"read": (100, 60), ...}: so many calls in so many seconds."""
    found = {}
    for word in words(name, default):
        rate = re.fullmatch(r"([a-z]+)=([1-9][0-9]*)/([1-9][0-9]*)", word)
        if rate is None:
            raise ImproperlyConfigured(f"{name}: {word!r} is not of the form read=100/60 (calls/seconds).")
        found[rate[1]] = (int(rate[2]), int(rate[3]))
    return found


def broker(name: str) -> str:
    """A Redis address in Celery's spelling, which differs for a unix socket (`unix:///path?db=0` elsewhere)."""
    return text(name).replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)


def database(name: str, default: str | None = None) -> dict[str, object]:
    """Django's connection settings from `postgresql://user:password@host:port/db`.

    A unix socket folder is given as `?host=/path`, as libpq writes it.
    """
    url = urlsplit(text(name, default))
    if url.scheme not in {"postgresql", "postgres"}:
        raise ImproperlyConfigured(f"{name} must start with postgresql:// (PostgreSQL is the only database).")
    query = dict(pair.split("=", 1) for pair in url.query.split("&") if "=" in pair)
    return {
        "NAME": unquote(url.path.lstrip("/")),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": unquote(query.get("host", url.hostname or "")),
        "PORT": str(url.port or query.get("port", "")),
    }
