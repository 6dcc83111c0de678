"""The default of each constant of the losses that back off from improbable labels: one place, with the reason.

gamma of the Blurry loss, c of the Piecewise-zero loss (Pellegrino, Szczecina, Fieguth, arXiv 2511.16512, 2025), q of
the generalised cross-entropy (Zhang and Sabuncu 2018), and for how long plain cross-entropy is used first. Which values
the authors of the first two finally use is not known; their grids are gamma 0.1 to 0.6, c 0.005 to 0.2, a delay of 0 to
8 epochs of 10, and their plots show gamma 0.5 and c 0.05. There is one rule for each of two purposes:

- Linear heads that judge examples which they were not trained on (the panel of `find`), and a loss that is called by
  itself: the values of the plots. Such a head memorises little, and its predictions for its own training labels are not
  used.
- Networks and heads that learn to classify, from scratch (`train`, `find` with `from_network` and `loss`): weaker
  values, because accuracy suffers. With gamma 0.5 small networks lost 3 to 6 points on clean labels, up to 24 with
  wrong ones, with 0.2 at most 3. At the start p_y is about 1 / K: there gamma > 1 / ln K pushes away from every label,
  and c > 1 / K gives no gradient.
"""

from __future__ import annotations

from math import log

GAMMA = 0.5  # of the authors' plots
C = 0.05  # of the authors' plots
Q = 0.7  # Zhang and Sabuncu's
DELAY_OF_HEADS = 1 / 3  # of the epochs: a head on features needs few epochs to start; within the authors' 0 to 8 of 10
DELAY = 0.4  # of the epochs, for models trained with Blurry or Piecewise-zero: 4 of 10, the middle of the authors' grid
DELAY_OF_GCE = 0.2  # of the epochs, for models trained with GCE; 0 in the paper, which cost accuracy (methods/gce.py)


def gamma_to_classify(n_classes: int) -> float:
    """0.2, or 1 / (2 ln K) with more than twelve classes. Blurry then pushes away from a label only where p_y < 1 /
    K^2."""
    return min(0.2, 0.5 / log(n_classes))


def c_to_classify(n_classes: int, *, features: bool = False) -> float:
    """1 / K, the probability of guessing, at most 0.1; twice as much on features. Heads memorise little, and with 0.4
    of the labels wrong they gained up to 5 points."""
    return min(0.1, 1 / n_classes) * (2 if features else 1)


def delay_to_classify(epochs: int) -> int:
    """Epochs of cross-entropy before Blurry or Piecewise-zero acts; at least one, or nothing would be learnt."""
    return max(1, round(DELAY * epochs))
