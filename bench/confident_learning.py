"""Confident-learning flags on a float32 memory map, ours against cleanlab's: time, peak memory, equality of the flags.

    python bench/confident_learning.py [n] [n_classes]      (default 400000 1000)

Each runs in a separate process. Memory is the largest anonymous resident size, so the mapped input does not count.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np


def make(folder: Path, n: int, n_classes: int) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(n_classes, size=n)
    np.save(folder / "labels.npy", labels)
    probs = np.lib.format.open_memmap(folder / "probs.npy", mode="w+", dtype=np.float32, shape=(n, n_classes))
    for start in range(0, n, 10_000):
        given = labels[start : start + 10_000]
        believed = np.where(rng.random(len(given)) < 0.1, rng.integers(n_classes, size=len(given)), given)
        logits = rng.standard_normal((len(given), n_classes), np.float32)
        logits[np.arange(len(given)), believed] += rng.normal(7, 2, len(given))
        block = np.exp(logits)
        probs[start : start + 10_000] = block / block.sum(1, keepdims=True)
    probs.flush()


def anonymous() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


def measure(folder: Path, who: str) -> None:
    probs = np.load(folder / "probs.npy", mmap_mode="r")
    labels = np.load(folder / "labels.npy")
    for start in range(0, len(probs), 10_000):  # into the page cache, for both alike
        probs[start : start + 10_000].sum()
    if who == "ours":
        from labelsieve.stats.confident_joint import flags as find
    else:
        from cleanlab.filter import find_label_issues

        def find(probs, labels):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return find_label_issues(labels, probs)

    before, peak, done = anonymous(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    flagged = find(probs, labels)
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    np.save(folder / f"{who}.npy", flagged)
    print(json.dumps({"seconds": seconds, "peak_gb": (peak[0] - before) / 1e9}))


def main(n: int = 400_000, n_classes: int = 1000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), n, n_classes)
        seen = {}
        for who in ("ours", "cleanlab"):
            out = subprocess.run(
                [sys.executable, __file__, "--measure", folder, who], check=True, stdout=subprocess.PIPE, text=True
            )
            seen[who] = json.loads(out.stdout.splitlines()[-1])
            print(f"{who:9s} {seen[who]['seconds']:7.2f} s   peak +{seen[who]['peak_gb']:.2f} GB")
        ours, theirs = np.load(f"{folder}/ours.npy"), np.load(f"{folder}/cleanlab.npy")
        ratio = seen["ours"]["seconds"] / seen["cleanlab"]["seconds"]
        print(f"time ratio {ratio:.3f}   same flags: {np.array_equal(ours, theirs)} ({ours.sum()})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(Path(sys.argv[2]), sys.argv[3])
    else:
        main(*map(int, sys.argv[1:]))
