"""AUM: other examples keep the logit of a wrong label low in training, so its margin over the other classes stays
small.

Paper: Pleiss, Zhang, Elenberg, Weinberger, "Identifying mislabeled data using the area under the margin ranking",
    NeurIPS 2020, section 3 (margin) and 3.2 (threshold samples).
Good at: a threshold that is learnt from the data, from examples that are surely wrong because they get a class that
    does not exist.
Bad at: training that continues after the learning rate has dropped (margins of memorised errors grow); very few
    examples per class.
Numbers: the first epoch is skipped; 99th percentile of the threshold samples (authors' code).
Differs: `find` reads linear heads on frozen features, where the paper trains a deep network from scratch. A linear
    head on many more examples than features can memorise few wrong labels, so their margins stay small to the end and
    training need not be stopped early; on fewer examples it memorises them all, and margins tell little. Errors that
    the encoder does not see do not show in any margin. `from_network` trains a network as the paper does, but without
    threshold samples. The record holds margins in float32, while the authors' code rounds logits to half precision.
Cost: one pass over the record(s).
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.record import Record
from labelsieve.core.scores import Scores
from labelsieve.stats.small_loss import average_seen, fill_unseen


def aum(
    record: Record, threshold_records: tuple[tuple[Record, np.ndarray], ...] | None = None, *, percentile: float = 99
) -> Scores:
    """Score examples by minus their mean margin; flag them by threshold samples, if there are any.

    Args:
        record: training dynamics (E, n).
        threshold_records: pairs of (record with K + 1 classes, mask (n,) of the examples that had the fake class).
        percentile: of the threshold samples' margins, 0 to 100; an example whose margin is not above it is flagged.
    """
    score = fill_unseen(-area_under_margin(record))
    if not threshold_records:
        return Scores(score)
    real_once, flagged = np.zeros(len(score), bool), np.ones(len(score), bool)
    for run, fake in threshold_records:
        area = area_under_margin(run)
        margins = area[fake][np.isfinite(area[fake])]  # an infinite margin would spoil the percentile
        cut = np.percentile(margins, percentile) if len(margins) else -np.inf
        # Flagged only if it is flagged in every run in which the example had its own label.
        flagged &= fake | (area <= cut)
        real_once |= ~fake
    return Scores(score, flags=flagged & real_once)


def area_under_margin(record: Record) -> np.ndarray:
    """Mean margin (n,) over the epochs after the first; NaN for an example that was never seen."""
    return average_seen(record.margin[1:] if len(record.margin) > 1 else record.margin)
