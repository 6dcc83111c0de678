"""Shares as people write them: `20%`, `20 %` or `0.2`. One parser for options, contracts and Python arguments, and one
way to print them."""

from __future__ import annotations

import math
from typing import Any

from labelsieve.core.errors import UserError


def share(value: Any, name: str = "") -> float:
    """A share from 0 to 1, read from a text ("20%", "20 %", "0.2") or a number (0.2).

    Args:
        value: the share; more than 1 needs a percent sign, so that 20 is never guessed to be 20 %.
        name: the name of the value; it begins the error message.

    Raises:
        UserError: it is not a share.
    """
    head = f"{name} is {value!r}; " if name else f"{value} was given; "
    text = str(value).strip()  # also for numbers, including those of NumPy and torch
    percent = text.endswith("%")
    try:
        number = float(text.removesuffix("%") if isinstance(value, str) else value)
    except (ValueError, TypeError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise UserError(f"{head}write it as 20% or 0.2.")
    result = number / 100 if percent else number
    if 0 <= result <= 1:
        return result
    if 1 < number <= 100 and not percent:
        raise UserError(f"{head}write {number:g}% if you mean percent, or a share from 0 to 1.")
    raise UserError(f"{head}a share lies between 0 and 1, or 0% and 100%.")


def percent(share: float, form: str = ".1f") -> str:
    """A share as a percentage, 0.125 as "12.5 %"; `form` is the format of the number."""
    return f"{100 * share:{form}} %"
