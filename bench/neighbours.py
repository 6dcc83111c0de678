"""kNN graph: time against scikit-learn's brute force, and recall, in one run.

    python bench/neighbours.py [n] [d] [k] [exact_up_to]      (default 40000 512 10)

Above 100,000 rows scikit-learn only answers 2,000 queries, for the recall. Features resemble those of an encoder:
points around cluster centres with a decaying spectrum.
"""

import sys
import time

import numpy as np

from labelsieve.stats.neighbours import nearest


def features(n: int, d: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    spectrum = (np.arange(1, d + 1) ** -0.5).astype(np.float32)
    centres = rng.standard_normal((100, d), np.float32)
    x = rng.standard_normal((n, d), np.float32)
    x += centres[rng.integers(100, size=n)]
    x *= spectrum
    return x


def main(n: int = 40_000, d: int = 512, k: int = 10, exact_up_to: float | None = None) -> None:
    x = features(n, d)
    start = time.perf_counter()
    ours = nearest(x, k) if exact_up_to is None else nearest(x, k, exact_up_to=exact_up_to)
    seconds = time.perf_counter() - start
    print(f"labelsieve   {n} x {d}, k = {k}: {seconds:.1f} s", flush=True)
    from sklearn.neighbors import NearestNeighbors

    queries = np.arange(n) if n <= 100_000 else np.random.default_rng(1).choice(n, 2000, replace=False)
    start = time.perf_counter()
    model = NearestNeighbors(n_neighbors=k + 1, algorithm="brute", metric="cosine").fit(x)
    theirs = model.kneighbors(x[queries], return_distance=False)
    brute = (time.perf_counter() - start) * n / len(queries)
    hits = sum(len(np.intersect1d(ours.index[q], row[row != q][:k])) for q, row in zip(queries, theirs, strict=True))
    print(
        f"scikit-learn {brute:.1f} s{' (extrapolated)' if n > 100_000 else ''}, ratio {brute / seconds:.1f}, "
        f"recall {hits / (k * len(queries)):.4f}"
    )


if __name__ == "__main__":
    main(*[int(float(a)) for a in sys.argv[1:]])
