"""Django's own checks for production, with an environment as production has it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from otc import env

PRODUCTION = {
    "SECRET_KEY": "a-long-random-secret-of-a-server-that-serves-people-0123456789-abcdefgh",
    "DATABASE_URL": "postgresql://forelock:password@db.internal/forelock",
    "REDIS_URL": "redis://redis.internal:6379/0",
    "ALLOWED_HOSTS": "venue.example",
    "CSRF_TRUSTED_ORIGINS": "https://venue.example",
    "PROXY_COUNT": "1",
    "SECURE_SSL_REDIRECT": "1",
    "SECURE_HSTS_SECONDS": "31536000",
    "SECURE_HSTS_WHOLE_DOMAIN": "1",
}


def test_check_deploy_finds_nothing():
    base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "django", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=Path(settings.BASE_DIR),
        env={**base, **PRODUCTION, "DJANGO_SETTINGS_MODULE": "otc.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


class TestEnvironment:
    def test_rates(self, monkeypatch):
        monkeypatch.setenv("RATE_LIMITS", "read=100/60, write=5/1")
        assert env.rates("RATE_LIMITS", "") == {"read": (100, 60), "write": (5, 1)}
        monkeypatch.setenv("RATE_LIMITS", "")
        assert env.rates("RATE_LIMITS", "read=1/1") == {}

    @pytest.mark.parametrize("value", ["read", "read=0/60", "read=1/0", "read=many/60", "read=-1/60"])
    def test_nonsense_rates_are_refused_by_name(self, monkeypatch, value):
        monkeypatch.setenv("RATE_LIMITS", value)
        with pytest.raises(ImproperlyConfigured, match="RATE_LIMITS"):
            env.rates("RATE_LIMITS", "")
