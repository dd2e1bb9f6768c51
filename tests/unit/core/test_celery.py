import os
import subprocess
import sys

START = """
import sys, django
django.setup()
from otc.celery import app
app.loader.import_default_modules()
print(sorted({"otc.urls", "siwe", "escrow.keeper.tasks"} & sys.modules.keys()))
"""


def test_a_worker_starts_with_its_tasks_and_without_the_pages():
    done = subprocess.run(
        [sys.executable, "-c", START],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "['escrow.keeper.tasks']\n"
