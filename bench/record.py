"""What a record says of how it was made, and how it is written; for the other scripts of this folder."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from labelsieve.core.files import write_json

HERE = Path(__file__).parent
RECORDS = Path(os.environ.get("RECORDS") or HERE / "records")  # `make bench` writes elsewhere
ALWAYS = ("labelsieve", "numpy")


def about(settings: dict[str, Any], *packages: str) -> dict[str, Any]:
    """How a record was made: the command, the day, the commit, the machine, versions, `settings`."""
    return {
        "command": " ".join(["python", f"bench/{Path(sys.argv[0]).name}", *map(_without_folder, sys.argv[1:])]),
        "day": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "hardware": _hardware(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in (*ALWAYS, *packages)},
        "settings": settings,
    }


def write(name: str, made: dict[str, Any], rows: list[dict[str, Any]], folder: Path = RECORDS) -> Path:
    """Write FOLDER/NAME.json: {"about": made, "rows": rows}; another record of that name is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{name}.json", {"about": made, "rows": rows})
    return folder / f"{name}.json"


def _without_folder(argument: str) -> str:
    return Path(argument).name if Path(argument).is_absolute() else argument


def _commit() -> str:
    """The last commit of the package, which is what was measured."""
    return _git("log", "-1", "--format=%h", "--", "src") + (
        " and changes" if _git("status", "--porcelain", "src") else ""
    )


def _git(*arguments: str) -> str:
    done = subprocess.run(("git", *arguments), capture_output=True, text=True, cwd=HERE.parent, check=False)
    return done.stdout.strip()


def _hardware() -> str:
    names = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    cores = f"{len(names)} cores {names[0]}" if names else platform.machine()
    return cores + (f", {memory[0] / 2**20:.0f} GiB memory" if memory else "")


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
