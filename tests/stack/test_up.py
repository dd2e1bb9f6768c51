"""`manage.py up` as a person starts it: a whole stack in a folder of its own."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

from otc.stack import anvil, processes
from otc.stack.layout import read_json

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 240
STOP_SECONDS = 60


class Up:
    """A running `manage.py up` and what it has said."""

    def __init__(self, var: Path, *arguments: str) -> None:
        self.var = var
        self.said = var.with_name(f"{var.name}.out")
        with self.said.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(PROJECT / "manage.py"), "up", *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=shell(var),
                cwd=PROJECT,
                start_new_session=True,
            )

    def output(self) -> str:
        return self.said.read_text(encoding="utf-8")

    def wait_for(self, text: str, seconds: float = START_SECONDS) -> re.Match[str]:
        processes.wait_until(
            lambda: re.search(text, self.output()) is not None,
            seconds=seconds,
            what=f"`up` to say {text!r}",
            process=self.process,
            log=self.said,
        )
        return re.search(text, self.output())

    def pids(self) -> dict[str, int]:
        return {name: known["pid"] for name, known in read_json(self.var / "run" / "pids.json").items()}

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)


def shell(var: Path) -> dict[str, str]:
    """What a person's shell has: nothing of ours."""
    ours = {
        "DJANGO_SETTINGS_MODULE",
        "SECRET_KEY",
        "DATABASE_URL",
        "REDIS_URL",
        "RPC_URL",
        "MEDIA_ROOT",
        "CELERY_BEAT_FILE",
    }
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "FORELOCK_VAR": str(var)}


def alive(pid: int) -> bool:
    return processes.identity(pid) is not None


def newest_block(url: str) -> int:
    return int(anvil.rpc(url, "eth_blockNumber"), 16)


def test_a_stack_lives_through_kills_and_starts_again_where_it_was(tmp_path):
    var = tmp_path / "var"
    first = Up(var, "--empty", "--port", "0")
    try:
        url = first.wait_for(r"Forelock is up at (http://127\.0\.0\.1:\d+)")[1]
        with urllib.request.urlopen(f"{url}/", timeout=20) as page:  # noqa: S310  # our own address
            assert page.status == 200
        _other_commands_join_it(var)
        _a_second_one_is_refused(var, url)
        _a_killed_worker_comes_back(first)
        settings = json.loads((var / "run" / "env.json").read_text())
        before, pids = newest_block(settings["RPC_URL"]), first.pids()
        stranger = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])

        assert first.interrupt() == 0
        assert not [name for name, pid in pids.items() if alive(pid)]
        assert stranger.poll() is None
        stranger.kill()
        stranger.wait()
        assert not (var / "run" / "env.json").exists()
    finally:
        processes.signal_group(first.process.pid, signal.SIGKILL)
        first.process.wait()

    second = Up(var, "--empty", "--port", "0")
    try:
        second.wait_for("contracts +kept at 0x")
        second.wait_for("Forelock is up")
        assert newest_block(settings["RPC_URL"]) >= before
        killed = second.pids()
        second.process.kill()
        second.process.wait()
        processes.wait_until(
            lambda: not any(alive(pid) for pid in killed.values()), seconds=STOP_SECONDS, what="the orphans' end"
        )
    finally:
        processes.signal_group(second.process.pid, signal.SIGKILL)
        second.process.wait()


def _other_commands_join_it(var: Path) -> None:
    assert stat.S_IMODE((var / "run" / "env.json").stat().st_mode) == 0o600
    done = subprocess.run(
        [sys.executable, str(PROJECT / "manage.py"), "migrate", "--check"],
        env=shell(var),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _a_second_one_is_refused(var: Path, url: str) -> None:
    second = subprocess.run(
        [sys.executable, str(PROJECT / "manage.py"), "up"],
        env=shell(var),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert "Traceback" not in second.stderr
    assert f"already runs from {var} at {url}" in second.stderr


def _a_killed_worker_comes_back(up: Up) -> None:
    before = up.pids()["worker"]
    os.kill(before, signal.SIGKILL)
    up.wait_for(r"worker ended \(killed by SIGKILL\): starting it again", 20)
    up.wait_for(r"worker runs again", 60)
    assert up.pids()["worker"] != before


def test_a_named_port_in_use_ends_with_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        up = Up(tmp_path / "var", "--port", str(port))
        assert up.process.wait(START_SECONDS) == 1
    assert f"Port {port} is in use" in up.output()
    assert "Traceback" not in up.output()
    assert not up.pids()
