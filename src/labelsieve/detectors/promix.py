"""ProMix: its selection of clean labels as a detector. A label with neither a small loss nor a high confidence is
suspicious.

Paper: Xiao, Dong, Wang, Feng, Wu, Chen, Zhao, "ProMix: combating label noise via maximizing clean sample utility",
    IJCAI 2023, section 3.1 (class-wise small-loss selection and matched high confidence selection).
Good at: keeping the classes in proportion; a clean set of high precision.
Bad at: its flags follow rho, so they are only as good as that rate.
Numbers: tau = 0.99 (CIFAR-10; the authors use 0.95 for 100 classes); rho is fixed at 0.5 or 0.7 in the published
    commands. Here, without it, rho = the share of examples whose given label is the prediction: from noisy data only.
Differs: the paper selects again in each epoch and trains the two networks on the selection. Here the rules are applied
    to the record of a linear head on frozen features (or of a network, `from_network`) that learned from all labels
    equally, so that one selection does not improve the next. The method `promix` of `train` trains as the paper does.
    Quotas follow the class sizes, as the author advises for instance-dependent noise, because n / K takes rare classes
    whole and too little of large ones; "balanced" restores the paper's. Selections of the last epochs are averaged; the
    suspicion is the smallest rho at which the example would have been selected, which turns a yes or no into a ranking.
Cost: one sort of the losses for each epoch used.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.record import Record
from labelsieve.core.scores import Scores
from labelsieve.stats.small_loss import PerClass, class_quota, fill_unseen, matched_high_confidence, rank_in_class


def promix(
    record: Record,
    labels: np.ndarray,
    n_classes: int,
    *,
    rho: float | None = None,
    tau: float = 0.99,
    last: int = 10,
    per_class: PerClass = "proportional",
) -> Scores:
    """Score examples by the rho at which ProMix's rules would select them; flag those left out in most epochs.

    Args:
        record: training dynamics (E, n).
        labels: (n,) given labels.
        n_classes: K.
        rho: fraction to select by small loss; None estimates it.
        tau: probability of the given label above which an example is always selected.
        last: how many of the last epochs to use.
        per_class: "proportional" to class sizes, or the paper's "balanced".
    """
    epochs = range(max(0, len(record.loss) - last), len(record.loss))
    level, left_out = np.zeros(len(labels)), np.zeros(len(labels), np.int32)
    for epoch in epochs:
        loss, p_y = fill_unseen(record.loss[epoch].astype(np.float64)), _sound(record.p_y[epoch])
        seen = record.argmax[epoch] >= 0
        share = rho if rho is not None else np.mean(record.argmax[epoch] == labels, where=seen) if seen.any() else 1.0
        matched = matched_high_confidence(p_y, tau)
        rank, size = rank_in_class(loss, labels, n_classes)
        fair = size[labels] if per_class == "proportional" else len(labels) / n_classes
        level += np.where(matched, 0, (rank + 1) / fair)
        left_out += (rank >= class_quota(size, n_classes, share, per_class)[labels]) & ~matched
    # Examples that are selected at any rho (level 0) are ranked by one minus their probability.
    doubt = 1 - _sound(record.p_y[-1])
    return Scores(level / len(epochs) + 1e-6 * doubt, flags=left_out > len(epochs) / 2)


def _sound(p_y: np.ndarray) -> np.ndarray:
    """Probabilities (n,) float64; 0 where there is none."""
    return np.where(np.isfinite(p_y), p_y, 0).astype(np.float64)
