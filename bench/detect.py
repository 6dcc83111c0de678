"""The detect stage (kNN graph, panel, default detectors) against scikit-learn's 5-fold LogisticRegression and cleanlab.

    python bench/detect.py FEATURES.npz        # features (n, d), labels (n,)

Prints seconds and their ratio. The reference gives one score, by cleanlab's default rule.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from cleanlab.filter import find_label_issues
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import StandardScaler

import labelsieve as ls


def main() -> None:
    with np.load(sys.argv[1]) as arrays:
        features, labels = arrays["features"].astype(np.float32), arrays["labels"].astype(np.int64)
    data = ls.load(features, labels=labels)
    start = time.perf_counter()
    findings = ls.find(data)
    ours = time.perf_counter() - start
    start = time.perf_counter()
    scaled = StandardScaler().fit_transform(features)
    probs = cross_val_predict(LogisticRegression(max_iter=100), scaled, labels, cv=5, method="predict_proba")
    find_label_issues(labels, probs, return_indices_ranked_by="self_confidence")
    theirs = time.perf_counter() - start
    print(f"labelsieve: {ours:.1f} s ({len(findings.scores)} detectors, {findings.settings['seconds']})")
    print(f"LogisticRegression(max_iter=100) x 5 folds + cleanlab: {theirs:.1f} s")
    print(f"ratio: {theirs / ours:.1f}")


if __name__ == "__main__":
    main()
