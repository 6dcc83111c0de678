"""The user's settings of detectors, checked by each detector's signature: names, types and bounds."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, get_args

from labelsieve.core.arguments import python_scalar, require_texts
from labelsieve.core.errors import UserError, meant
from labelsieve.core.shares import share
from labelsieve.detectors import detector
from labelsieve.stats.confident_joint import RULES
from labelsieve.stats.small_loss import PerClass

Named = dict[str, dict[str, Any]]
HIGHEST = 1e9  # of any setting: it fits every type that computes with it

_SHARES = ("forget_rate", "rho", "tau", "threshold")  # also as 10%
_WORDS = {"rule": RULES, "promix.per_class": get_args(PerClass)}
_BOUNDS: dict[str, tuple[float, float]] = {
    "percentile": (0, 100),
    "last": (1, math.inf),
    "knn_vote.k": (2, 21),  # the example itself and the 20 neighbours that are kept
    "consensus.k": (1, 20),
    "steps": (1, 1000),
    "floor": (1e-12, 0.1),
    "spread": (1e-6, 1),
    "trust": (0, 1),
    "apart": (0, 10),
}


EMPTY = "detectors is an empty {}; name detectors, or leave it out to run all."


def read_detectors(value: Any) -> Named | None:
    """Check the `detectors` argument of `find`: a list of names or a dict of name -> settings; None, which runs all,
    stays.

    Returns:
        name -> its checked settings; {} for names in a list.

    Raises:
        UserError: wrong type, an empty dict, an unknown detector or setting, or a value of the wrong type or out of
            bounds.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        names = require_texts(value, "detectors")
        if not names:
            raise UserError(EMPTY.format("list"))
        return {name: {} for name in names}
    if not value:
        raise UserError(EMPTY.format("dict"))
    checked: Named = {}
    for name, settings in value.items():
        if not isinstance(name, str):
            raise UserError(f"detectors contains {name!r}; use the name of a detector, as text.")
        if settings is not None and not isinstance(settings, Mapping):
            raise UserError(
                f"The settings of the detector {name!r} are {settings!r}; pass a dict, such as {{'forget_rate': 0.1}}."
            )
        checked[name] = check(name, settings or {})
    return checked


def check(name: str, named: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings `named` of the detector `name`, with shares as numbers.

    Raises:
        UserError: there is no such detector or setting, or a value has the wrong type or is out of bounds.
    """
    own = {p.name: p for p in inspect.signature(detector(name)).parameters.values() if p.kind is p.KEYWORD_ONLY}
    for setting in named:
        if setting not in own:
            known = f"It has {', '.join(own)}." if own else "It has no settings."
            raise UserError(f"The detector {name!r} has no setting {setting!r}.{meant(str(setting), own)} {known}")
    return {setting: _checked(name, own[setting], value) for setting, value in named.items()}


def _checked(name: str, parameter: inspect.Parameter, value: Any) -> Any:
    """The value of one setting."""
    what = f"The setting {parameter.name!r} of the detector {name!r}"
    kind = str(parameter.annotation).removesuffix(" | None")
    value = python_scalar(value)
    if value is None and parameter.default is None:
        return None
    words = _WORDS.get(parameter.name) or _WORDS.get(f"{name}.{parameter.name}")
    if words is not None:
        if not isinstance(value, str) or value not in words:
            raise UserError(f"{what} is {value!r}; choose one of {', '.join(words)}.")
        return value
    if kind == "bool":
        if not isinstance(value, bool):
            raise UserError(f"{what} is {value!r}; it must be true or false.")
        return value
    if parameter.name in _SHARES:
        return share(value, what)
    whole = kind == "int"
    allowed = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed) or not -math.inf < value < math.inf:
        raise UserError(f"{what} is {value!r}; it must be a {'whole ' if whole else ''}number.")
    low, high = _BOUNDS.get(f"{name}.{parameter.name}") or _BOUNDS.get(parameter.name) or (0, math.inf)
    if not low <= value <= min(high, HIGHEST):
        bounds = f"from {low:g} to {min(high, HIGHEST):g}"
        if math.isinf(high) and value < low:
            bounds = f"{low:g} or more"
        raise UserError(f"{what} is {value!r}; it must be {bounds}.")
    return value
