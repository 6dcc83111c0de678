"""The effect of simulated reviews on p_wrong and on the count, measured with true labels (oracle).

    python bench/calibrate.py SHARED [--sets cifar10n-aggre,noisy-ag,digits-pair] [--runs FOLDER] [--reviews 200]
    [--repeats 200]

SHARED as in human_noise.py; the digits of scikit-learn get planted noise. `find` runs once per set (FOLDER/SET.sieve is
used if it exists). Each repeat draws a new stratified sample, answers it (with 0 or 5 % of the answers reversed), and
calibrates; with 5 % once without and once with the stated rate. Prints one row per set and kind of reviewer.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

import labelsieve as ls
from human_noise import SETS as HUMAN
from labelsieve.core.dataset import Dataset
from labelsieve.core.decision import Decision, Fold
from labelsieve.core.findings import Findings
from labelsieve.data import noise
from labelsieve.decide.calibrate import calibrate
from labelsieve.decide.random_sample import draw
from labelsieve.store import run

REVIEWERS = (("perfect", 0.0, None), ("5 % wrong", 0.05, None), ("5 % wrong, stated", 0.05, 0.05))


def digits(kind: noise.Kind, rate: float) -> tuple[Dataset, np.ndarray]:
    from sklearn.datasets import load_digits

    data = load_digits()
    given = noise.inject(data.target, kind, rate, n_classes=10, features=data.data, seed=1).labels
    ids = np.array([str(i) for i in range(len(given))], object)
    return Dataset(ids, given.astype(np.int64), tuple("0123456789"), data.data, "features", "digits"), data.target


SETS = HUMAN | {
    "digits-symmetric": lambda _: digits("symmetric", 0.1),
    "digits-pair": lambda _: digits("pair", 0.2),
    "digits-instance": lambda _: digits("instance", 0.1),
}


def load_set(name: str, shared: Path, runs: Path) -> tuple[Findings, np.ndarray]:
    """The findings on a set and which of its labels are wrong."""
    data, true = SETS[name](shared)
    folder = runs / f"{name}.sieve"
    findings = run.load(folder) if (folder / run.MANIFEST).exists() else ls.find(data, out=folder)
    position = {id: i for i, id in enumerate(data.ids)}
    return findings, findings.given != true[[position[id] for id in findings.ids]]


def review(
    findings: Findings, wrong: np.ndarray, rows: np.ndarray, error: float, rng: np.random.Generator, pick: str
) -> list[Decision]:
    """The decisions of a reviewer with the error rate `error`."""
    judged_wrong = wrong[rows] ^ (rng.random(len(rows)) < error)
    other = [findings.classes[c] for c in findings.other[rows]]
    return [
        Decision(
            str(findings.ids[i]),
            "relabel" if w else "keep",
            label if w else None,
            "simulated",
            f"{t:06d}",
            f"{pick}{t}",
            pick,
        )
        for t, (i, w, label) in enumerate(zip(rows, judged_wrong, other, strict=True))
    ]


def calibration_error(p: np.ndarray, wrong: np.ndarray) -> float:
    bins = np.array_split(np.argsort(p, kind="stable"), 15)
    return float(sum(len(b) * abs(p[b].mean() - wrong[b].mean()) for b in bins) / len(p))


def f1(flagged: np.ndarray, wrong: np.ndarray) -> float:
    return float(2 * (flagged & wrong).sum() / max(1, flagged.sum() + wrong.sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--reviews", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=200)
    arguments = parser.parse_args()
    for name in arguments.sets.split(","):
        findings, wrong = load_set(name, arguments.shared, arguments.runs)
        before = {"calibration_error": calibration_error(findings.p_wrong, wrong), "f1": f1(findings.flagged, wrong)}
        print(
            json.dumps({"set": name, "wrong": int(wrong.sum()), "before": {k: round(v, 4) for k, v in before.items()}}),
            flush=True,
        )
        for reviewer, error, stated in REVIEWERS:
            print(
                json.dumps(
                    {"reviewer": reviewer}
                    | repeat(findings, wrong, arguments.reviews, arguments.repeats, error, stated)
                ),
                flush=True,
            )


def repeat(
    findings: Findings, wrong: np.ndarray, reviews: int, repeats: int, error: float, stated: float | None
) -> dict[str, float]:
    place = {str(id): i for i, id in enumerate(findings.ids)}
    rows, total = [], int(wrong.sum())
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        chosen = np.array([place[id] for id in draw(findings, reviews, seed=seed).ids])
        now = calibrate(findings, Fold(review(findings, wrong, chosen, error, rng, "sample")), reviewer_error=stated)
        inside = now.wrong.low <= total <= now.wrong.high
        f, width = f1(now.p_wrong > 0.5, wrong), now.wrong.high - now.wrong.low
        rows.append((calibration_error(now.p_wrong, wrong), f, inside, now.wrong.count, width))
    mean = np.mean(np.array(rows, float), axis=0)
    names = ("calibration_error", "f1", "inside", "count", "width")
    return {key: round(float(value), 4) for key, value in zip(names, mean, strict=True)} | {
        "worst_calibration_error": round(max(row[0] for row in rows), 4)
    }


if __name__ == "__main__":
    main()
