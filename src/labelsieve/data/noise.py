"""Label noise made on purpose, with a specification that says exactly how.

"r % noise" means different things in different papers, so the specification keeps the kind, whether a new label may
equal the old one (inclusive), whether the number of touched examples is exact, the seed, and the realised rate of
changed labels.

- symmetric: a touched label is drawn from the K - 1 others (exclusive; Co-teaching, O2U-Net, AUM, Blurry loss: realised
  rate r) or from all K (inclusive; M-DYR, DivideMix, ProMix, ELR: realised rate about r (K - 1) / K).
- pair: c becomes c + 1, the last class the first (Co-teaching).
- asymmetric: any row-stochastic transition matrix, or the CIFAR-10 map truck -> automobile, bird -> airplane, deer ->
  horse, cat <-> dog; five of ten classes flip, so the realised rate is about r / 2.
- instance: Xia et al., "Part-dependent Label Noise", NeurIPS 2020, algorithm 2. Flip rates q_i come from N(r, 0.1^2)
  truncated to [0, 1]; each class c has a Gaussian projection W_c (d, K), and x_i W_c, own class left out, through a
  softmax and times q_i gives the probabilities of the other classes; 1 - q_i is the probability that the label stays.
  We standardise the features (the authors' images are normalised).

Exact touches floor(r N) examples (asymmetric: floor of the expected number, every class within one of its share;
instance: with probabilities in proportion to q_i). Otherwise each example is touched independently (Bernoulli); for
"instance" that is the paper, whose truncation lifts the mean of q_i above a small r (0.1 becomes 0.13).

Cost: one pass; "instance" draws K d K normal numbers, one class at a time.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing, write_json
from labelsieve.core.shares import share
from labelsieve.data.sampling import flip_rates, inverse, proportional, touch, whole

Kind = Literal["symmetric", "pair", "asymmetric", "instance"]

KINDS: tuple[Kind, ...] = ("symmetric", "pair", "asymmetric", "instance")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR10_FLIPS = {9: 1, 2: 0, 4: 7, 3: 5, 5: 3}  # truck, bird, deer, cat, dog
SPREAD = 0.1  # standard deviation of the flip rates of "instance"


@dataclass(frozen=True)
class NoiseSpec:
    """How labels were made noisy; `asdict` of it is JSON.

    Attributes:
        rate: as requested; None if a transition matrix defines it.
        transition: (K, K), as passed in or made from the CIFAR-10 map; None for the other kinds.
        realised_rate: the share of labels that were changed.
        labels_hash: of the noisy labels as int64, to tell two sets of labels apart.
    """

    kind: Kind
    rate: float | None
    inclusive: bool
    exact: bool
    seed: int
    transition: tuple[tuple[float, ...], ...] | None
    realised_rate: float
    labels_hash: str


@dataclass(frozen=True, eq=False, repr=False)
class Noise:
    """Noisy labels.

    Attributes:
        labels: (n,) int64, positions in the classes.
        spec: how they were made.
        ids: (n,) ids of the examples; None for labels without ids.
        notes: the notes of `load` about the data.
    """

    labels: np.ndarray
    spec: NoiseSpec
    ids: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Noise({self.spec.kind}, {self.spec.realised_rate:.2%} of {len(self.labels):,} labels wrong)"


def inject(
    data: Dataset | Sequence[int] | np.ndarray,
    kind: Kind,
    rate: float | str | None = None,
    *,
    n_classes: int | None = None,
    inclusive: bool = False,
    exact: bool = True,
    transition: np.ndarray | None = None,
    features: np.ndarray | None = None,
    seed: int = 0,
) -> Noise:
    """Add noise of any kind to the labels of a data set, or to labels (n,) that are positions. `n_classes` is by
    default the largest label + 1.

    Raises:
        UserError: an argument is out of range, missing, or does not apply to this kind.
    """
    rate = share(rate, "The noise rate") if isinstance(rate, str) else rate
    labels, k = (data.labels, len(data.classes)) if isinstance(data, Dataset) else (np.asarray(data), n_classes)
    k = k or (int(labels.max()) + 1 if labels.size and labels.dtype.kind in "iu" else 0)
    if (inclusive and kind != "symmetric") or (transition is not None and kind != "asymmetric"):
        raise UserError(f"{'inclusive' if inclusive else 'transition'} does not apply to {kind} noise; leave it out.")
    if kind == "asymmetric":
        if transition is None and isinstance(data, Dataset) and data.classes not in (CIFAR10, tuple("0123456789")):
            raise UserError(
                "Without <transition>, asymmetric noise is the CIFAR-10 map, but the data have other classes; give a "
                "matrix (K, K).",
                transition="",
            )
        return asymmetric(labels, k, rate, transition=transition, exact=exact, seed=seed)
    if kind not in KINDS:
        raise UserError(f"There is no {kind!r} noise; there are: {', '.join(KINDS)}.")
    if rate is None:
        raise UserError(f"{kind} noise needs a rate between 0 and 1, such as 20%.")
    if kind == "symmetric":
        return symmetric(labels, k, rate, inclusive=inclusive, exact=exact, seed=seed)
    if kind == "pair":
        return pair(labels, k, rate, exact=exact, seed=seed)
    if features is None and isinstance(data, Dataset) and data.kind in ("features", "probs"):
        features = np.asarray(data.inputs)
    if features is None:
        raise UserError("instance noise depends on features (n, d); pass them with <features>.", features="")
    return instance_dependent(features, labels, k, rate, exact=exact, seed=seed)


def symmetric(
    labels: np.ndarray, n_classes: int, rate: float, *, inclusive: bool = False, exact: bool = True, seed: int = 0
) -> Noise:
    """A touched label becomes any of the K - 1 others, or any of the K if inclusive; labels (n,) are positions."""
    before, rng = _checked(labels, n_classes, rate), np.random.default_rng(seed)
    touched = touch(np.full(len(before), float(rate)), rng.permutation(len(before)), exact, rng)
    old, after = before[touched], before.copy()
    if inclusive:
        after[touched] = rng.integers(n_classes, size=len(old))
    else:
        after[touched] = (old + rng.integers(1, n_classes, size=len(old))) % n_classes
    return _noise(before, after, "symmetric", rate, exact, seed, inclusive=inclusive)


def pair(labels: np.ndarray, n_classes: int, rate: float, *, exact: bool = True, seed: int = 0) -> Noise:
    """A touched label becomes the next class, the last one the first."""
    before, rng = _checked(labels, n_classes, rate), np.random.default_rng(seed)
    touched = touch(np.full(len(before), float(rate)), rng.permutation(len(before)), exact, rng)
    return _noise(before, np.where(touched, (before + 1) % n_classes, before), "pair", rate, exact, seed)


def asymmetric(
    labels: np.ndarray,
    n_classes: int,
    rate: float | None = None,
    *,
    transition: np.ndarray | None = None,
    exact: bool = True,
    seed: int = 0,
) -> Noise:
    """A label c becomes j with probability transition[c, j] (K, K), or by the CIFAR-10 map with probability `rate`."""
    if (rate is None) == (transition is None):
        raise UserError(
            "asymmetric noise takes either a rate (the CIFAR-10 map) or <transition>, a matrix (K, K).", transition=""
        )
    before, rng = _checked(labels, n_classes, 0.0 if rate is None else rate), np.random.default_rng(seed)
    matrix = _cifar10(n_classes, rate) if rate is not None else _stochastic(transition, n_classes)
    others = matrix * ~np.eye(n_classes, dtype=bool)
    order = np.lexsort((rng.random(len(before)), before))  # class by class: each gets its share
    touched = touch(others.sum(axis=1)[before], order, exact, rng)
    after = before.copy()
    rows = order[touched[order]]
    bounds = np.searchsorted(before[rows], np.arange(n_classes + 1))
    for c in np.unique(before[rows]):
        of_class = rows[bounds[c] : bounds[c + 1]]
        m = len(of_class)
        places = (np.arange(m) + rng.random()) / m if exact else rng.random(m)
        after[of_class] = inverse(others[c], places)
    return _noise(before, after, "asymmetric", rate, exact, seed, transition=tuple(map(tuple, matrix.tolist())))


def instance_dependent(
    features: np.ndarray, labels: np.ndarray, n_classes: int, rate: float, *, exact: bool = True, seed: int = 0
) -> Noise:
    """Noise that depends on features (n, d): similar examples of a class are mistaken for the same other class."""
    before, rng = _checked(labels, n_classes, rate), np.random.default_rng(seed)
    x = np.asarray(features)
    if x.ndim != 2 or len(x) != len(before) or not np.isfinite(x).all():
        raise UserError(
            f"The features have shape {x.shape}; they should be finite numbers of shape ({len(before)}, d)."
        )
    q = flip_rates(rate, SPREAD, len(before), rng)
    chances = proportional(q, whole(rate * len(before))) if exact else q
    touched = touch(chances, rng.permutation(len(before)), exact, rng)
    mean, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    after = before.copy()
    for c in np.unique(before):
        projection = rng.standard_normal((x.shape[1], n_classes), np.float32)
        rows = np.flatnonzero(touched & (before == c))
        logits = ((x[rows] - mean) / np.where(scale > 0, scale, 1)) @ projection
        logits[:, c] = -np.inf
        # The largest of logits + Gumbel noise is a draw from their softmax.
        after[rows] = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    return _noise(before, after, "instance", rate, exact, seed)


def write(noise: Noise, dataset: Dataset, folder: str | os.PathLike[str]) -> Path:
    """Write labels.csv (noisy labels), truth.csv (original labels) and noise.json (the specification) into `folder`.

    `load(source, labels=folder/labels.csv)` then reads the data set with the noisy labels.
    """
    if len(noise.labels) != len(dataset):
        raise UserError(
            f"There are {len(noise.labels)} noisy labels for {len(dataset)} examples; they belong to other data."
        )
    taken = [name for name in ("labels.csv", "truth.csv") if (Path(folder) / name).exists()]
    if taken and not (Path(folder) / "noise.json").exists():
        raise UserError(f"{Path(folder) / taken[0]} already exists and was not written by noise; name another folder.")
    for name, labels in (("labels.csv", noise.labels), ("truth.csv", dataset.labels)):
        with (
            replacing(Path(folder) / name) as partial,
            open(partial, "w", encoding="utf-8", errors="surrogateescape", newline="") as file,
        ):
            rows = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            rows.writerow(("id", "label"))
            rows.writerows((key, dataset.classes[label]) for key, label in zip(dataset.ids, labels, strict=True))
    write_json(Path(folder) / "noise.json", asdict(noise.spec))
    return Path(folder)


def _checked(labels: np.ndarray, n_classes: int, rate: float) -> np.ndarray:
    values = np.asarray(labels)
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "iu":
        raise UserError(
            f"Labels of shape {values.shape} and type {values.dtype} cannot be made noisy; give integers (n,) from 0."
        )
    if n_classes < 2:
        raise UserError(f"Noise needs at least two classes, not {n_classes}.")
    if values.min() < 0 or values.max() >= n_classes:
        raise UserError(
            f"The labels run from {values.min()} to {values.max()}, but {n_classes} classes are 0 to {n_classes - 1}."
        )
    if not 0 <= rate <= 1:
        raise UserError(f"The noise rate {rate} is outside 0 to 1; 20 % is 0.2 or '20%'.")
    return values.astype(np.int64)


def _stochastic(transition: Any, n_classes: int) -> np.ndarray:
    """The matrix (K, K) as float64, if its rows are distributions."""
    matrix = np.asarray(transition)
    if matrix.shape != (n_classes, n_classes) or matrix.dtype.kind not in "fiu":
        raise UserError(
            f"The transition matrix has shape {matrix.shape}; for {n_classes} classes it should be ({n_classes}, "
            f"{n_classes})."
        )
    matrix = matrix.astype(np.float64)
    sums = matrix.sum(axis=1)
    wrong = np.flatnonzero((matrix < 0).any(axis=1) | ~(np.abs(sums - 1) <= 1e-6))
    if len(wrong):
        row = int(wrong[0])
        raise UserError(
            f"Row {row} of the transition matrix ({matrix[row].min():.4g} at least, sum {sums[row]:.6g}) is not a "
            "distribution."
        )
    return matrix


def _cifar10(n_classes: int, rate: float) -> np.ndarray:
    if n_classes != len(CIFAR10):
        raise UserError(
            f"The CIFAR-10 map is for 10 classes, not {n_classes}; give <transition>, a matrix (K, K).", transition=""
        )
    matrix = np.eye(n_classes)
    for old, new in CIFAR10_FLIPS.items():
        matrix[old, old], matrix[old, new] = 1 - rate, rate
    return matrix


def _noise(
    before: np.ndarray,
    after: np.ndarray,
    kind: Kind,
    rate: float | None,
    exact: bool,
    seed: int,
    inclusive: bool = False,
    transition: tuple[tuple[float, ...], ...] | None = None,
) -> Noise:
    realised = float((after != before).mean())
    digest = hashlib.sha256(after.astype("<i8").tobytes()).hexdigest()[:32]
    return Noise(after, NoiseSpec(kind, rate, inclusive, exact, seed, transition, realised, digest))
