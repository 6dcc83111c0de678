"""Folders that are called train, test or val hold splits of a data set, and no class."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SPLIT = re.compile(
    r"(train|training|test|testing|val|valid|validation|dev|eval|evaluation|holdout)([ "
    r"_-]?(set|split|data|images?|imgs?|\d+))?",
    re.IGNORECASE,
)


def is_split(name: str) -> bool:
    """train, Test, val2017, validation_set, ...: what a part of a data set is called."""
    return _SPLIT.fullmatch(name) is not None


def splits_among(folders: Sequence[str]) -> list[str]:
    """The folders with images that are splits and no classes: all of them are called so, or two beside other classes
    are. One beside other classes may be a class: a train among cars and ships, a control and a test."""
    named = [name for name in folders if is_split(name)]
    return named if len(named) == len(folders) or (len(named) > 1 and len(folders) - len(named) > 1) else []
