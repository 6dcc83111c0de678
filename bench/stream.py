"""Training on a file of pixels larger than the memory: peak memory, and images per second compared with data in memory.

    python bench/stream.py FOLDER [--gigabytes 4] [--side 64] [--steps 60]

Writes FOLDER/pixels.npy, trains the small network on it for some steps of an epoch, then on the same number of its
images in memory. Prints for both the images per second and the highest resident memory of the process: its own, and
that of the file's pages, which the system reclaims when it needs them. The file is removed.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from pathlib import Path

import numpy as np
import torch
from torch import optim

from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.losses import cross_entropy
from labelsieve.networks import network

BATCH = 128


def resident() -> dict[str, int]:
    """Resident megabytes of this process (Linux)."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {"own": int(lines["RssAnon"].split()[0]) // 1024, "pages_of_files": int(lines["RssFile"].split()[0]) // 1024}


class Peak(threading.Thread):
    """The highest value of `resident` while it runs."""

    def __init__(self):
        super().__init__(daemon=True)
        self.highest, self.over = resident(), threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.05):
            self.highest = {name: max(self.highest[name], now) for name, now in resident().items()}


def steps(samples: Samples, count: int) -> dict[str, object]:
    peak = Peak()
    peak.start()
    session, net = (
        Session(len(samples)),
        network("small-cnn", images=True, width=3)(samples.classes).to(memory_format=torch.channels_last),
    )
    optimiser = optim.SGD(net.parameters(), 0.1, 0.9)
    started = time.perf_counter()
    for _, rows in zip(range(count), samples.batches(BATCH, session.generator), strict=False):
        logits = net(samples.weak(rows, session.generator))
        session.step(cross_entropy(logits, samples.labels[rows]).mean(), optimiser)
    seconds = time.perf_counter() - started
    peak.over.set()
    return {"images_a_second": round(count * BATCH / seconds), "megabytes": peak.highest}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=4)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--steps", type=int, default=60)
    given = parser.parse_args()
    n = int(given.gigabytes * 2**30 / (3 * given.side**2))
    path, rng = given.folder / "pixels.npy", np.random.default_rng(0)
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(n, 3, given.side, given.side))
    some = rng.integers(0, 256, (4096, 3, given.side, given.side), np.uint8)
    for start in range(0, n, len(some)):
        file[start : start + len(some)] = some[: n - start]
    file.flush()
    del file
    try:
        pixels = torch.from_numpy(np.load(path, mmap_mode="r+"))
        labels = torch.from_numpy(rng.integers(0, 10, n))
        for name, data in (("file", pixels), ("memory", pixels[: given.steps * BATCH].clone())):
            told = steps(Samples.of(data, labels[: len(data)], 10), given.steps)
            print(
                json.dumps({"images": len(data), "gigabytes": round(data.nbytes / 2**30, 2), "in": name, **told}),
                flush=True,
            )
    finally:
        path.unlink()


if __name__ == "__main__":
    main()
