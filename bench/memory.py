"""Peak memory and time per row of `labelsieve find` on features that are larger than its memory should be.

    python bench/memory.py FOLDER [--rows 100000,1000000] [--width 512] [--classes 10]

For each number of rows it writes FOLDER/features.npy (float16) and labels, runs the command in a process of its own,
and prints one line: the highest resident memory of that process over that of one that has only imported labelsieve, in
megabytes, its own pages and all pages (own pages and those of memory-mapped files, which the system takes back when it
needs them), seconds, and microseconds of processor time per row. The files are removed. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

IDLE = "import labelsieve, sys; sys.stdin.read()"


def resident(process: int) -> tuple[int, int]:
    """Resident kilobytes of a process: its own pages, and all."""
    try:
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
        own, files = (int(lines[name].split()[0]) for name in ("RssAnon", "RssFile"))
    except (OSError, KeyError, ProcessLookupError):  # it has ended
        return 0, 0
    return own, own + files


def idle() -> tuple[int, int]:
    with subprocess.Popen([sys.executable, "-c", IDLE], stdin=subprocess.PIPE) as process:
        time.sleep(3)
        return resident(process.pid)


def write(folder: Path, n: int, width: int, classes: int) -> None:
    """Rectified Gaussian classes with a tenth of the labels wrong."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(classes, width)).astype(np.float32)
    true = rng.integers(0, classes, n)
    file = np.lib.format.open_memmap(folder / "features.npy", mode="w+", dtype=np.float16, shape=(n, width))
    for start in range(0, n, 10_000):
        at = true[start : start + 10_000]
        file[start : start + 10_000] = np.maximum(
            0.3 * centres[at] + rng.standard_normal((len(at), width), np.float32), 0
        )
    given = np.where(rng.random(n) < 0.1, rng.integers(0, classes, n), true)
    (folder / "labels.csv").write_text("label\n" + "\n".join(f"class {label}" for label in given) + "\n")


def measured(folder: Path, own: int, every: int) -> dict[str, object]:
    """Peaks in megabytes above `own` and `every`, and seconds, of one run."""
    command = [sys.executable, "-m", "labelsieve", "find", str(folder / "features.npy")]
    command += ["--labels", str(folder / "labels.csv"), "--out", str(folder / "run")]
    started, before = time.perf_counter(), os.times()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        highest = (0, 0)
        while process.poll() is None:
            highest = tuple(max(pair) for pair in zip(highest, resident(process.pid), strict=True))
            time.sleep(0.02)
    after = os.times()
    if process.returncode:
        raise SystemExit(f"find ended with {process.returncode}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    stages = json.loads((folder / "run" / "run.json").read_text())["settings"]["seconds"]
    return {
        "own_megabytes": (highest[0] - own) // 1024,
        "all_megabytes": (highest[1] - every) // 1024,
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(cpu, 1),
        "stages": stages,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", default="100000,1000000")
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--classes", type=int, default=10)
    given = parser.parse_args()
    own, every = idle()
    for n in map(int, given.rows.split(",")):
        place = given.folder / f"memory-{n}"
        place.mkdir(parents=True)
        try:
            write(place, n, given.width, given.classes)
            told = measured(place, own, every)
            told["cpu_microseconds_per_row"] = round(1e6 * told["cpu_seconds"] / n)
            print(json.dumps({"rows": n, "width": given.width, **told}), flush=True)
        finally:
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
