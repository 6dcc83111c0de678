"""Beta mixture: losses of right and wrong labels form two groups; the suspicion is the probability of the upper group.

Paper: Arazo, Ortego, Albert, O'Connor, McGuinness, "Unsupervised label noise modeling and loss correction", ICML 2019,
    section 3.1.
Good at: moderate to high symmetric noise, while the network has not yet memorised.
Bad at: losses that do not separate (too early, too low a learning rate, memorised); asymmetric noise, where it becomes
    flat; data without noise, where it finds a second group all the same.
Numbers: 10 EM steps, 5th to 95th percentile (authors' code); flags above 0.5.
Differs: the paper fits one epoch's losses; the mean over the last epochs (all, unless `last` sets a number) is less
    noisy. Ties, of which the repaired tail has many, are ranked by the loss. If there is nothing to separate, no
    example is flagged and the loss ranks.
Cost: one pass over the record and a histogram.
"""

from __future__ import annotations

from labelsieve.core.record import Record
from labelsieve.core.scores import Scores
from labelsieve.stats.mixture import fit_beta
from labelsieve.stats.small_loss import average_seen, break_ties, fill_unseen


def beta_mixture(record: Record, *, last: int | None = None, threshold: float = 0.5) -> Scores:
    """Score examples by the posterior of the high-loss component of a two-component Beta mixture.

    Args:
        record: training dynamics (E, n).
        last: how many of the last epochs to average; None means all.
        threshold: posterior above which an example is flagged.
    """
    mean = average_seen(record.loss if last is None else record.loss[-last:])
    loss = fill_unseen(mean)
    w = fit_beta(mean).posterior(loss)
    return Scores(break_ties(w, loss), flags=w > threshold)
