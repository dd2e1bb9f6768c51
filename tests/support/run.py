"""The folder and the environment of one test run: shared by its workers, seen by no other run, deleted at its end."""

import os
import secrets
import shutil
import tempfile
from pathlib import Path

FOLDER_VARIABLE = "FORELOCK_TEST_RUN"


def folder() -> Path:
    """The run's folder, not made yet. The first process to ask names it; the workers inherit the name."""
    if FOLDER_VARIABLE not in os.environ:
        os.environ[FOLDER_VARIABLE] = str(Path(tempfile.gettempdir()) / f"forelock-test-{secrets.token_hex(4)}")
    return Path(os.environ[FOLDER_VARIABLE])


def create() -> None:
    """Makes the folder and what the settings point at in it."""
    for name in ("static", "media"):
        (folder() / name).mkdir(parents=True, exist_ok=True)


def delete() -> None:
    """Deletes the folder."""
    shutil.rmtree(folder(), ignore_errors=True)


def sockets() -> Path:
    """Where the run's PostgreSQL listens."""
    return folder() / "pg"


def prepare_environment() -> None:
    """Sets every setting of the project for this run, whatever the shell says: a test never meets a real server."""
    os.environ.update(
        {
            "SECRET_KEY": "test-secret-key-of-a-run-that-ends-in-minutes-0123456789",
            "DEBUG": "0",
            "SECURE_COOKIES": "0",
            "SECURE_SSL_REDIRECT": "0",
            "ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
            "CSRF_TRUSTED_ORIGINS": "",
            "DATABASE_URL": f"postgresql://postgres@/forelock?host={sockets()}",
            "REDIS_URL": f"unix://{folder()}/no-redis.sock?db=0",
            "MEDIA_ROOT": str(folder() / "media"),
            "CELERY_BEAT_FILE": str(folder() / "beat"),
        }
    )
    for name in ("RPC_URL", "KEEPER_PRIVATE_KEY", "KEEPER_KEYSTORE", "KEEPER_PASSWORD_FILE"):
        os.environ.pop(name, None)
