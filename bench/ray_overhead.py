"""What Ray costs: the same shards encoded by plain processes and by actors of a Ray cluster on this machine.

    python bench/ray_overhead.py [--shards 4] [--rows 4096] [--side 32] [--workers 1] [--rounds 3]

Drawn noise pictures in memory are encoded with `fast` in shards of 4,096. Both ways run in turn, in rounds, with one
thread a worker, in the same run. Prints the seconds from the first to the last finished shard (the start of workers,
which loads the encoder, is not in it) and the processor seconds of all processes of each way, Ray's servers included.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from labelsieve.core.dataset import Dataset
from labelsieve.core.workers import Workers
from labelsieve.encode import encoder as load_encoder
from labelsieve.encode import shard_plan, shards
from labelsieve.encode.arrays import levels_of
from labelsieve.workers.processes import Processes
from labelsieve.workers.ray_cluster import ray_workers


def processor_seconds() -> float:
    """Of this process and of all below it that live, and of those that have ended."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)


def measure(way: Workers, jobs: shards.Jobs, load: shards.Loader) -> dict[str, float]:
    """Seconds and processor seconds between the first and the last finished shard, for each shard."""
    moments, used = [], []
    for _, result in way.run(shards.finish, jobs, start=load):
        assert result is True, result
        moments.append(time.monotonic())
        used.append(processor_seconds())
    between = len(moments) - 1
    return {"seconds": (moments[-1] - moments[0]) / between, "processor": (used[-1] - used[0]) / between}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, value in (("shards", 4), ("rows", 4096), ("side", 32), ("workers", 1), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    os.environ["LABELSIEVE_THREADS"] = "1"
    n = options.shards * options.rows
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (n, options.side, options.side, 3), np.uint8)
    labels = rng.integers(0, 10, n)
    data = Dataset(np.arange(n).astype(str).astype(object), labels, tuple("0123456789"), pictures, "image", "noise")
    model = load_encoder("fast", "image", side=options.side, inputs=pictures)
    assert model is not None
    levels = levels_of(data)
    plan = shard_plan.plan_of(data, model, levels.key, most=options.rows)
    load = shards.Loader("fast", "image", options.side, model.name)
    ray, found = ray_workers("local", options.workers), {"processes": [], "ray": []}
    with ray.connected():
        for turn in range(2 * options.rounds):
            name, way = (("processes", Processes(options.workers)), ("ray", ray))[(turn + turn // 2) % 2]
            with tempfile.TemporaryDirectory() as folder:
                place = str(Path(folder))
                shard_plan.start(plan, data, place)
                jobs = shards.Jobs(data, plan, place, levels, range(len(plan)))
                found[name].append(measure(way, jobs, load))
    best = {name: {key: min(r[key] for r in rounds) for key in rounds[0]} for name, rounds in found.items()}
    ratio = {key: best["ray"][key] / best["processes"][key] for key in best["ray"]}
    print(json.dumps({**vars(options), "shards": len(plan), "rounds": found, "best": best, "ray / processes": ratio}))


if __name__ == "__main__":
    main()
