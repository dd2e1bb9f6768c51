"""Styles and scripts: from static/src and node_modules to static/build, and from there to where the web server finds them.

Each step keeps a digest of what it was made from, and is left out when that is unchanged.
"""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from otc.stack import node
from otc.stack.errors import StackError

TAILWIND = Path("node_modules/@tailwindcss/cli/dist/index.mjs")
# Served as they are: file in node_modules, name in static/build.
COPIED = {"htmx.org/dist/htmx.min.js": "htmx.min.js"}
# What Tailwind reads class names from, beside its own source.
STYLED = ("static/src", "templates", "otc/web", "static/public/js")
TEXT = {".css", ".html", ".js", ".mjs", ".py", ".svg", ".txt"}


def build(project: Path) -> bool:
    """Makes static/build. False when it was up to date."""
    source, target = project / "static" / "src" / "app.css", project / "static" / "build"
    if not source.exists():
        raise StackError(f"The source of the styles, {source}, is missing: this is not a whole checkout.")
    inputs = [project / "package-lock.json", Path(__file__), *_files(project, STYLED)]
    stamp = digest(project, inputs)
    marker = target / ".stamp"
    made = [target / "app.css", *(target / name for name in COPIED.values())]
    if all(path.exists() for path in made) and _read(marker) == stamp:
        return False
    target.mkdir(parents=True, exist_ok=True)
    command = [
        *node.node_command(),
        str(project / TAILWIND),
        "--input",
        str(source),
        "--output",
        str(target / "app.css"),
        "--minify",
    ]
    node.run(command, cwd=project, what="The styles")
    for origin, name in COPIED.items():
        shutil.copyfile(project / "node_modules" / origin, target / name)
    marker.write_text(stamp, encoding="ascii")
    return True


def collect(project: Path) -> bool:
    """Gathers every static file with its hash in its name, compressed, in staticfiles/. False when it was up to date.

    Django's settings must be set up.
    """
    from django.conf import settings
    from django.core.management import call_command

    root = Path(settings.STATIC_ROOT)
    inputs = [project / "requirements.lock", *_files(project, ("static/public", "static/build"), only_text=False)]
    stamp, marker = digest(project, inputs), root / ".stamp"
    if _read(marker) == stamp:
        return False
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    marker.write_text(stamp, encoding="ascii")
    return True


def digest(project: Path, paths: Iterable[Path]) -> str:
    """A digest of names and contents."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(f"{path.relative_to(project)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _files(project: Path, folders: Iterable[str], *, only_text: bool = True) -> list[Path]:
    return [
        path
        for folder in folders
        for path in (project / folder).rglob("*")
        if path.is_file()
        and path.name != ".stamp"
        and "__pycache__" not in path.parts
        and (not only_text or path.suffix in TEXT)
    ]


def _read(path: Path) -> str:
    return path.read_text(encoding="ascii") if path.exists() else ""
