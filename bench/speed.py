"""What Labelsieve's own algorithms save in comparison with the usual ones: ratios of processor time, in one run.

    python bench/speed.py [--rounds 3] [--only TEXT]

- `beta mixture`: of a million losses; from a histogram, and EM over every example with scipy.stats.beta.pdf.
- `confident learning`: the flags of 100,000 examples of 100 classes; ours, and cleanlab's `find_label_issues`.
- `neighbours`: the 10 nearest of 20,000 rows of 512 features; ours, and scikit-learn's brute force.
- `neighbours by lists`: the same by inverted lists, which `find` takes for larger data.
- `find`: all detectors on 10,000 rows of 256 features; and the usual script for one score: LogisticRegression in five
  folds and cleanlab.

Both sides take turns; the median of the rounds counts. `same` says how far the answers agree. Threads as
OMP_NUM_THREADS says. Writes bench/records/speed.json.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from cleanlab.filter import find_label_issues
from scipy.stats import beta
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

import labelsieve as ls
from labelsieve.stats.confident_joint import flags
from labelsieve.stats.mixture import fit_beta
from labelsieve.stats.neighbours import nearest
from record import about, write

Sides = tuple[Callable[[], Any], Callable[[], Any], Callable[[Any, Any], dict[str, float]]]


def beta_mixture(n: int = 1_000_000) -> Sides:
    rng = np.random.default_rng(0)
    x = np.where(rng.random(n) < 0.3, rng.gamma(9, 0.5, n), rng.gamma(1.2, 0.4, n)).astype(np.float32)

    def agree(ours: Any, theirs: Any) -> dict[str, float]:
        pairs = zip((ours.a, ours.b, ours.weight), theirs, strict=True)
        return {"largest difference of a parameter": float(max(np.abs(one - other).max() for one, other in pairs))}

    return lambda: fit_beta(x), lambda: per_example(x), agree


def per_example(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parameters a, b and weights of two components, by ten steps of EM over every example (Arazo et al. 2019)."""
    high, low = np.percentile(x, 95), np.percentile(x, 5)
    x = x[(x >= low) & (x <= high)].astype(np.float64)
    low += 1e-5
    x = (x - low) / (high - low + 1e-6)
    x[x >= 1] = 1 - 1e-3
    x[x <= 0] = 1e-3
    x = np.clip(x, 1e-4, 1 - 1e-4)
    a, b, weight = np.array([1.0, 2.0]), np.array([2.0, 1.0]), np.array([0.5, 0.5])
    for _ in range(10):
        r = np.stack([np.maximum(weight[k] * beta.pdf(x, a[k], b[k]), 1e-12) for k in range(2)])
        r /= r.sum(0)
        mean = r @ x / r.sum(1)
        variance = (r * (x - mean[:, None]) ** 2).sum(1) / r.sum(1)
        a = mean * (mean * (1 - mean) / variance - 1)
        b = a * (1 - mean) / mean
        weight = r.mean(1)
    return a, b, weight


def confident_learning(n: int = 100_000, classes: int = 100) -> Sides:
    rng = np.random.default_rng(0)
    labels = rng.integers(classes, size=n)
    believed = np.where(rng.random(n) < 0.1, rng.integers(classes, size=n), labels)
    logits = rng.standard_normal((n, classes), np.float32)
    logits[np.arange(n), believed] += rng.normal(7, 2, n)
    probs = np.exp(logits)
    probs /= probs.sum(1, keepdims=True)
    return (
        lambda: flags(probs, labels),
        lambda: find_label_issues(labels, probs),
        lambda ours, theirs: {"flags that differ": int((ours != theirs).sum())},
    )


def neighbours(n: int = 20_000, width: int = 512, k: int = 10, exact_up_to: float = 2e11) -> Sides:
    """Points around 100 centres with a decaying spectrum, as an encoder leaves them."""
    rng = np.random.default_rng(0)
    x = (
        rng.standard_normal((n, width), np.float32)
        + rng.standard_normal((100, width), np.float32)[rng.integers(100, size=n)]
    )
    x *= (np.arange(1, width + 1) ** -0.5).astype(np.float32)

    def brute() -> np.ndarray:
        model = NearestNeighbors(n_neighbors=k + 1, algorithm="brute", metric="cosine").fit(x)
        return model.kneighbors(x, return_distance=False)

    def agree(ours: Any, theirs: np.ndarray) -> dict[str, float]:
        found = sum(len(np.intersect1d(ours.index[q], row[row != q][:k])) for q, row in enumerate(theirs))
        return {"recall": found / (k * n)}

    return lambda: nearest(x, k, exact_up_to=exact_up_to), brute, agree


def whole_find(n: int = 10_000, width: int = 256, classes: int = 10) -> Sides:
    rng = np.random.default_rng(0)
    true = rng.integers(classes, size=n)
    x = np.maximum(0.3 * rng.normal(size=(classes, width))[true] + rng.standard_normal((n, width)), 0).astype(
        np.float32
    )
    given = np.where(rng.random(n) < 0.1, rng.integers(classes, size=n), true)
    data = ls.load(x, labels=given)

    def usual() -> None:
        scaled = StandardScaler().fit_transform(x)
        probs = cross_val_predict(LogisticRegression(max_iter=100), scaled, given, cv=5, method="predict_proba")
        find_label_issues(given, probs, return_indices_ranked_by="self_confidence")

    return lambda: ls.find(data), usual, lambda found, _: {"scores": len(found.scores)}


BENCHES = {
    "beta mixture": beta_mixture,
    "confident learning": confident_learning,
    "neighbours": neighbours,
    "neighbours by lists": partial(neighbours, exact_up_to=0),
    "find": whole_find,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for name, make in BENCHES.items():
        if asked.only not in name:
            continue
        ours, usual, agree = make()
        ours()  # imports and first calls
        spent = [(timed(ours), timed(usual)) for _ in range(asked.rounds)]
        seconds = np.array([[one[0], other[0]] for one, other in spent])
        same = agree(spent[-1][0][1], spent[-1][1][1])
        rows.append(
            {
                "what": name,
                "seconds": round(float(np.median(seconds[:, 0])), 4),
                "usual_seconds": round(float(np.median(seconds[:, 1])), 4),
                "times_faster": round(float(np.median(seconds[:, 1] / seconds[:, 0])), 3),
                "same": {key: round(float(value), 10) for key, value in same.items()},
            }
        )
        print(rows[-1], flush=True)
    print(write("speed", about({"rounds": asked.rounds}, "scipy", "scikit-learn", "cleanlab"), rows))


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the processor, and the answer."""
    started = time.process_time()
    answer = call()
    return time.process_time() - started, answer


if __name__ == "__main__":
    main()
