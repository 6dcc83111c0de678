"""Confident learning: a label is doubted if another class is predicted with more confidence than its members usually
get.

Paper: Northcutt, Jiang, Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 2021, sections
    3.1-3.2.
Good at: class-dependent confusions, any classifier's probabilities, no tuning.
Bad at: probabilities that are not out-of-sample (memorised errors look clean); weak classifiers (counts too many
errors).
Numbers: rule = "prune_by_noise_rate", cleanlab's default; the other rules by cleanlab's names.
Differs: flags are those of cleanlab 2.9 to the last tie, but streamed. Suspicion is 1 - p_y (self-confidence),
    cleanlab's default ranking, which needs only the given label: an example spread over several wrong classes ranks as
    high as one with a clear rival; the normalised margin would rank it lower.
Cost: three passes over the probabilities in row blocks (two for the flags); K x K counts.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.scores import Scores
from labelsieve.stats.confident_joint import best_other, confident_joint, flagged_by, flags, given_probability

__all__ = ["confident_joint", "confident_learning", "flags"]


def confident_learning(probs: np.ndarray, labels: np.ndarray, *, rule: str = "prune_by_noise_rate") -> Scores:
    """Score examples by 1 - self-confidence and flag them by a confident-learning rule.

    Args:
        probs: (n, K) out-of-sample probabilities, maybe memory-mapped.
        labels: (n,) given labels.
        rule: one of `labelsieve.stats.confident_joint.RULES`.
    """
    p_y = given_probability(probs, labels).astype(np.float64)
    return Scores(1 - p_y, best_other(probs, labels)[0], flagged_by(probs, labels, rule))
