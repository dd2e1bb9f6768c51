"""A real Chromium for tests: pages with an injected wallet, driven by roles and labels as a person finds them.

The browser runs under Node's playwright-core (tests/support/browser.mjs); the machine's own Chromium is used, none is downloaded.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

from otc.stack.node import node_command

PROJECT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("browser.mjs")


def chromium() -> str:
    """The machine's Chromium, or empty."""
    names = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
    return os.environ.get("CHROMIUM") or next((found for name in names if (found := shutil.which(name))), "")


def missing() -> str:
    """Why browser tests can't run here; empty when they can."""
    if not chromium():
        return "no Chromium on this machine: install it, or name one in CHROMIUM"
    if not (PROJECT / "node_modules" / "playwright-core").exists():
        return "playwright-core is not installed: `npm ci`"
    return ""


class BrowserError(AssertionError):
    """The browser could not do what a test asked of it."""


class Page:
    """One window with a wallet of its own. Elements are named by (role, name), label= or text=."""

    def __init__(self, browser: "Browser", name: str) -> None:
        self._browser, self.name = browser, name

    def _do(self, command: str, **given: Any) -> Any:
        return self._browser.ask(command, page=self.name, **given)

    def goto(self, path: str) -> None:
        self._do("goto", path=path)

    def click(self, role: str = "", name: str = "", **more: Any) -> None:
        self._do("click", **_what(role, name), **more)

    def choose(self, label: str, **more: Any) -> None:
        self._do("choose", label=label, **more)

    def fill(self, label: str, value: str, **more: Any) -> None:
        self._do("fill", label=label, value=value, **more)

    def see(self, role: str = "", name: str = "", **more: Any) -> None:
        """Waits until it is visible."""
        self._do("see", **_what(role, name), **more)

    def gone(self, role: str = "", name: str = "", **more: Any) -> None:
        self._do("gone", **_what(role, name), **more)

    def text(self, role: str = "", name: str = "", **more: Any) -> str:
        return str(self._do("text", **_what(role, name), **more))

    def count(self, role: str = "", name: str = "", **more: Any) -> int:
        return int(self._do("count", **_what(role, name), **more))

    def axe(self) -> list[dict[str, Any]]:
        """Violations of WCAG 2.2 AA that are serious or critical."""
        return [found for found in self._do("axe") if found["impact"] in {"serious", "critical"}]

    def do(self, command: str, **given: Any) -> Any:
        """Any other command of the script."""
        return self._do(command, **given)


def _what(role: str, name: str) -> dict[str, str]:
    return {key: value for key, value in (("role", role), ("name", name)) if value}


class Browser:
    """Chromium, started with the first page. Use as a context manager."""

    def __init__(self, base_url: str, rpc_url: str) -> None:
        self._process = subprocess.Popen(
            [*node_command(), str(SCRIPT)],
            cwd=PROJECT,
            env={**os.environ, "CHROMIUM": chromium(), "BASE_URL": base_url, "RPC_URL": rpc_url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def ask(self, command: str, **given: Any) -> Any:
        """One command's answer. BrowserError when it fails, with where the page was."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **given}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BrowserError(f"The browser's script ended at {command}.")
        answer = json.loads(line)
        if "error" in answer:
            raise BrowserError(f"{command} {given} at {answer['url']}: {answer['error']}")
        return answer["value"]

    def page(self, name: str, *, account: str = "", **options: Any) -> Page:
        """A new window; `account` is the address its wallet acts for, empty for a browser without one."""
        self.ask("open", page=name, account=account, **options)
        return Page(self, name)
