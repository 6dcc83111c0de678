"""Share of wrong labels found after reviewing 5, 10 and 20 % of the data in several orders (oracle: true labels).

The orders: ours, ours recalibrated by the reviews so far, cleanlab's, and random.

    python bench/review_economy.py SHARED [--sets cifar10n-aggre,noisy-ag,digits-pair] [--runs FOLDER] [--rounds 10]

SHARED and FOLDER as in calibrate.py. cleanlab's order is its default, self-confidence (`get_label_quality_scores`), on
the out-of-fold probabilities of a plain head over the same features: our detector `confident_learning` gives exactly
that score. "recalibrated" reviews a stratified sample of 100 first (a quarter of a small budget), then the top of a
ranking that is recalibrated --rounds times. Prints one row per set: the share of all wrong labels found.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from calibrate import SETS, load_set, review
from labelsieve.core.decision import Fold
from labelsieve.core.findings import Findings
from labelsieve.decide.calibrate import calibrate
from labelsieve.decide.random_sample import draw

SHARES = (0.05, 0.1, 0.2)


def recalibrated(findings: Findings, wrong: np.ndarray, total: int, rounds: int) -> np.ndarray:
    """The order of review if the ranking is recalibrated by the reviews so far."""
    rng = np.random.default_rng(0)
    place = {str(id): i for i, id in enumerate(findings.ids)}
    seen = [place[id] for id in draw(findings, min(100, total // 4)).ids]
    fold = Fold(review(findings, wrong, np.array(seen), 0.0, rng, "sample"))
    for stop in np.linspace(len(seen), total, rounds + 1)[1:].astype(int):
        now = calibrate(findings, fold)
        order = np.argsort(now.rank)
        rows = order[~now.reviewed_rows[order]][: stop - len(seen)]
        fold.add(review(findings, wrong, rows, 0.0, rng, f"ranked{stop}-"))
        seen += rows.tolist()
    return np.array(seen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    for name in arguments.sets.split(","):
        findings, wrong = load_set(name, arguments.shared, arguments.runs)
        row = economy(findings, wrong, arguments.rounds)
        print(json.dumps({"set": name, "wrong": int(wrong.sum())} | row), flush=True)


def economy(findings: Findings, wrong: np.ndarray, rounds: int) -> dict[str, list[float]]:
    """Name of the order -> share of all wrong labels found at each of SHARES."""
    sizes = [round(share * len(wrong)) for share in SHARES]
    cleanlab = np.argsort(-findings.scores["confident_learning"], kind="stable")
    orders = {
        "ours": findings.order(),
        "recalibrated": recalibrated(findings, wrong, sizes[-1], rounds),
        "cleanlab": cleanlab,
    }
    got = {
        name: [round(float(wrong[order[:m]].sum() / wrong.sum()), 3) for m in sizes] for name, order in orders.items()
    }
    return got | {"random": list(SHARES)}


if __name__ == "__main__":
    main()
