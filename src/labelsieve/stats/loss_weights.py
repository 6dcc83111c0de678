"""The gradient of every loss here, as a weight on the gradient of cross-entropy.

All these losses depend on p_y, the softmax probability of the given label, alone. So the gradient with respect to the
logits is w(p_y) * (p - onehot(y)) with w(p_y) = -L'(p_y) * p_y. Works on NumPy arrays and torch tensors; p_y has any
shape.
"""

from __future__ import annotations

from typing import Any

from labelsieve.core.loss_defaults import GAMMA, C, Q

Array = Any  # NumPy array or torch tensor, same in and out
_TINY = 1e-8  # smallest p_y before the logarithm


def cross_entropy(p_y: Array) -> Array:
    """L = -ln p_y, w = 1."""
    return p_y * 0 + 1


def gce(p_y: Array, q: float = Q) -> Array:
    """Generalised cross-entropy, L = (1 - p_y^q) / q, w = p_y^q (Zhang and Sabuncu 2018). q = 1 is the mean absolute
    error."""
    return p_y**q


def blurry(p_y: Array, gamma: float = GAMMA) -> Array:
    """Blurry loss, L = -p_y^gamma ln p_y, w = p_y^gamma (1 + gamma ln p_y) (Pellegrino et al. 2025). The weight is
    negative for p_y below exp(-1/gamma).

    With the factor p_y^gamma held constant (detached) the weight is that of `gce` with q = gamma.
    """
    p_y = p_y.clip(_TINY)
    return p_y**gamma * (1 + gamma * _log(p_y))


def piecewise_zero(p_y: Array, c: float = C) -> Array:
    """Piecewise-zero loss, L = -ln p_y if p_y >= c, else 0 (Pellegrino et al. 2025)."""
    return (p_y >= c) * (p_y * 0 + 1)


def _log(x: Array) -> Array:
    if hasattr(x, "log"):
        return x.log()
    import numpy as np

    return np.log(x)
