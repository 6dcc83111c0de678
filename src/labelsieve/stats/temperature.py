"""The temperature of a judge: the one number on its logits under which the given labels are likeliest.

Guo et al., "On calibration of modern neural networks", ICML 2017, with room for wrong labels: the likelihood of a given
label is .9 p_y + .1/K, so that one wrong label costs little.
Cost: one pass over the logits for each temperature that is tried.
"""

from __future__ import annotations

import numpy as np

SLIP = 0.1  # share of given labels that may be anything


def best_temperature(logits: np.ndarray, y: np.ndarray, tried: np.ndarray) -> tuple[float, np.ndarray]:
    """The best of the temperatures `tried` (t,) for logits (b, K) and given labels (b,), and the log-likelihood (b,) of
    each label under it."""
    n, k = logits.shape
    below = logits - logits.max(1, keepdims=True)
    own = below[np.arange(n), y]
    of = [np.log((1 - SLIP) * np.exp(t * own) / np.exp(t * below).sum(1) + SLIP / k) for t in tried]
    best = int(np.argmax([each.mean() for each in of]))
    return float(tried[best]), of[best]
