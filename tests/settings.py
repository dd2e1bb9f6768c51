"""Settings of a test run: the project's own, with servers that belong to the run and quick stand-ins for slow hashing and static files."""

from tests.support import run

run.prepare_environment()

from otc.settings import *  # noqa: E402, F403
from otc.settings import DATABASES  # noqa: E402

# One round of a weak hash: a staff log-in in a test proves the path, not the strength.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "otc.core.storage.WholeFileStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_ROOT = run.folder() / "static"
# Redis runs only for the tests that ask for the fixture `redis_url`; tasks are called as functions.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CELERY_BROKER_URL = "memory://"
# One test may call more often than one person. tests/db/api/test_ratelimit.py turns them on.
RATE_LIMITS: dict[str, tuple[int, int]] = {}  # type: ignore[no-redef]
# Each request of a live server runs in a thread of its own: a connection kept open there would outlive the test.
DATABASES["default"]["CONN_MAX_AGE"] = 0
