"""GCE: self-confidence under the generalised cross-entropy loss, which puts less weight on improbable labels.

Paper: Zhang, Sabuncu, "Generalized cross entropy loss for training deep neural networks with noisy labels", NeurIPS
    2018, section 3.
Good at: ranking at high noise, where cross-entropy starts to fit the errors.
Bad at: many classes (its gradient is p_y^q times that of cross-entropy, so it under-fits); it has no flag rule.
Numbers: q = 0.7 is set where the heads are trained (`core.loss_defaults`).
Differs: the paper trains a classifier and does no detection. Using 1 - p_y of held-out examples, by default from linear
    heads on frozen features, is our idea. `find(from_network=NAME, loss="gce")` reads networks that were trained with
    the loss.
Cost: one pass over the probabilities.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.scores import Scores
from labelsieve.stats.confident_joint import best_other, given_probability


def gce(probs_gce: np.ndarray, labels: np.ndarray) -> Scores:
    """Score examples by 1 - p_y of heads trained with the generalised cross-entropy.

    Args:
        probs_gce: (n, K) out-of-sample probabilities.
        labels: (n,) given labels.
    """
    return Scores(1 - given_probability(probs_gce, labels).astype(np.float64), best_other(probs_gce, labels)[0])
