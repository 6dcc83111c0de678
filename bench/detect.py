"""The detect stage (kNN graph, panel, default detectors) against scikit-learn's 5-fold LogisticRegression and cleanlab.

    python bench/detect.py FEATURES.npz [--only ours|reference]        # features (n, d) of any d, labels (n,)

Prints seconds, processor seconds, and the ratios of both. The reference gives one score, by cleanlab's default rule.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from cleanlab.filter import find_label_issues
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import StandardScaler

import labelsieve as ls


def timed(what: str, run: Callable[[], Any]) -> tuple[Any, np.ndarray]:
    """What `run` returns, with its seconds and those of the processors, which other processes disturb less."""
    start, before = time.perf_counter(), os.times()
    result = run()
    after = os.times()
    cpu = sum(after[:4]) - sum(before[:4])
    seconds = np.array([time.perf_counter() - start, cpu])
    print(f"{what}: {seconds[0]:.1f} s, {seconds[1]:.1f} s of the processors", flush=True)
    return result, seconds


def reference(features: np.ndarray, labels: np.ndarray) -> None:
    scaled = StandardScaler().fit_transform(features)
    probs = cross_val_predict(LogisticRegression(max_iter=100), scaled, labels, cv=5, method="predict_proba")
    find_label_issues(labels, probs, return_indices_ranked_by="self_confidence")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features")
    parser.add_argument("--only", choices=("ours", "reference"))
    given = parser.parse_args()
    with np.load(given.features) as arrays:
        features, labels = arrays["features"].astype(np.float32), arrays["labels"].astype(np.int64)
    print(f"{features.shape[0]:,} x {features.shape[1]:,}")
    if given.only != "reference":
        data = ls.load(features, labels=labels)
        findings, ours = timed("labelsieve", lambda: ls.find(data))
        print(f"{len(findings.scores)} detectors, {findings.settings['seconds']}")
    if given.only != "ours":
        name = "LogisticRegression(max_iter=100) x 5 folds + cleanlab"
        _, theirs = timed(name, lambda: reference(features, labels))
    if given.only is None:
        print(f"ratio: {theirs[0] / ours[0]:.1f}, of the processors {theirs[1] / ours[1]:.1f}")


if __name__ == "__main__":
    main()
