"""Training methods that are robust to noisy labels.

A method is a function (samples, network, session, *, ...) -> `Trained`. The parameters after `*` are hyper-parameters
with the paper's values for images; `FEATURES` in the same file has the values for heads on features. The table holds
text, so that reading it imports nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import signature
from typing import Any

from labelsieve.core.arguments import require_text
from labelsieve.core.errors import UserError, meant

METHODS = {
    "standard": "labelsieve.methods.standard:standard",
    "mixup": "labelsieve.methods.mixup:mixup",
    "gce": "labelsieve.methods.gce:gce",
    "m-dyr-h": "labelsieve.methods.m_dyr:m_dyr_h",
    "m-dyr-s": "labelsieve.methods.m_dyr:m_dyr_s",
    "md-dyr-sh": "labelsieve.methods.m_dyr:md_dyr_sh",
    "blurry": "labelsieve.methods.blurry:blurry",
    "piecewise-zero": "labelsieve.methods.piecewise_zero:piecewise_zero",
    "o2u": "labelsieve.methods.o2u:o2u",
    "co-teaching": "labelsieve.methods.co_teaching:co_teaching",
    "dividemix": "labelsieve.methods.dividemix:dividemix",
    "elr": "labelsieve.methods.elr:elr",
    "promix": "labelsieve.methods.promix:promix",
}
# Methods that treat every example independently, so that heads on features can train together (engine/many_heads.py).
TOGETHER = ("standard", "gce", "blurry", "piecewise-zero", "elr")


def method(name: str) -> Callable[..., Any]:
    """Return the method called `name`, a function that returns `Trained`.

    Raises:
        UserError: there is no method of that name.
    """
    if require_text(name, "method") not in METHODS:
        raise UserError(f"There is no method {name!r}.{meant(name, METHODS)} Choose from {', '.join(METHODS)}.")
    module, function = METHODS[name].split(":")
    return getattr(import_module(module), function)


def for_features(name: str) -> dict[str, Any]:
    """The settings of a method for heads on features."""
    return dict(import_module(method(name).__module__).FEATURES)


def all_for_features(name: str) -> dict[str, Any]:
    """Every setting of a method, with the values for heads on features."""
    parameters = signature(method(name)).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY} | for_features(name)


def head_recipe(name: str) -> Callable[..., Any]:
    """The function of (samples, seeds, settings) that makes the `Recipe` of a method in `TOGETHER`."""
    return import_module(method(name).__module__).recipe
