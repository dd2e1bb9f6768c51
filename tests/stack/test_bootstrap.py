"""Making .venv: when pip is called, when not, and what is said when it fails."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def load(name: str, path: Path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bootstrap():
    return load("bootstrap_under_test", PROJECT / "otc" / "bootstrap.py")


@pytest.fixture
def project(tmp_path) -> Path:
    (tmp_path / "requirements.lock").write_text("six==1.17.0 \\\n    --hash=sha256:00\n")
    (tmp_path / "requirements-dev.lock").write_text(
        "six==1.17.0 \\\n    --hash=sha256:00\npytest==9.0.0 \\\n    --hash=sha256:00\n"
    )
    return tmp_path


@pytest.fixture
def calls(bootstrap, project, monkeypatch) -> list[str]:
    """What `ensure` does, in a project whose packages are never really installed."""
    done = []

    def make(venv):
        done.append("make")
        (venv / "bin").mkdir(parents=True)
        (venv / "bin" / "python").touch()

    monkeypatch.setattr(bootstrap, "_make", make)
    monkeypatch.setattr(bootstrap, "_works", lambda venv: bootstrap.python_of(venv).exists())
    monkeypatch.setattr(bootstrap, "_install", lambda _venv, lock: done.append(lock.name))
    return done


class TestStamp:
    def test_the_second_start_calls_nothing(self, bootstrap, project, calls):
        bootstrap.ensure(project, bootstrap.RUNTIME)
        assert calls == ["make", "requirements.lock"]
        calls.clear()
        bootstrap.ensure(project, bootstrap.RUNTIME)
        assert calls == []

    def test_a_changed_lock_is_installed(self, bootstrap, project, calls):
        bootstrap.ensure(project, bootstrap.RUNTIME)
        (project / "requirements.lock").write_text("six==1.18.0\n")
        calls.clear()
        bootstrap.ensure(project, bootstrap.RUNTIME)
        assert calls == ["requirements.lock"]

    def test_the_development_lock_serves_both(self, bootstrap, project, calls):
        bootstrap.ensure(project, bootstrap.RUNTIME)
        bootstrap.ensure(project, bootstrap.DEV)
        assert calls == ["make", "requirements.lock", "requirements-dev.lock"]
        calls.clear()
        bootstrap.ensure(project, bootstrap.RUNTIME)
        assert calls == []

    @pytest.mark.parametrize("stamp", ["", "{", "[]", '{"requirements.lock": "other"}'])
    def test_a_damaged_stamp_means_installing_again(self, bootstrap, project, calls, stamp):
        bootstrap.ensure(project, bootstrap.RUNTIME)
        (project / ".venv" / bootstrap.STAMP).write_text(stamp)
        calls.clear()
        bootstrap.ensure(project, bootstrap.RUNTIME)
        assert calls == ["requirements.lock"]

    def test_a_failed_install_leaves_no_stamp(self, bootstrap, project, calls, monkeypatch):
        def fail(_venv, _lock):
            raise bootstrap.BootstrapError("no network")

        monkeypatch.setattr(bootstrap, "_install", fail)
        with pytest.raises(bootstrap.BootstrapError):
            bootstrap.ensure(project, bootstrap.RUNTIME)
        assert not bootstrap.installed(project, bootstrap.RUNTIME)
        assert calls == ["make"]


def test_an_incomplete_environment_is_made_anew(bootstrap, project, capsys):
    venv = project / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to("/nonexistent/python")
    assert not bootstrap._works(venv)
    bootstrap._make(venv)
    assert bootstrap._works(venv)
    assert "incomplete" in capsys.readouterr().out


def test_a_package_with_another_hash_is_refused_in_a_sentence(bootstrap, project, tmp_path):
    package = tmp_path / "files" / "forelock_sample-1.0-py3-none-any.whl"
    package.parent.mkdir()
    package.write_bytes(b"not what was locked")
    lock = project / "requirements.lock"
    locked = "forelock-sample==1.0 \\\n    --hash=sha256:" + "0" * 64
    lock.write_text(f"--no-index\n--find-links {package.parent}\n{locked}\n")
    with pytest.raises(bootstrap.BootstrapError, match="differs from the one this project was tested with"):
        bootstrap._install(Path(sys.prefix), lock)


def test_a_missing_package_says_what_to_do(bootstrap, project):
    lock = project / "requirements.lock"
    lock.write_text("--no-index\nforelock-sample==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(bootstrap.BootstrapError, match="check the network"):
        bootstrap._install(Path(sys.prefix), lock)


def test_an_old_python_gets_one_sentence(monkeypatch):
    manage = load("manage_under_test", PROJECT / "manage.py")
    monkeypatch.setattr(manage.sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer, this is 3\.9"):
        manage.main()


def test_a_command_without_its_settings_gets_one_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, str(PROJECT / "manage.py"), "showmigrations"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "FORELOCK_VAR": str(tmp_path), "FORELOCK_BOOTSTRAP": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "start with `python3 manage.py up`" in done.stderr


def test_the_stamp_names_the_lock_it_was_made_from(bootstrap, project, calls):
    bootstrap.ensure(project, bootstrap.RUNTIME)
    stamp = json.loads((project / ".venv" / bootstrap.STAMP).read_text())
    assert stamp == {"requirements.lock": bootstrap.digest(project / "requirements.lock")}
    assert calls
