"""The settings of a method: its own, for features those of its file, then what the user named, within bounds."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from labelsieve import methods
from labelsieve.core.arguments import python_scalar
from labelsieve.core.errors import UserError, meant
from labelsieve.core.shares import share

_SENSIBLE: dict[str, tuple[Callable[[float], bool], tuple[str, str]]] = {  # settings that every method means alike
    "epochs": (lambda x: x >= 1, ("The number of epochs", "there should be one at least")),
    "batch": (lambda x: x >= 2, ("The batch", "it should be 2 at least")),
    "lr": (lambda x: 0 < x < 1e6, ("The learning rate", "it should be above 0 and below a million")),
    "noise": (
        lambda x: 0 <= x < 1,
        ("The share of wrong labels", "it should be 0 or more and less than 1, such as 0.2 or 20%"),
    ),
    "momentum": (lambda x: x < 1, ("The momentum", "it should be less than 1")),
    "temp": (lambda x: x > 0, ("The temperature temp", "it should be above 0")),
    "cycle": (lambda x: x >= 1, ("The cycle", "it should be one epoch at least")),
    **{
        name: (lambda x: x <= 1, (f"The setting {name!r}", "it should be between 0 and 1"))
        for name in ("beta", "c", "decay", "fill", "q", "rho", "start", "tau", "threshold")
    },
}


def settings(
    function: Callable[..., Any], method: str, kind: str, n: int, named: dict[str, Any], noise: float | None
) -> dict[str, Any]:
    """All settings of `function`, the method of that name, for n examples of a kind ("image", "features").

    Raises:
        UserError: there is no such setting, or a value is out of bounds.
    """
    parameters = inspect.signature(function).parameters.items()
    own = {name: p.default for name, p in parameters if p.kind is p.KEYWORD_ONLY}
    kinds = {name: str(p.annotation).removesuffix(" | None") for name, p in parameters}
    if isinstance(named.get("noise"), str):
        named = {**named, "noise": share(named["noise"], "The share of wrong labels")}
    named = {name: python_scalar(value) for name, value in named.items()}
    for name, value in named.items():
        if name not in own:
            raise UserError(
                f"The method {method!r} has no setting {name!r}.{meant(name, own)} It has {', '.join(own)}."
            )
        if not (value is None and own[name] is None) and not _fits(value, kinds[name]):
            right = {"bool": "true or false", "int": "a whole number, not negative"}.get(
                kinds[name], "a number, not negative"
            )
            raise UserError(f"The setting {name!r} of {method!r} should be {right}; {value!r} was given.")
    if named.get("batch", 0) > n:
        raise UserError(
            f"The batch of {named['batch']} is larger than the data ({n} examples); give <batch> or less.",
            batch=n,
        )
    if noise is not None and "noise" in own:
        named = {"noise": noise, **named}
    for name, (fine, says) in _SENSIBLE.items():
        value = {"noise": noise, **named}.get(name)
        if value is not None and not (isinstance(value, int | float) and fine(value)):
            raise UserError(f"{says[0]} is {value!r}; {says[1]}.")
    return {**own, **(methods.for_features(method) if kind == "features" else {}), **named}


def _fits(value: Any, kind: str) -> bool:
    """Whether a setting is of its kind, "bool", "int" or "float"; no setting of any method is negative."""
    if kind == "bool" or isinstance(value, bool):
        return isinstance(value, bool) and kind == "bool"
    return isinstance(value, int if kind == "int" else int | float) and 0 <= value < float("inf")
