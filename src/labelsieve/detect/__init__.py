"""Detectors: evidence in, scores out. A detector never trains.

A detector is a function whose evidence parameters are named as the fields of `labelsieve.core.evidence.Evidence`; what stands after
`*` is a hyper-parameter with the paper's value. This table lists them all, as "module:function", so that reading it costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from labelsieve.core.errors import UserError
from labelsieve.core.scores import Scores

DETECTORS = {
    "aum": "labelsieve.detect.aum:aum",
    "beta_mixture": "labelsieve.detect.beta_mixture:beta_mixture",
    "blurry": "labelsieve.detect.blurry:blurry",
    "confident_learning": "labelsieve.detect.confident_learning:confident_learning",
    "consensus": "labelsieve.detect.consensus:consensus",
    "gaussian_mixture": "labelsieve.detect.gaussian_mixture:gaussian_mixture",
    "gce": "labelsieve.detect.gce:gce",
    "knn_vote": "labelsieve.detect.knn_vote:knn_vote",
    "o2u": "labelsieve.detect.o2u:o2u",
    "piecewise_zero": "labelsieve.detect.piecewise_zero:piecewise_zero",
    "promix": "labelsieve.detect.promix:promix",
}


def detector(name: str) -> Callable[..., Scores]:
    """The detector called `name`.

    Raises:
        UserError: there is none of that name.
    """
    if name not in DETECTORS:
        raise UserError(f"There is no detector {name!r}; choose from {', '.join(DETECTORS)}.")
    module, function = DETECTORS[name].split(":")
    return getattr(import_module(module), function)
