"""Detectors: evidence in, scores out. A detector never trains.

A detector is a function whose evidence parameters are named as the fields of `labelsieve.core.evidence.Evidence`;
parameters after `*` are hyper-parameters with the paper's values. This table lists all detectors as "module:function",
so that reading it imports nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from labelsieve.core.errors import UserError, meant
from labelsieve.core.scores import Scores

DETECTORS = {
    "aum": "labelsieve.detectors.aum:aum",
    "beta_mixture": "labelsieve.detectors.beta_mixture:beta_mixture",
    "blurry": "labelsieve.detectors.blurry:blurry",
    "confident_learning": "labelsieve.detectors.confident_learning:confident_learning",
    "consensus": "labelsieve.detectors.consensus:consensus",
    "gaussian_mixture": "labelsieve.detectors.gaussian_mixture:gaussian_mixture",
    "gce": "labelsieve.detectors.gce:gce",
    "knn_vote": "labelsieve.detectors.knn_vote:knn_vote",
    "lda": "labelsieve.detectors.lda:lda",
    "o2u": "labelsieve.detectors.o2u:o2u",
    "piecewise_zero": "labelsieve.detectors.piecewise_zero:piecewise_zero",
    "placement": "labelsieve.detectors.placement:placement",
    "promix": "labelsieve.detectors.promix:promix",
    "votes": "labelsieve.detectors.votes:votes",
}


def detector(name: str) -> Callable[..., Scores]:
    """Return the detector called `name`.

    Raises:
        UserError: there is no detector of that name.
    """
    if name not in DETECTORS:
        raise UserError(f"There is no detector {name!r}.{meant(name, DETECTORS)} Choose from {', '.join(DETECTORS)}.")
    module, function = DETECTORS[name].split(":")
    return getattr(import_module(module), function)
