"""Placement: does a box lie on its object as the other boxes lie on theirs?

Paper: ours; the question is that of ObjectLab's badly located boxes (Tkachenko, Thyagarajan, Mueller, "ObjectLab:
    automated diagnosis of mislabeled images in object detection data", ICML 2023 workshop), which asks a detector.
Good at: boxes beside their objects, or far too large or too small, among boxes that mostly fit; no detector is needed.
Bad at: errors of a few pixels; objects that are cut off by others; boxes drawn loosely throughout.
Numbers: none; those of the crops at wrong places stand where the evidence is made (`evidence.box_views`).
Differs: ObjectLab compares a box with the boxes that a detector predicts. Here crops at wrong places are cut on
    purpose, and a linear discriminant tells them from the boxes. It says nothing about classes, has no rule for flags,
    and does not take part in p_wrong.
Cost: one pass over (n, 4) numbers.
"""

from __future__ import annotations

import numpy as np

from labelsieve.core.scores import Scores


def placement(views: np.ndarray) -> Scores:
    """Log-odds that a box is badly placed; examples that are no boxes have the lowest score.

    Args:
        views: (n, 4) probabilities that a box lies well, beside its object, inside it, around it; NaN for no box.
    """
    p = np.asarray(views, np.float64)
    known = np.asarray(np.isfinite(p).all(1))
    well = np.clip(np.where(known, p[:, 0], 1.0), 1e-9, 1 - 1e-9)
    kinds = np.where(known[:, None], p[:, 1:], np.nan)
    extra = {name: kinds[:, i].astype(np.float32) for i, name in enumerate(("beside", "too_small", "too_large"))}
    return Scores(np.log1p(-well) - np.log(well), extra=extra)
