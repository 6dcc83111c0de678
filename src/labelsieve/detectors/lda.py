"""LDA: self-confidence of linear discriminant analysis in closed form, then confident learning on its probabilities.

Paper: Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 1936; shrinkage of the
    covariance: Friedman, "Regularized discriminant analysis", JASA 1989; flags: Northcutt, Jiang, Chuang, JAIR 2021.
Good at: many dimensions with few examples per class, and noise of any kind: a wrong label only shifts a class mean and
    widens the covariance, and nothing is memorised.
Bad at: classes of several separate groups, or with very different covariances; a class with a handful of examples.
Numbers: rule = "both" is that of the other losses; shrinkage and temperature are chosen where the evidence is made
    (`evidence.linear_discriminant`).
Differs: LDA as a judge of given labels is our use of it. The covariance is pooled over noisy classes.
Cost: two passes over the probabilities.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.scores import Scores
from labelsieve.stats.confident_joint import best_other, flags, given_probability


def lda(probs_lda: np.ndarray, labels: np.ndarray, *, rule: str = "both") -> Scores:
    """Score examples by 1 - self-confidence of LDA, and flag them by confident learning.

    Args:
        probs_lda: (n, K) out-of-sample probabilities.
        labels: (n,) given labels.
        rule: "both" is the intersection of prune-by-class and prune-by-noise-rate.
    """
    p_y = given_probability(probs_lda, labels).astype(np.float64)
    return Scores(1 - p_y, best_other(probs_lda, labels)[0], flags(probs_lda, labels, rule))
