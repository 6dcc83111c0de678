"""The default of each constant of the losses that back off from improbable labels: one place, with the reason.

gamma of the Blurry loss, c of the Piecewise-zero loss (Pellegrino, Szczecina, Fieguth, arXiv 2511.16512, 2025), q of the
generalised cross-entropy (Zhang and Sabuncu 2018), and for how long plain cross-entropy goes first. What the authors of the
first two settle on is not known; their grids are gamma 0.1 to 0.6, c 0.005 to 0.2, a delay of 0 to 8 epochs of 10, and their
plots show gamma 0.5 and c 0.05. Two purposes, two rules:

- Linear heads that judge examples which they never saw (the panel of `find`), and a loss that somebody calls by itself: the
  values of the plots. Such a head learns little by heart, and what it makes of its own training labels is not used.
- Networks and heads that learn to classify, from scratch (`train`, `find` with `from_network` and `loss`): weaker, because they suffer.
  With gamma 0.5 small networks lost 3 to 6 points on clean labels, up to 24 with wrong ones, with 0.2 at most 3; at the start
  p_y is about 1 / K, where gamma > 1 / ln K pushes away from every label, and c > 1 / K teaches nothing.
"""

from __future__ import annotations

from math import log

GAMMA = 0.5  # of the authors' plots
C = 0.05  # of the authors' plots
Q = 0.7  # Zhang and Sabuncu's
DELAY_OF_HEADS = 1 / 3  # of the epochs: a head on features is soon past the start; within the authors' 0 to 8 of 10
DELAY = 0.4  # of the epochs, of what learns to classify with Blurry or Piecewise-zero: 4 of 10, the middle of the authors' grid
DELAY_OF_GCE = (
    0.2  # of the epochs, of what learns to classify with GCE; in the paper 0, which cost points (methods/gce.py)
)


def gamma_to_classify(n_classes: int) -> float:
    """0.2, with more than twelve classes 1 / (2 ln K): Blurry then pushes away from a label only where p_y < 1 / K^2."""
    return min(0.2, 0.5 / log(n_classes))


def c_to_classify(n_classes: int, *, features: bool = False) -> float:
    """1 / K, what guessing gives, at most 0.1; on features twice as much: heads learn little by heart, and where 0.4 of the
    labels were wrong they gained up to 5 points by it."""
    return min(0.1, 1 / n_classes) * (2 if features else 1)


def delay_to_classify(epochs: int) -> int:
    """Epochs of cross-entropy before Blurry or Piecewise-zero acts; one at least, or nothing would be learnt."""
    return max(1, round(DELAY * epochs))
