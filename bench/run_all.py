"""Runs the benchmarks that two cores finish in an hour, one after the other: what `make bench` does.

    python bench/run_all.py [--data DATA] [--records build/bench] [--only NAME,NAME]

Records go to the folder `--records`. Without DATA, which docs/benchmarks.md describes, the scripts run that draw their
data or take them from an installed package. At the end: each script with its seconds and what it wrote.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CIFAR10 = ("cifar10.py",)


@dataclass(frozen=True)
class Job:
    """`command`: the script and its arguments; {data}, {records} and {work} are folders, {any} is DATA or "none".
    `needs`: files of DATA."""

    command: str
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return Path(self.command.split()[0]).stem


JOBS = (
    Job("accept.py"),
    Job("review_economy.py {any}"),
    Job("detection.py {any} --cache {work}/detection --seeds 2"),
    Job("noise_curves.py {any}"),
    Job("growth.py {work} --rounds 1"),
    Job("speed.py"),
    Job("encode.py"),
    Job("epoch.py --n 512 --rounds 3"),
    Job("heads.py --sizes 10000x64,10000x512,20000x1280"),
    Job("s3_requests.py"),
    Job("votes_large.py --record {records}/votes_large.json"),
    Job("several_labels.py --record {records}/several_labels.json"),
    Job("cifar_features.py {data} {work}", CIFAR10),
    Job("robust_features.py {work}/train.npz {work}/test.npz --seeds 3 --runs {work}/runs", CIFAR10),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--records", type=Path, default=Path("build/bench"))
    parser.add_argument("--only", default=",".join(job.name for job in JOBS))
    asked = parser.parse_args()
    records = asked.records.resolve()
    (records / "work").mkdir(parents=True, exist_ok=True)
    data = asked.data and asked.data.resolve()
    folders = {"data": data, "any": data or "none", "records": records, "work": records / "work"}
    rows = [run(job, folders) for job in JOBS if job.name in asked.only.split(",")]
    print("\nbenchmark             seconds  result")
    for name, seconds, result in rows:
        print(f"{name:20} {seconds:8.0f}  {result}")
    if any(result.startswith("failed") for *_, result in rows):
        sys.exit(1)


def run(job: Job, folders: dict[str, Any]) -> tuple[str, float, str]:
    """The name, the seconds, and in words what came of it."""
    data, records = folders["data"], folders["records"]
    if job.needs and data is None:
        return job.name, 0, "skipped: needs DATA"
    missing = [name for name in job.needs if data is None or not (data / name).exists()]
    if missing:
        return job.name, 0, f"skipped: DATA has no {', '.join(missing)}"
    print(f"\n=== {job.command}", flush=True)
    before = {path: path.stat().st_mtime_ns for path in records.glob("*.json")}
    started = time.perf_counter()
    script, *arguments = job.command.split()
    done = subprocess.run(
        (sys.executable, HERE / script, *(word.format(**folders) for word in arguments)),
        env={**os.environ, "RECORDS": str(records)},
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        return job.name, seconds, f"failed, exit code {done.returncode}"
    new = [path for path in sorted(records.glob("*.json")) if path.stat().st_mtime_ns != before.get(path)]
    return job.name, seconds, ", ".join(f"{path.name}: {_size(path)}" for path in new) or "printed above"


def _size(path: Path) -> str:
    content = json.loads(path.read_text())
    return f"{len(content['rows'])} rows" if "rows" in content else "written"


if __name__ == "__main__":
    main()
