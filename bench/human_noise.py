"""Human label noise, from raw inputs to findings, measured with true labels (oracle: for evaluation only).

    python bench/human_noise.py SHARED [--sets cifar10n-aggre,cifar10n-worst,noisy-ag] [--runs FOLDER]

SHARED is a folder with cifar10/, cifar10.py, cifar10n.npz and noisy_ag/. Prints one row per set: the estimate and its
interval against the true count, F1 of the flags, calibration error of p_wrong, AUPRC of every detector, and seconds per
stage. Protocol: whole training set, default encoder and settings, all detectors; nothing is chosen with the true
labels.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

import labelsieve as ls
from labelsieve.core.dataset import Dataset


def cifar10n(shared: Path, kind: str) -> tuple[Dataset, np.ndarray]:
    sys.path.insert(0, str(shared))
    import cifar10  # the reader next to the data

    given, true = cifar10.human(kind).astype(np.int64), cifar10.labels("train").astype(np.int64)
    ids = np.array([str(i) for i in range(len(given))], object)
    return Dataset(ids, given, tuple(cifar10.class_names()), cifar10.images("train"), "image", "cifar10n"), true


def noisy_ag(shared: Path) -> tuple[Dataset, np.ndarray]:
    import pyarrow.parquet as pq

    table = pq.read_table(shared / "noisy_ag" / "noisy10k.parquet")
    given, true = table["noisy"].to_numpy().astype(np.int64), table["clean"].to_numpy().astype(np.int64)
    ids = np.array([str(i) for i in range(len(given))], object)
    return Dataset(ids, given, tuple("0123"), table["text"].to_pylist(), "text", "noisy-ag"), true


SETS = {
    "cifar10n-aggre": lambda shared: cifar10n(shared, "aggre"),
    "cifar10n-worst": lambda shared: cifar10n(shared, "worst"),
    "noisy-ag": noisy_ag,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--side", type=int, default=None)
    arguments = parser.parse_args()
    for name in arguments.sets.split(","):
        data, true = SETS[name](arguments.shared)
        run = arguments.runs / name.split("-")[0]  # both CIFAR-10N label sets share one folder of features
        findings = ls.find(data, out=run, side=arguments.side)
        wrong = data.labels != true
        hits = (findings.flagged & wrong).sum()
        bins = np.array_split(np.argsort(findings.p_wrong), 15)
        row = {
            "set": name,
            "examples": len(data),
            "wrong": int(wrong.sum()),
            "estimate": [round(findings.wrong.low), round(findings.wrong.count), round(findings.wrong.high)],
            "f1": round(2 * hits / (findings.flagged.sum() + wrong.sum()), 4),
            "calibration_error": round(
                float(sum(len(b) * abs(findings.p_wrong[b].mean() - wrong[b].mean()) for b in bins) / len(data)), 4
            ),
            "auprc": {d: round(auprc(score, wrong), 4) for d, score in findings.scores.items()},
            "seconds": findings.settings["seconds"],
        }
        print(json.dumps(row), flush=True)


def auprc(score: np.ndarray, wrong: np.ndarray) -> float:
    hit = wrong[np.argsort(-score, kind="stable")]
    return float((np.cumsum(hit) / np.arange(1, len(hit) + 1))[hit].mean())


if __name__ == "__main__":
    main()
