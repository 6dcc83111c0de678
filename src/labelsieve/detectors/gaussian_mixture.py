"""Gaussian mixture: DivideMix's split of the losses into a low and a high group; the suspicion is that of the high
group.

Paper: Li, Socher, Hoi, "DivideMix: learning with noisy labels as semi-supervised learning", ICLR 2020, section 3.1.
Good at: asymmetric noise, where a Beta mixture becomes flat.
Bad at: heavy-tailed losses (min-max normalisation lets one outlier squeeze the rest); data without noise.
Numbers: 10 steps, tolerance 1e-2, variance floor 5e-4 (authors' code); flags above 0.5, their p_threshold.
Differs: one record instead of two networks that divide the data for each other; the mean over the last epochs (all,
    unless `last` sets a number; the authors use 5 at 90 % noise). Ties are ranked by the loss. If there is nothing to
    separate, no example is flagged and the loss ranks.
Cost: one pass over the record and a histogram.
"""

from __future__ import annotations

from labelsieve.core.record import Record
from labelsieve.core.scores import Scores
from labelsieve.stats.mixture import fit_gaussian
from labelsieve.stats.small_loss import average_seen, break_ties, fill_unseen


def gaussian_mixture(record: Record, *, last: int | None = None, threshold: float = 0.5) -> Scores:
    """Score examples by the posterior of the larger-mean component of a two-component Gaussian mixture.

    Args:
        record: training dynamics (E, n).
        last: how many of the last epochs to average; None means all.
        threshold: posterior above which an example is flagged.
    """
    mean = average_seen(record.loss if last is None else record.loss[-last:])
    loss = fill_unseen(mean)
    w = fit_gaussian(mean).posterior(loss)
    return Scores(break_ties(w, loss), flags=w > threshold)
