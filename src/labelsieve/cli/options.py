"""What options of several commands may be: whole numbers in a range, and folders that have a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

SEEDS = (0, 2**32 - 1)  # what every generator here takes
SIDES = (32, 1024)  # pixels; below, encoders see nothing, above, a batch fills the memory


def within(bounds: tuple[int, int]) -> Callable[[Any, int | None], None]:
    """A check that a number lies in `bounds`, both included."""

    def check(_: Any, value: int | None) -> None:
        if value is not None and not bounds[0] <= value <= bounds[1]:
            raise ValueError(f"It may be {bounds[0]} to {bounds[1]}.")

    return check


def folder(_: Any, tokens: Sequence[Any]) -> Path:
    """The folder that was named; an empty name, as an unset shell variable leaves it, is no folder."""
    if not tokens[0].value.strip():
        raise ValueError("The name is empty; name a folder.")
    return Path(tokens[0].value)
