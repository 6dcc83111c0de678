"""The sets of `detection.py`: labels of people first, then wrong labels planted into four other sets of data."""

from __future__ import annotations

import csv
import gzip
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

import labelsieve as ls
from human_noise import cifar10n, noisy_ag
from labelsieve.data.noise import inject
from labelsieve.encode import encode, encoder

POOL, ROWS = 3000, 1000  # examples that are encoded; those of them that a seed draws
PLANTED = (("symmetric", 0.2), ("pair", 0.2), ("instance", 0.2))
FASHION = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True, eq=False)
class Source:
    """Features (n, d), the true labels (n,), and `given(seed)`, the labels (n,) to be judged."""

    name: str
    features: np.ndarray
    true: np.ndarray
    given: Callable[[int], np.ndarray]
    human: bool = False

    def drawn(self, seed: int, most: int = ROWS) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of at most `most` examples their rows (m,), features, given and true labels; classes are numbered from 0."""
        n = len(self.true)
        rows = np.sort(np.random.default_rng(seed).permutation(n)[:most])
        given, true = self.given(seed)[rows], self.true[rows]
        classes = np.unique(np.concatenate([given, true]))
        return rows, self.features[rows], np.searchsorted(classes, given), np.searchsorted(classes, true)


def sources(shared: Path | None, cache: Path | None, fashion: Path = FASHION) -> Iterator[tuple[str, Callable]]:
    """The name of each set that is at hand, and a function that loads it; features are kept in `cache`."""
    if shared is not None:
        folder = cache or Path("runs/detection")
        for kind in _kinds(shared):
            yield f"CIFAR-10N {kind}", lambda kind=kind: _cifar10n(shared, kind, folder)
        if (shared / "cifar10.py").exists() and (shared / "cifar10h.npz").exists():
            yield "CIFAR-10H one vote", lambda: _cifar10h(shared, folder)
        if (shared / "noisy_ag").exists():
            yield "NoisyAG-News", lambda: _noisy_ag(shared, folder)
        for name, place, load in (
            ("Banking77", shared / "banking77", lambda: _banking(shared, folder)),
            ("photos", shared / "photos", lambda: _photos(shared, folder)),
            ("Fashion-MNIST", fashion, lambda: _fashion(fashion, folder)),
        ):
            if place.is_dir():
                yield from _planted(name, load)
    yield from _planted("digits", lambda: (load_digits().data.astype(np.float32), load_digits().target))


def _kinds(shared: Path) -> list[str]:
    """The labels of CIFAR-10N that the folder has."""
    if not (shared / "cifar10.py").exists():
        return []
    kept = shared / "cifar10n.npz"
    return [kind for kind in ("aggre", "random1", "worst") if not kept.exists() or kind in np.load(kept).files]


def _planted(name: str, load: Callable[[], tuple[np.ndarray, np.ndarray]]) -> Iterator[tuple[str, Callable]]:
    for kind, rate in PLANTED:
        title = f"{name} {kind} {100 * rate:.0f} %"
        yield title, lambda kind=kind, rate=rate, title=title: _with_noise(title, *load(), kind, rate)


def _with_noise(title: str, x: np.ndarray, true: np.ndarray, kind: Any, rate: float) -> Source:
    k = int(true.max()) + 1
    return Source(title, x, true, lambda seed: inject(true, kind, rate, n_classes=k, features=x, seed=seed).labels)


def _cifar10n(shared: Path, kind: str, folder: Path) -> Source:
    data, true = cifar10n(shared, kind)
    pool = _pool(len(true))
    x = features(data.inputs[pool], "image", folder / "cifar10n")
    return Source(f"CIFAR-10N {kind}", x, true[pool], lambda seed: data.labels[pool], human=True)


def _cifar10h(shared: Path, folder: Path) -> Source:
    """The given label is one vote, drawn for each seed from those of some fifty people on each picture."""
    sys.path.insert(0, str(shared))
    import cifar10  # the reader next to the data

    with np.load(shared / "cifar10h.npz") as file:
        counts, true = file["counts"], file["labels"].astype(np.int64)
    pool = _pool(len(true))
    shares = (counts[pool] / counts[pool].sum(1, keepdims=True)).cumsum(1)

    def vote(seed: int) -> np.ndarray:
        return (shares > np.random.default_rng([seed, 10]).random((len(pool), 1))).argmax(1)

    x = features(cifar10.images("test")[pool], "image", folder / "cifar10h")
    return Source("CIFAR-10H one vote", x, true[pool], vote, human=True)


def _noisy_ag(shared: Path, folder: Path) -> Source:
    data, true = noisy_ag(shared)
    pool = _pool(len(true))
    x = features([data.inputs[i] for i in pool], "text", folder / "noisy_ag")
    return Source("NoisyAG-News", x, true[pool], lambda seed: data.labels[pool], human=True)


def _banking(shared: Path, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    with gzip.open(shared / "banking77" / "train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    pool = _pool(len(rows))
    _, true = np.unique([row["category"] for row in rows], return_inverse=True)
    return features([rows[i]["text"] for i in pool], "text", folder / "banking77"), true[pool]


def _photos(shared: Path, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    data = ls.load(shared / "photos")
    return features(data.inputs, "image", folder / "photos"), data.labels


def _fashion(files: Path, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Of the idx files: images after 16 bytes, labels after 8."""
    images, labels = (
        np.frombuffer(gzip.decompress((files / f"train-{what}-ubyte.gz").read_bytes()), np.uint8)
        for what in ("images-idx3", "labels-idx1")
    )
    pool = _pool(len(labels) - 8)
    grey = images[16:].reshape(-1, 28, 28, 1)[pool]
    return features(np.repeat(grey, 3, 3), "image", folder / "fashion"), labels[8:][pool].astype(np.int64)


def _pool(n: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(n)[:POOL])


def features(inputs: Any, kind: str, folder: Path) -> np.ndarray:
    """(n, d) float32 by the default encoder, kept in `folder`."""
    made = encoder(None, kind)
    assert made is not None
    return np.asarray(encode(inputs, made, folder, key="").features, np.float32)
