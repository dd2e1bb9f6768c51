"""The supervisor with small real programs: what dies comes back, what it did not start it never touches."""

import os
import pwd
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from otc.stack import processes, supervisor
from otc.stack.errors import StackError
from otc.stack.supervisor import Service, Supervisor

SECONDS = 20


def program(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / f"program_{abs(hash(text))}.py"
    path.write_text(text, encoding="utf-8")
    return [sys.executable, "-u", "-S", str(path)]


def until(condition, what: str) -> None:
    processes.wait_until(condition, seconds=SECONDS, what=what)


def alive(pid: int) -> bool:
    return processes.identity(pid) is not None


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def watched(tmp_path, said):
    """A supervisor that checks in the background."""
    made = Supervisor(logs=tmp_path / "log", cwd=tmp_path, env=dict(os.environ), say=said.append)
    yield made
    made.stop()


def sleeper(tmp_path, name="sleeper", **more) -> Service:
    words = program(tmp_path, "import time\nprint('ready')\ntime.sleep(600)\n")
    return Service(name=name, command=lambda: words, ready=lambda output: "ready" in output, **more)


def test_a_killed_service_is_started_again_and_one_line_says_so(tmp_path, watched, said, monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_BACKOFF", 0.05)
    restarts = []
    watched.start(sleeper(tmp_path, started=lambda: restarts.append("started")))
    before = watched.pids()["sleeper"]
    watched.in_background()
    os.kill(before, signal.SIGKILL)
    until(lambda: watched.pids().get("sleeper", before) != before and len(restarts) == 2, "the new process")
    until(lambda: len(said) == 2, "the second sentence")
    assert "killed by SIGKILL" in said[0]
    assert said[1].startswith("sleeper runs again")
    assert not alive(before)


def test_what_a_dead_leader_left_in_its_group_goes_too(tmp_path, watched):
    children = tmp_path / "children"
    words = program(
        tmp_path,
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(children)!r}, 'w').write(str(child.pid))\n"
        "print('ready')\ntime.sleep(600)\n",
    )
    watched.start(Service(name="leader", command=lambda: words, ready=lambda output: "ready" in output))
    child = int(children.read_text())
    assert alive(child)
    os.kill(watched.pids()["leader"], signal.SIGKILL)
    watched.in_background()
    until(lambda: not alive(child), "the orphan's end")


def test_a_service_that_keeps_dying_is_tried_less_and_less_often(tmp_path, watched, said, monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_BACKOFF", 0.05)
    broken = tmp_path / "broken"
    words = program(
        tmp_path,
        f"import os, time\nprint('ready')\nif os.path.exists({str(broken)!r}): raise SystemExit(3)\ntime.sleep(600)\n",
    )
    watched.start(
        Service(name="fragile", command=lambda: words, ready=lambda output: "never" in output or "ready" in output)
    )
    broken.touch()
    os.kill(watched.pids()["fragile"], signal.SIGTERM)
    watched.in_background()
    until(lambda: sum("status 3" in line for line in said) >= 2, "two more deaths")
    waits = [float(line.split("again in ")[1].split(" s")[0]) for line in said if "again in" in line]
    assert waits == sorted(waits)
    assert waits[-1] > waits[0]


def test_stops_in_the_opposite_order_and_nothing_else(tmp_path, watched):
    order = tmp_path / "order"
    stranger = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    for name in ("first", "second", "third"):
        words = program(
            tmp_path,
            "import signal, sys, time\n"
            f"def end(*_):\n    open({str(order)!r}, 'a').write('{name} ')\n    sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, end)\nprint('ready')\ntime.sleep(600)\n",
        )
        watched.start(Service(name=name, command=lambda words=words: words, ready=lambda output: "ready" in output))
    pids = watched.pids()
    saved = []
    watched.stop(before={"second": lambda: saved.append(alive(pids["second"]) and not alive(pids["third"]))})
    assert order.read_text().split() == ["third", "second", "first"]
    assert saved == [True]
    assert not any(alive(pid) for pid in pids.values())
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_service_that_ignores_the_signal_is_killed(tmp_path, watched):
    words = program(
        tmp_path,
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready')\ntime.sleep(600)\n",
    )
    watched.start(Service(name="deaf", command=lambda: words, ready=lambda output: "ready" in output, stop_seconds=0.2))
    pid = watched.pids()["deaf"]
    watched.stop()
    assert not alive(pid)


def test_a_service_that_can_not_start_shows_the_end_of_its_log(tmp_path, watched):
    words = program(tmp_path, "raise SystemExit('no such database')\n")
    with pytest.raises(StackError, match=r"(?s)ended with status 1.*no such database"):
        watched.start(Service(name="broken", command=lambda: words, ready=lambda _output: False))


def test_a_service_that_never_answers_is_named(tmp_path, watched):
    with pytest.raises(StackError, match=r"sleeper did not answer in 0 s"):
        watched.start(
            Service(name="sleeper", command=sleeper(tmp_path).command, ready=lambda _output: False, start_seconds=0.1)
        )


def test_services_die_with_a_killed_supervisor(tmp_path):
    script = tmp_path / "host.py"
    words = sleeper(tmp_path).command()
    script.write_text(
        "import sys, time\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from pathlib import Path\n"
        "from otc.stack.supervisor import Service, Supervisor\n"
        f"made = Supervisor(logs=Path({str(tmp_path)!r}) / 'log', cwd=Path({str(tmp_path)!r}), env={{}}, say=print)\n"
        f"made.start(Service(name='sleeper', command=lambda: {words!r}, ready=lambda output: 'ready' in output))\n"
        "print(made.pids()['sleeper'], flush=True)\n"
        "time.sleep(600)\n",
        encoding="utf-8",
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as host:
        pid = int(host.stdout.readline())
        assert alive(pid)
        host.kill()
    until(lambda: not alive(pid), "the service's end")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_program_of_another_user_passes_through_closed_folders_and_has_no_other_right(tmp_path):
    tmp_path.chmod(0o700)
    inside = tmp_path / "inside"
    inside.write_text("x")
    words = [
        sys.executable,
        "-S",
        "-c",
        f"import os; print(os.geteuid(), os.access({str(inside)!r}, os.R_OK), open('/proc/self/status').read())",
    ]
    done = subprocess.run(processes.launch_command(words, user="nobody"), capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{pwd.getpwnam('nobody').pw_uid} True")
    held = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("CapEff", "CapPrm", "CapAmb"))]
    assert {int(each, 16) for each in held} == {1 << 1}  # CAP_DAC_OVERRIDE


def test_jobs_run_between_checks(watched):
    ran = threading.Event()
    watched.every(lambda: 0.0, ran.set)
    watched.in_background()
    assert ran.wait(SECONDS)


def test_old_logs_move_up_and_the_oldest_goes(tmp_path):
    log = tmp_path / "web.log"
    for text in ("one", "two", "three", "four", "five"):
        supervisor.rotate(log)
        log.write_text(text)
    assert [log.with_name(name).read_text() for name in ("web.log", "web.log.1", "web.log.2", "web.log.3")] == [
        "five",
        "four",
        "three",
        "two",
    ]
    assert not log.with_name("web.log.4").exists()


@pytest.mark.parametrize(
    ("code", "words"), [(0, "status 0"), (3, "status 3"), (-9, "killed by SIGKILL"), (-200, "killed by signal 200")]
)
def test_an_end_in_words(code, words):
    assert supervisor.how_it_ended(code) == words
