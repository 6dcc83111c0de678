"""The temperature of a judge: the one number on its logits under which the given labels are likeliest.

Guo et al., "On calibration of modern neural networks", ICML 2017, with room for wrong labels: the likelihood of a given
label is .9 p_y + .1/K, so that one wrong label costs little.
Cost: one pass over the logits for each temperature that is tried.
"""

from __future__ import annotations

import numpy as np

SLIP = 0.1  # share of given labels that may be anything
_ROWS = 1 << 14  # rows that are read at a time


def best_temperature(logits: np.ndarray, y: np.ndarray, tried: np.ndarray) -> tuple[float, np.ndarray]:
    """The best of the temperatures `tried` (t,) for logits (b, K) and given labels (b,), and the log-likelihood (b,) of
    each label under it."""
    best, likelihood = 0.0, None
    for t in tried:
        parts = (slice(start, start + _ROWS) for start in range(0, max(1, len(y)), _ROWS))
        of = np.concatenate([_likelihood(logits[rows], y[rows], t) for rows in parts])
        if likelihood is None or of.mean() > likelihood.mean():
            best, likelihood = float(t), of
    assert likelihood is not None  # at least one is tried
    return best, likelihood


def _likelihood(logits: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
    """(b,) the log-likelihood of each label under one temperature."""
    below = logits - logits.max(1, keepdims=True)
    own = below[np.arange(len(y)), y]
    return np.log((1 - SLIP) * np.exp(t * own) / np.exp(t * below).sum(1) + SLIP / logits.shape[1])
