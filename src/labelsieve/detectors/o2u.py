"""O2U-Net: a network in cycles from under- to over-fitting keeps failing on wrong labels, so their losses stay high.

Paper: Huang, Qu, Jia, Zhao, "O2U-Net: a simple noisy label detection approach for deep neural networks", ICCV 2019,
    section 3.
Good at: random label noise; needs only losses.
Bad at: imbalanced data (a global ranking removes hard and rare classes: see per_class); ambiguous but right examples.
Numbers: forget_rate, the share that is flagged, is the true noise rate in the authors' code, which we cannot know.
    Without it, a two-component Gaussian mixture on the score flags examples that more likely belong to its upper
    component.
Differs: `find` reads a linear head on frozen features that is trained through the cycles. The paper's network goes from
    under- to over-fitting and back; a linear head hardly over-fits, so only the mean of the losses over a changing
    learning rate is left of the idea. The paper's third stage, training again without the flagged examples, is missing.
    `from_network` cycles a network; the method `o2u` of `train` has all three stages. An example that is missing from
    an epoch is averaged by count; per_class = True ranks within the given label.
Cost: one pass over the record (E, n); float64 sums.
"""

from __future__ import annotations

import math

import numpy as np

from labelsieve.core.record import Record
from labelsieve.core.scores import Scores
from labelsieve.stats.mixture import fit_gaussian
from labelsieve.stats.small_loss import average_seen, fill_unseen, rank_in_class


def o2u(
    cyclic_record: Record,
    labels: np.ndarray,
    n_classes: int,
    *,
    per_class: bool = False,
    forget_rate: float | None = None,
) -> Scores:
    """Score examples by their loss, centred in each epoch and averaged over the cycles.

    Args:
        cyclic_record: training dynamics (E, n) under the cyclic learning rate.
        labels: (n,) given labels.
        n_classes: K.
        per_class: rank within the given label; the suspicion is then the position, scaled to (0, 1).
        forget_rate: share of examples to flag; None flags the upper component of a Gaussian mixture.
    """
    mean = average_seen(map(_centre, cyclic_record.loss))
    score = fill_unseen(mean)
    suspicion = score
    if per_class:
        rank, size = rank_in_class(score, labels, n_classes)
        suspicion = (rank + 0.5) / size[labels]
    if forget_rate is None:
        flagged = fit_gaussian(mean).posterior(score) > 0.5
    else:
        flagged = np.zeros(len(score), bool)
        flagged[np.argsort(-suspicion, kind="stable")[: math.floor(forget_rate * len(score))]] = True
    return Scores(suspicion, flags=flagged)


def _centre(epoch: np.ndarray) -> np.ndarray:
    """Losses (n,) of an epoch minus their mean, so that epochs of a high learning rate do not dominate. Only finite
    losses enter the mean, because an infinite one would push all others to minus infinity."""
    epoch = epoch.astype(np.float64)
    finite = np.isfinite(epoch)
    return epoch - (epoch[finite].mean() if finite.any() else 0)
