"""How the time and memory of `labelsieve find` grow with the rows, the features and the classes.

    python bench/growth.py FOLDER [--rounds 2] [--base 20000,256,10]

Runs `find` on simulated features as large.py does, each time in a process of its own: at the base, and with one of the
three larger or smaller than there. The sizes take turns, so a busy machine slows all of them; the least processor time
of the rounds counts. `times_base` is that time divided by the base's. Writes bench/records/growth.json. Linux only.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from large import HERE, measured, write
from record import about
from record import write as write_record

GROWN = {"rows": (0.5, 1, 2, 4), "features": (0.25, 0.5, 1, 2, 4), "classes": (0.5, 1, 3, 10)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--base", default="20000,256,10", help="rows, features, classes")
    asked = parser.parse_args()
    base = tuple(int(value) for value in asked.base.split(","))
    sizes = {
        tuple(int(value * (factor if place == at else 1)) for at, value in enumerate(base)): None
        for place, factors in enumerate(GROWN.values())
        for factor in factors
    }
    found: dict[tuple[int, ...], list[dict[str, Any]]] = {size: [] for size in sizes}
    for _ in range(asked.rounds):
        for size, runs in found.items():
            runs.append(once(asked.folder / "growth", *size))
            print(json.dumps({"size": size, **runs[-1]}), flush=True)
    best = {size: min(runs, key=lambda one: one["cpu_seconds"]) for size, runs in found.items()}
    rows = [
        {
            **dict(zip(GROWN, size, strict=True)),
            "processor_seconds": one["cpu_seconds"],
            "times_base": round(one["cpu_seconds"] / best[base]["cpu_seconds"], 3),
            "anonymous_megabytes": one["anonymous_megabytes"],
            "own_megabytes": one["own_megabytes"],
            "stages": {name: round(seconds, 2) for name, seconds in one["stages"].items()},
        }
        for size, one in best.items()
    ]
    settings = {"base": dict(zip(GROWN, base, strict=True)), "rounds": asked.rounds, "threads": 1}
    print(write_record("growth", about(settings, "scipy"), rows))


def once(folder: Path, n: int, width: int, classes: int) -> dict[str, Any]:
    folder.mkdir(parents=True)
    try:
        return measured(folder, HERE.parent / "src", write(folder, n, width, classes))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
