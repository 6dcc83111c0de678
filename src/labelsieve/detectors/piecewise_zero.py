"""Piecewise-zero loss: cross-entropy that ignores labels below a probability, then confident learning on its
predictions.

Paper: Pellegrino, Szczecina, Fieguth, "Hard samples, bad labels: robust loss functions that know when to back off",
    arXiv 2511.16512; loss -ln p_y where p_y >= c, else 0.
Good at: label errors that a plain head would learn late in training.
Bad at: rare classes, which can fall below c as a whole and vanish; c > 1/K without a delay never starts.
Numbers: c = 0.05 and the delay are set where the heads are trained (`core.loss_defaults`); rule = "both" is the
    authors' filter.
Differs: by default `find` reads linear heads on frozen features, trained with the loss. The paper trains a whole
    network, whose features depend on the loss too. On frozen features the loss only decides which examples move the
    decision planes, and there is little memorising that it could prevent. `find(from_network=NAME,
    loss="piecewise-zero")` is the paper's protocol: a network for each of five folds, trained with the loss itself
    (`evidence.from_network` lists the differences). The authors' code shares one model over all folds, so that its
    probabilities are not out-of-sample; ours are.
Cost: two passes over the probabilities.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.scores import Scores
from labelsieve.stats.confident_joint import best_other, flags, given_probability


def piecewise_zero(probs_piecewise_zero: np.ndarray, labels: np.ndarray, *, rule: str = "both") -> Scores:
    """Score examples by 1 - self-confidence of heads trained with the Piecewise-zero loss, and flag them by confident
    learning.

    Args:
        probs_piecewise_zero: (n, K) out-of-sample probabilities.
        labels: (n,) given labels.
        rule: "both" is the intersection of prune-by-class and prune-by-noise-rate.
    """
    p_y = given_probability(probs_piecewise_zero, labels).astype(np.float64)
    return Scores(1 - p_y, best_other(probs_piecewise_zero, labels)[0], flags(probs_piecewise_zero, labels, rule))
