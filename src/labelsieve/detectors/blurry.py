"""Blurry loss: cross-entropy that backs off from improbable labels, then confident learning on its predictions.

Paper: Pellegrino, Szczecina, Fieguth, "Hard samples, bad labels: robust loss functions that know when to back off",
    arXiv 2511.16512; loss -(p_y)^gamma ln p_y.
Good at: low to moderate noise, where hard but right examples must not be flagged.
Bad at: training without a delay: gamma > 1/ln K un-learns from the start.
Numbers: gamma = 0.5 and the delay are set where the heads are trained (`core.loss_defaults`); rule = "both" is the
    authors' filter.
Differs: by default `find` reads linear heads on frozen features, trained with the loss. The paper trains a whole
    network, whose features depend on the loss too. On frozen features the loss only decides which examples move the
    decision planes, and there is little memorising that it could prevent. `find(from_network=NAME, loss="blurry")` is
    the paper's protocol: a network for each of five folds, trained with the loss itself (`evidence.from_network` lists
    the differences). The authors' code shares one model over all folds, so that its probabilities are not
    out-of-sample; ours are.
Cost: two passes over the probabilities.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.scores import Scores
from labelsieve.stats.confident_joint import best_other, flags, given_probability


def blurry(probs_blurry: np.ndarray, labels: np.ndarray, *, rule: str = "both") -> Scores:
    """Score examples by 1 - self-confidence of heads trained with the Blurry loss, and flag them by confident learning.

    Args:
        probs_blurry: (n, K) out-of-sample probabilities.
        labels: (n,) given labels.
        rule: "both" is the intersection of prune-by-class and prune-by-noise-rate.
    """
    p_y = given_probability(probs_blurry, labels).astype(np.float64)
    return Scores(1 - p_y, best_other(probs_blurry, labels)[0], flags(probs_blurry, labels, rule))
