"""Sets with true labels, as features of the default encoder, for the other scripts of this folder.

DATA is the folder that docs/benchmarks.md describes, or None. Sets that it does not have are left out; the digits of
scikit-learn are always there. Of the large sets the first rows of a fixed random order are taken.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.encode import encode, encoder

ROWS, TESTS = 5000, 2000


@dataclass(frozen=True, eq=False)
class KnownSet:
    """A set of examples whose true labels are known.

    Attributes:
        features: (n, d) float32.
        true: (n,) true labels as positions.
        people: name -> (n,) labels that people gave.
        test_features: (m, d) of other examples; test_true: (m,) their labels.
    """

    name: str
    features: np.ndarray
    true: np.ndarray
    test_features: np.ndarray
    test_true: np.ndarray
    people: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def classes(self) -> int:
        return int(self.true.max()) + 1


def folder(text: str) -> Path | None:
    """The argument DATA; "none" is None."""
    return None if text == "none" else Path(text)


def known_sets(data: Path | None, cache: Path) -> Iterator[KnownSet]:
    """The sets of the folder `data`, whose features are kept in `cache`, and the digits."""
    if data and (data / "cifar10.py").exists():
        yield photographs(data, cache)
    if data and (data / "noisy_ag").exists():
        yield news(data, cache)
    yield digits()


def photographs(data: Path, cache: Path) -> KnownSet:
    """CIFAR-10 with the labels of CIFAR-10N."""
    sys.path.insert(0, str(data))
    import cifar10  # the reader next to the data

    rows, tests = _some(50_000, ROWS), _some(10_000, TESTS)
    return KnownSet(
        "photographs",
        features(cifar10.images("train")[rows], "image", cache / "photographs"),
        cifar10.labels("train")[rows].astype(np.int64),
        features(cifar10.images("test")[tests], "image", cache / "photographs-test"),
        cifar10.labels("test")[tests].astype(np.int64),
        {kind: cifar10.human(kind)[rows].astype(np.int64) for kind in ("aggre", "worst")},
    )


def news(data: Path, cache: Path) -> KnownSet:
    """NoisyAG-News."""
    import pyarrow.parquet as pq

    train, test = (pq.read_table(data / "noisy_ag" / f"{name}.parquet") for name in ("noisy10k", "test7600"))
    train, test = train.take(_some(train.num_rows, ROWS)), test.take(_some(test.num_rows, TESTS))
    return KnownSet(
        "news",
        features(train["text"].to_pylist(), "text", cache / "news"),
        train["clean"].to_numpy().astype(np.int64),
        features(test["text"].to_pylist(), "text", cache / "news-test"),
        test["clean"].to_numpy().astype(np.int64),
        {"people": train["noisy"].to_numpy().astype(np.int64)},
    )


def digits() -> KnownSet:
    """The digits of scikit-learn, two thirds of them for training."""
    from sklearn.datasets import load_digits

    made, order = load_digits(), _some(1797, 1797)
    x, y, train = made.data.astype(np.float32)[order], made.target.astype(np.int64)[order], 1200
    return KnownSet("digits", x[:train], y[:train], x[train:], y[train:])


def features(inputs: Any, kind: str, cache: Path) -> np.ndarray:
    """(n, d) float32 features of images or texts; those of an earlier call with the same `cache` are read again."""
    made = encoder(None, kind)
    assert made is not None
    return np.asarray(encode(inputs, made, cache, key=str(len(inputs))).features, np.float32)


def _some(n: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(n)[:size]
