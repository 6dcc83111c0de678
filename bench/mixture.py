"""Beta mixture on a million losses: histogram EM against EM over every example with scipy.stats.beta.pdf, in one run.

python bench/mixture.py [n]
"""

import sys
import time

import numpy as np
from scipy.stats import beta

from labelsieve.stats.mixture import fit_beta


def losses(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    wrong = rng.random(n) < 0.3
    return np.where(wrong, rng.gamma(9, 0.5, n), rng.gamma(1.2, 0.4, n)).astype(np.float32)


def per_sample(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    hi, lo = np.percentile(x, 95), np.percentile(x, 5)
    x = x[(x >= lo) & (x <= hi)].astype(np.float64)
    lo += 1e-5
    x = (x - lo) / (hi - lo + 1e-6)
    x[x >= 1] = 1 - 1e-3
    x[x <= 0] = 1e-3
    x = np.clip(x, 1e-4, 1 - 1e-4)
    a, b, weight = np.array([1.0, 2.0]), np.array([2.0, 1.0]), np.array([0.5, 0.5])
    for _ in range(10):
        r = np.stack([np.maximum(weight[k] * beta.pdf(x, a[k], b[k]), 1e-12) for k in range(2)])
        r /= r.sum(0)
        m = r @ x / r.sum(1)
        v = (r * (x - m[:, None]) ** 2).sum(1) / r.sum(1)
        a = m * (m * (1 - m) / v - 1)
        b = a * (1 - m) / m
        weight = r.mean(1)
    return a, b, weight


def main(n: int = 1_000_000) -> None:
    x = losses(n)
    fit_beta(x[:1000])
    ours = min(_timed(lambda: fit_beta(x)) for _ in range(5))
    start = time.perf_counter()
    a, b, weight = per_sample(x)
    theirs = time.perf_counter() - start
    fit = fit_beta(x)
    off = max(np.abs(fit.a - a).max(), np.abs(fit.b - b).max(), np.abs(fit.weight - weight).max())
    print(
        f"histogram EM {ours * 1e3:.1f} ms, per-sample EM {theirs:.2f} s, ratio {theirs / ours:.0f}, parameters "
        f"within {off:.1e}"
    )


def _timed(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
