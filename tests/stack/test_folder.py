"""The folder of a stack: its lock, its secrets, what a killed stack left, what `--fresh` deletes."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from otc.stack import environment, lock, processes
from otc.stack.errors import StackError
from otc.stack.layout import Layout, read_json, write_json
from otc.stack.lock import StackLock


@pytest.fixture
def layout(tmp_path) -> Layout:
    made = Layout(tmp_path / "var")
    made.make()
    return made


@pytest.fixture
def running(layout):
    held = StackLock(layout)
    held.take()
    held.note("http://127.0.0.1:8123")
    yield held
    held.release()


class TestLock:
    @pytest.mark.usefixtures("running")
    def test_a_second_stack_is_refused_with_the_address_of_the_first(self, layout):
        with pytest.raises(StackError, match=r"already runs from .* at http://127.0.0.1:8123 \(process \d+\).*Ctrl-C"):
            StackLock(layout).take()

    def test_a_released_lock_can_be_taken_again(self, layout, running):
        running.release()
        again = StackLock(layout)
        again.take()
        again.release()

    def test_the_note_of_a_killed_stack_counts_for_nothing(self, layout):
        write_json(layout.root / "up.json", {"pid": 1, "started": "not its start time", "url": "http://127.0.0.1:1"})
        assert lock.holder(layout) is None


class TestLeftovers:
    def test_are_stopped_when_they_are_the_recorded_processes(self, layout):
        left = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"], start_new_session=True)
        lock.record(layout, {"worker": left.pid})
        assert lock.stop_leftovers(layout) == ["worker"]
        assert left.wait(10) < 0
        assert lock.stop_leftovers(layout) == []

    def test_are_stopped_when_only_their_leader_is_gone(self, layout):
        leader = subprocess.Popen(
            [
                sys.executable,
                "-S",
                "-c",
                "import os\nif os.fork() == 0:\n    import time; time.sleep(600)",
            ],
            start_new_session=True,
        )
        lock.record(layout, {"worker": leader.pid})
        assert leader.wait() == 0
        assert processes.group_exists(leader.pid)
        assert lock.stop_leftovers(layout) == ["worker"]
        processes.wait_until(lambda: not processes.group_exists(leader.pid), seconds=10, what="the child's end")

    def test_a_stranger_with_a_recycled_number_is_left_alone(self, layout):
        stranger = subprocess.Popen(
            [sys.executable, "-S", "-c", "import time; time.sleep(600)"], start_new_session=True
        )
        write_json(layout.run / "pids.json", {"worker": {"pid": stranger.pid, "started": "another time"}})
        assert lock.stop_leftovers(layout) == []
        assert stranger.poll() is None
        stranger.kill()
        stranger.wait()


class TestFiles:
    def test_secrets_are_made_once_and_readable_to_their_owner_alone(self, layout):
        first = layout.secret("SECRET_KEY")
        assert layout.secret("SECRET_KEY") == first
        assert layout.secret("ADMIN_PASSWORD") != first
        assert len(first) >= 48
        assert stat.S_IMODE((layout.root / "secrets.json").stat().st_mode) == 0o600

    def test_fresh_deletes_what_is_ours_and_nothing_else(self, layout):
        for name in ("postgres", "redis", "anvil"):
            (layout.root / name).mkdir(exist_ok=True)
            (layout.root / name / "data").write_text("x")
        mine = layout.root / "notes.txt"
        mine.write_text("not theirs")
        other = Layout(layout.root / "rehearse")
        other.make()
        layout.delete()
        assert mine.read_text() == "not theirs"
        assert other.run.exists()
        assert not any((layout.root / name).exists() for name in ("postgres", "redis", "anvil", "run", "log"))

    def test_sockets_of_a_deep_folder_move_to_a_short_one(self, tmp_path):
        deep = Layout(tmp_path / ("d" * 60) / ("e" * 60))
        assert len(str(deep.sockets)) < 60
        assert deep.sockets != Layout(tmp_path / ("d" * 60) / ("f" * 60)).sockets
        assert Layout(Path("/srv/forelock/var")).sockets == Path("/srv/forelock/var/run")

    @pytest.mark.parametrize("content", ["", "{", "[1]", "null"])
    def test_a_damaged_file_reads_as_empty(self, tmp_path, content):
        path = tmp_path / "state.json"
        path.write_text(content)
        assert read_json(path) == {}


class TestEnvironment:
    def test_other_commands_join_the_running_stack(self, layout, running):
        write_json(layout.run / "env.json", {"DATABASE_URL": "postgresql://here", "RPC_URL": "http://there"})
        assert stat.S_IMODE((layout.run / "env.json").stat().st_mode) == 0o600
        assert environment.running(layout)["DATABASE_URL"] == "postgresql://here"
        running.release()
        assert environment.running(layout) == {}

    def test_the_shell_wins_over_an_embedded_stack_but_not_over_a_private_one(self):
        shell = {"DATABASE_URL": "postgresql://shell"}
        environment.complete(shell, {"DATABASE_URL": "postgresql://embedded", "REDIS_URL": "unix://r"}, override=False)
        assert shell == {"DATABASE_URL": "postgresql://shell", "REDIS_URL": "unix://r"}
        environment.complete(shell, {"DATABASE_URL": "postgresql://private"}, override=True)
        assert shell["DATABASE_URL"] == "postgresql://private"

    def test_embedded_settings_are_complete_and_stay_the_same(self, layout):
        first = environment.embedded(layout)
        assert first == environment.embedded(layout)
        assert {"SECRET_KEY", "DATABASE_URL", "REDIS_URL", "KEEPER_PRIVATE_KEY"} <= set(first)
        assert str(layout.sockets) in first["REDIS_URL"]


def test_a_process_is_known_by_number_and_start_time():
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    before = processes.identity(child.pid)
    assert before is not None
    assert before == processes.identity(child.pid)
    child.kill()
    child.wait()
    assert processes.identity(child.pid) is None


def test_json_is_written_whole(tmp_path):
    path = tmp_path / "a" / "state.json"
    write_json(path, {"n": 1})
    write_json(path, {"n": 2})
    assert json.loads(path.read_text()) == {"n": 2}
    assert list(path.parent.iterdir()) == [path]
