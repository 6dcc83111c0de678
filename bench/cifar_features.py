"""Features of CIFAR-10 with the labels of CIFAR-10N, for robust_features.py.

    python bench/cifar_features.py DATA FOLDER [--rows 10000] [--test 5000] [--encoder fast]

DATA as docs/benchmarks.md says. Draws `rows` training images (seed 0) and takes the first `test` test images. Writes
FOLDER/train.npz (features; the human labels `worst` and `aggre`; `clean`, which only the run called `clean` learns
from) and FOLDER/test.npz (features and true labels).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import labelsieve as ls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--test", type=int, default=5000)
    parser.add_argument("--encoder", default="fast")
    asked = parser.parse_args()
    sys.path.insert(0, str(asked.data))
    import cifar10  # the reader next to the data

    asked.folder.mkdir(parents=True, exist_ok=True)
    rows = np.sort(np.random.default_rng(0).permutation(50_000)[: asked.rows])
    clean = cifar10.labels("train")[rows].astype(np.int64)
    human = {kind: cifar10.human(kind)[rows].astype(np.int64) for kind in ("worst", "aggre")}
    train = encoded(cifar10.images("train")[rows], asked.encoder)
    np.savez(asked.folder / "train.npz", features=train, clean=clean, **human)
    test = encoded(cifar10.images("test")[: asked.test], asked.encoder)
    np.savez(asked.folder / "test.npz", features=test, labels=cifar10.labels("test")[: asked.test].astype(np.int64))


def encoded(images: np.ndarray, encoder: str) -> np.ndarray:
    labels = np.arange(len(images)) % 2  # `gather` asks for labels; the features do not depend on them
    found = ls.gather(images, labels=labels, encoder=encoder, detectors=["lda"], progress=False)
    return np.asarray(found.features)


if __name__ == "__main__":
    main()
