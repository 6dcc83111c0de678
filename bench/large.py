"""Peak memory and time of `labelsieve find` on large features, of several versions one after the other.

    python bench/large.py FOLDER [--rows 1000000] [--width 256] [--classes 10] [--source now=src --source before=PATH]

It writes simulated features (float16) and labels once, with a tenth of the labels wrong, and runs the command on them
from each source tree, each time in a process of its own. One line of JSON for each: wall and processor seconds, those
of each stage, and the peaks in megabytes of

- `own`: resident pages less clean pages of files, which the system may take back at any time (`smaps_rollup`: Rss less
  Private_Clean and Shared_Clean, sampled);
- `anonymous`: those that no file holds (sampled);
- `resident`: `ru_maxrss`, all pages of the process, mapped files included.

`aucpr` is the area under the curve of precision and recall of p(wrong) for the planted wrong labels (oracle). The last
line compares the first source with each of the others. The files are removed. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
EVERY = 0.1  # seconds between two samples


def write(folder: Path, n: int, width: int, classes: int) -> np.ndarray:
    """Rectified Gaussian classes; returns which labels are wrong (n,) bool."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(classes, width)).astype(np.float32)
    true = rng.integers(0, classes, n)
    file = np.lib.format.open_memmap(folder / "features.npy", mode="w+", dtype=np.float16, shape=(n, width))
    for start in range(0, n, 10_000):
        at = true[start : start + 10_000]
        noise = rng.standard_normal((len(at), width), np.float32)
        file[start : start + 10_000] = np.maximum(0.3 * centres[at] + noise, 0)
    given = np.where(rng.random(n) < 0.1, rng.integers(0, classes, n), true)
    with open(folder / "labels.csv", "w") as out:
        out.write("label\n")
        for start in range(0, n, 100_000):
            out.write("".join(f"class {label}\n" for label in given[start : start + 100_000]))
    return given != true


def pages(process: int) -> tuple[int, int]:
    """Kilobytes of a process: resident less clean pages of files, and those that no file holds."""
    try:
        lines = (line.split() for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:])
        held = {name.rstrip(":"): int(size) for name, size, *_ in lines}
        return held["Rss"] - held["Private_Clean"] - held["Shared_Clean"], held["Anonymous"]
    except (OSError, KeyError):  # it has ended
        return 0, 0


def measured(folder: Path, source: Path, wrong: np.ndarray) -> dict[str, object]:
    """What one run of `find` takes."""
    command = [sys.executable, "-m", "labelsieve", "find", str(folder / "features.npy")]
    command += ["--labels", str(folder / "labels.csv"), "--out", str(folder / "run")]
    environment = {**os.environ, "PYTHONPATH": str(source.resolve())}
    started = time.perf_counter()
    quiet = os.open(os.devnull, os.O_WRONLY)
    process = os.posix_spawn(sys.executable, command, environment, file_actions=[(os.POSIX_SPAWN_DUP2, quiet, 1)])
    highest = (0, 0)
    while not (done := os.wait4(process, os.WNOHANG))[0]:
        highest = tuple(max(pair) for pair in zip(highest, pages(process), strict=True))
        time.sleep(EVERY)
    _, status, used = done
    if status:
        raise SystemExit(f"find from {source} ended with {os.waitstatus_to_exitcode(status)}")
    seconds = time.perf_counter() - started
    stages = json.loads((folder / "run" / "run.json").read_text())["settings"]["seconds"]
    aucpr = precision(folder / "run" / "findings.parquet", wrong)
    shutil.rmtree(folder / "run")
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "cpu_microseconds_per_row": round(1e6 * (used.ru_utime + used.ru_stime) / len(wrong), 1),
        "own_megabytes": highest[0] // 1024,
        "anonymous_megabytes": highest[1] // 1024,
        "resident_megabytes": used.ru_maxrss // 1024,
        "stages": stages,
        "aucpr": aucpr,
    }


def precision(findings: Path, wrong: np.ndarray) -> float:
    """The mean precision at each wrong label, from the most suspicious row on."""
    import pyarrow.parquet as pq

    p = pq.read_table(findings, columns=["p_wrong"])["p_wrong"].to_numpy()
    hit = wrong[np.argsort(-p, kind="stable")]
    at = np.flatnonzero(hit)
    return round(float((np.arange(1, len(at) + 1) / (at + 1)).mean()), 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--source", action="append", help="NAME=FOLDER of a source tree; the first is compared")
    given = parser.parse_args()
    sources = dict(one.split("=", 1) for one in given.source or [f"now={HERE.parent / 'src'}"])
    place = given.folder / f"large-{given.rows}"
    place.mkdir(parents=True)
    try:
        wrong = write(place, given.rows, given.width, given.classes)
        found = {}
        for name, source in sources.items():
            found[name] = measured(place, Path(source), wrong)
            told = {"rows": given.rows, "width": given.width, "classes": given.classes, "source": name}
            print(json.dumps({**told, **found[name]}), flush=True)
        first, *others = found
        for other in others:
            measures = [name for name, value in found[first].items() if isinstance(value, float | int)]
            parts = {name: round(found[first][name] / found[other][name], 3) for name in measures}
            print(json.dumps({"part": f"{first} of {other}", **parts}), flush=True)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
