"""Recognises folders that hold splits of a data set, such as train, test and val, and are not classes."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SPLIT = re.compile(
    r"(train|training|test|testing|val|valid|validation|dev|eval|evaluation|holdout)([ "
    r"_-]?(set|split|data|images?|imgs?|\d+))?",
    re.IGNORECASE,
)


def is_split(name: str) -> bool:
    """Whether a name is usual for a split: train, Test, val2017, validation_set, ..."""
    return _SPLIT.fullmatch(name) is not None


def splits_among(folders: Sequence[str]) -> list[str]:
    """The folders with images that are splits, not classes: all of them have such names, or two among other classes do.
    A single one among other classes may be a class: a train among cars and ships, a control and a test."""
    named = [name for name in folders if is_split(name)]
    return named if len(named) == len(folders) or (len(named) > 1 and len(folders) - len(named) > 1) else []
