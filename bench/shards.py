"""Encoding with two workers of one thread against one worker of one thread, in the same run.

    python bench/shards.py [--shards 2] [--rows 4096] [--encoder fast] [--side 148] [--rounds 1]

Draws as many pictures as fill the shards (not timed), then encodes them with one worker and with two, in turns, each
time into a new folder. Prints one JSON object: seconds of each, their ratio, seconds of processors (which say
more on a busy machine), and whether all shards hold the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.data.demo import ALIKE, _Picture, _png
from labelsieve.encode import encoder, shard_plan, shards
from labelsieve.places.many_files import Files
from labelsieve.workers.processes import Processes


def drawn(folder: Path, n: int) -> Dataset:
    letters = sorted(ALIKE)
    files = [folder / f"{i}.png" for i in range(n)]
    for i, file in enumerate(files):
        file.write_bytes(_png(_Picture(letters[i % len(letters)], "", i), 0))
    ids = np.arange(n).astype(str).astype(object)
    labels = np.arange(n) % len(letters)
    return Dataset(ids, labels, tuple(letters), Files([str(file) for file in files]), "image", "drawn")


def seconds(data: Dataset, loader: shards.Loader, rows: int, workers: int, folder: Path) -> tuple[float, float, str]:
    """Seconds to encode, seconds of processors in the workers, and a hash of all shards."""
    os.environ["LABELSIEVE_THREADS"] = str(workers)  # one for each
    plan = shard_plan.plan_of(data, loader(), "", most=rows)
    shard_plan.start(plan, data, str(folder))
    jobs = shards.Jobs(data, plan, str(folder), None, range(len(plan)))
    began, before = time.perf_counter(), _children()
    assert shards.run(jobs, Processes(workers), loader) == len(plan)
    took = time.perf_counter() - began
    used = _children() - before
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("shard-*"))))
    return took, used, digest.hexdigest()


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--encoder", default="fast")
    parser.add_argument("--side", type=int)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "pictures").mkdir()
        data = drawn(folder / "pictures", options.shards * options.rows)
        name = encoder(options.encoder, "image", side=options.side).name
        measure = partial(seconds, data, shards.Loader(options.encoder, "image", options.side, name), options.rows)
        runs: dict[int, list[float]] = {1: [], 2: []}
        used: dict[int, list[float]] = {1: [], 2: []}
        digests = set()
        for turn in range(2 * options.rounds):
            workers = 1 + turn % 2
            (folder / str(turn)).mkdir()
            took, processors, digest = measure(workers, folder / str(turn))
            runs[workers].append(took)
            used[workers].append(processors)
            digests.add(digest)
        one, two = min(runs[1]), min(runs[2])
        result = {
            "images": len(data),
            "rows_of_a_shard": options.rows,
            "encoder": name,
            "one_worker_s": round(one, 2),
            "two_workers_s": round(two, 2),
            "ratio": round(one / two, 3),
            "processor_s": {workers: round(min(some), 2) for workers, some in used.items()},
            "same_bytes": len(digests) == 1,
        }
        print(json.dumps(result))


if __name__ == "__main__":
    main()
