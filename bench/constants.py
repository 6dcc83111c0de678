"""The constants of consensus and count, measured on planted noise alone, without human label noise (oracle: the truth).

    python bench/constants.py FEATURES.npz ...        # each with features (n, d) and labels (n,) taken as true

Plants symmetric (0, 5, 20, 40 %), pair (20 %) and instance-dependent (10 %) noise in each file and prints, averaged
over all of these sets, AUPRC of the consensus for several exponents of the transition matrix, calibration error of
p_wrong (with the true count) for several slopes, and how often the interval of the count contains the true number.
"""

from __future__ import annotations

import sys

import numpy as np
from sklearn.metrics import average_precision_score

import labelsieve as ls
from labelsieve.core.findings import Estimate
from labelsieve.data.noise import inject
from labelsieve.decide import count as decide
from labelsieve.detectors.consensus import consensus
from labelsieve.evidence import from_features

EXPONENTS, SLOPES = (0.0, 0.125, 0.25, 0.5, 1.0), (1.0, 1.25, 1.5, 1.75, 2.0)
NOISE = (
    ("symmetric", 0.0),
    ("symmetric", 0.05),
    ("symmetric", 0.2),
    ("symmetric", 0.4),
    ("pair", 0.2),
    ("instance", 0.1),
)


def calibration_error(p: np.ndarray, wrong: np.ndarray) -> float:
    """The calibration error over 15 bins of equal mass."""
    bins = np.array_split(np.argsort(p), 15)
    return sum(len(rows) / len(p) * abs(p[rows].mean() - wrong[rows].mean()) for rows in bins)


def main() -> None:
    ranking, calibration, inside, total = np.zeros(len(EXPONENTS)), np.zeros((len(EXPONENTS), len(SLOPES))), 0, 0
    noisy = 0
    chosen = decide.SLOPE
    for path in sys.argv[1:]:
        with np.load(path) as arrays:
            data = ls.load(arrays["features"].astype(np.float32), labels=arrays["labels"])
        for kind, rate in NOISE:
            made = inject(data, kind, rate, features=data.inputs, seed=1)
            wrong, k = made.labels != data.labels, len(data.classes)
            found = from_features.gather({"probs_gce", "neighbours"}, data.inputs, made.labels, k)
            for i, trust in enumerate(EXPONENTS):
                judges = {"probs_gce": found.probs_gce, "neighbours": found.neighbours}
                scores = consensus(made.labels, k, **judges, trust=trust)
                ranking[i] += average_precision_score(wrong, scores.suspicion) if wrong.any() else 0
                for j, decide.SLOPE in enumerate(SLOPES):
                    p = decide.probability_wrong(scores, Estimate(wrong.sum(), 0, 0), decide.unjudgeable(made.labels))
                    calibration[i, j] += calibration_error(p, wrong)
            decide.SLOPE = chosen
            scores = consensus(made.labels, k, probs_gce=found.probs_gce, neighbours=found.neighbours)
            estimate, _ = decide.count_wrong(found.probs_gce, made.labels, scores)
            held = estimate.low <= wrong.sum() <= estimate.high
            inside, total, noisy = inside + held, total + 1, noisy + wrong.any()
            told = f"{estimate.count:.0f} [{estimate.low:.0f}, {estimate.high:.0f}]"
            print(
                f"{path} {kind} {rate}: {wrong.sum()} wrong, estimate {told} {'holds' if held else 'MISSES'}",
                flush=True,
            )
    print("exponent  AUPRC   calibration error at slope " + "  ".join(f"{slope:<6}" for slope in SLOPES))
    for i, exponent in enumerate(EXPONENTS):
        errors = "  ".join(f"{error / total:.4f}" for error in calibration[i])
        print(f"{exponent:<8}  {ranking[i] / noisy:.4f}                            {errors}")
    print(f"the interval contains the true number on {inside} of {total} sets")


if __name__ == "__main__":
    main()
