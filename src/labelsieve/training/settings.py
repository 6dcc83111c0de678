"""The settings of a method: its defaults, its settings for features, then those of the user, within bounds."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from labelsieve import methods
from labelsieve.core.arguments import python_scalar
from labelsieve.core.errors import UserError, meant
from labelsieve.core.shares import share

_SENSIBLE: dict[str, tuple[Callable[[float], bool], tuple[str, str]]] = {  # settings that mean the same in every method
    "epochs": (lambda x: x >= 1, ("The number of epochs", "it should be at least 1")),
    "batch": (lambda x: x >= 2, ("The batch", "it should be at least 2")),
    "lr": (lambda x: 0 < x < 1e6, ("The learning rate", "it should be above 0 and below a million")),
    "noise": (
        lambda x: 0 <= x < 1,
        ("The share of wrong labels", "it should be 0 or more and less than 1, such as 0.2 or 20%"),
    ),
    "momentum": (lambda x: x < 1, ("The momentum", "it should be less than 1")),
    "temp": (lambda x: x > 0, ("The temperature temp", "it should be above 0")),
    "cycle": (lambda x: x >= 1, ("The cycle", "it should be at least one epoch")),
    **{
        name: (lambda x: x <= 1, (f"The setting {name!r}", "it should be between 0 and 1"))
        for name in ("beta", "c", "decay", "fill", "q", "rho", "start", "tau", "threshold")
    },
}


def settings(
    function: Callable[..., Any], method: str, kind: str, n: int, user: dict[str, Any], noise: float | None
) -> dict[str, Any]:
    """Return all settings of `function`, the method of that name, for n examples of a kind ("image", "features").

    Raises:
        UserError: a setting does not exist, or a value is out of bounds.
    """
    parameters = inspect.signature(function).parameters.items()
    own = {name: p.default for name, p in parameters if p.kind is p.KEYWORD_ONLY}
    types = {name: str(p.annotation).removesuffix(" | None") for name, p in parameters}
    if isinstance(user.get("noise"), str):
        user = {**user, "noise": share(user["noise"], "The share of wrong labels")}
    user = {name: python_scalar(value) for name, value in user.items()}
    for name, value in user.items():
        if name not in own:
            raise UserError(
                f"The method {method!r} has no setting {name!r}.{meant(name, own)} It has {', '.join(own)}."
            )
        if not (value is None and own[name] is None) and not _fits(value, types[name]):
            right = {"bool": "true or false", "int": "a whole number of 0 or more"}.get(
                types[name], "a number of 0 or more"
            )
            raise UserError(f"The setting {name!r} of {method!r} should be {right}, not {value!r}.")
    if user.get("batch", 0) > n:
        raise UserError(
            f"The batch of {user['batch']} is larger than the data ({n} examples); give <batch> or less.",
            batch=n,
        )
    if noise is not None and "noise" in own:
        user = {"noise": noise, **user}
    for name, (valid, sentence) in _SENSIBLE.items():
        value = {"noise": noise, **user}.get(name)
        if value is not None and not (isinstance(value, int | float) and valid(value)):
            raise UserError(f"{sentence[0]} is {value!r}; {sentence[1]}.")
    return {**own, **(methods.for_features(method) if kind == "features" else {}), **user}


def _fits(value: Any, kind: str) -> bool:
    """Whether a setting has its type, "bool", "int" or "float"; no setting of any method is negative."""
    if kind == "bool" or isinstance(value, bool):
        return isinstance(value, bool) and kind == "bool"
    return isinstance(value, int if kind == "int" else int | float) and 0 <= value < float("inf")
