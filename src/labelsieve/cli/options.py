"""What options of several commands may be: whole numbers in a range, shares, and folders that have a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.core.shares import share

SEEDS = (0, 2**32 - 1)  # what every generator here takes
SIDES = (32, 1024)  # pixels; below, encoders see nothing, above, a batch fills the memory


def within(bounds: tuple[int, int]) -> Callable[[Any, Sequence[Any]], int]:
    """What reads a whole number in `bounds`, both included; 1.5 is none."""

    def whole(_: Any, tokens: Sequence[Any]) -> int:
        text = tokens[0].value.strip()
        if not text.removeprefix("-").isdecimal() or not bounds[0] <= int(text) <= bounds[1]:
            raise ValueError(f"{text} was given; it should be a whole number from {bounds[0]} to {bounds[1]}.")
        return int(text)

    return whole


def a_share(_: Any, tokens: Sequence[Any]) -> float:
    """A share, written as 20%, 20 % or 0.2."""
    return share(tokens[0].value)


def a_noise(_: Any, tokens: Sequence[Any]) -> float:
    """The share that was written; a number that is none, such as 20, is refused by the method, whose bounds are narrower."""
    try:
        return share(tokens[0].value)
    except UserError:
        with suppress(ValueError):
            return float(tokens[0].value)
        raise


def folder(_: Any, tokens: Sequence[Any]) -> Path:
    """The folder that was named; an empty name, as an unset shell variable leaves it, is no folder."""
    if not tokens[0].value.strip():
        raise ValueError("The name is empty; name a folder.")
    return Path(tokens[0].value)
