"""Splits of a data set (train, valid, test): their usual names, and the choice of some of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError, meant

_SPLIT = re.compile(
    r"((images?|imgs?|data|set|obj|bounding_box)[ _-])?"
    r"(train|training|test|testing|val|valid|validation|dev|eval|evaluation|holdout)"
    r"([ _-]?(set|split|data|images?|imgs?|\d+))?",
    re.IGNORECASE,
)


def is_split(name: str) -> bool:
    """Whether a name is usual for a split: train, Test, val2017, validation_set, images_train, obj_train_data, ..."""
    return _SPLIT.fullmatch(name) is not None


def splits_among(folders: Sequence[str]) -> list[str]:
    """The folders with images that are splits, not classes: all of them have such names, or two among other classes do.
    A single one among other classes may be a class: a train among cars and ships, a control and a test."""
    named = [name for name in folders if is_split(name)]
    return named if len(named) == len(folders) or (len(named) > 1 and len(folders) - len(named) > 1) else []


def splits_of(ids: Sequence[str]) -> list[str | None] | None:
    """The split of each path whose first folder has the name of one; None if other folders are first in some."""
    first = [key.partition("/")[0] if "/" in key else None for key in ids]
    return first if all(name is None or is_split(name) for name in set(first)) else None


def named_splits(value: Any) -> tuple[str, ...]:
    """The splits that a user named: "train,test" or a sequence of names; () for None.

    Raises:
        UserError: it is neither, or a name is empty.
    """
    names = value.split(",") if isinstance(value, str) else value
    if names is None:
        return ()
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise UserError(f"<split> is {value!r}; give the name of a split, or several separated by commas.", split="")
    named = tuple(dict.fromkeys(name.strip() for name in names))
    if not named or "" in named:
        raise UserError("<split> holds an empty name; name a split, or leave it out to read all.", split="")
    return named


def require_splits(named: Sequence[str], known: Sequence[str], source: str) -> None:
    """Raise a UserError unless the splits that a user named are among the `known` ones."""
    if named and not known and source.startswith("hf:"):
        name = source.rpartition(":")[0] if source.count(":") > 1 else source
        raise UserError(
            f"Of a Hugging Face data set the name says the split: {name}:{named[0]}; leave <split> out.", split=""
        )
    if named and not known:
        raise UserError(f"{source} has no splits, so <split> cannot be used; leave it out.", split=",".join(named))
    for name in named:
        if name not in known:
            raise UserError(f"{source} has no split {name!r}.{meant(name, known)} Its splits are {', '.join(known)}.")


def in_splits(n: int, splits: np.ndarray | None, named: Sequence[str], source: str) -> tuple[np.ndarray, list[str]]:
    """Which of n examples are in the `named` splits, (n,) bool, all of them if none is named; and the other splits.

    Raises:
        UserError: there are no splits, or none of a name.
    """
    known = [] if splits is None else [name for name in dict.fromkeys(splits.tolist()) if name]
    require_splits(named, known, source)
    if not named:
        return np.ones(n, bool), []
    return np.isin(np.array(splits, object).astype(str), named), [name for name in known if name not in named]


def together(splits: np.ndarray | None, others: Sequence[str]) -> tuple[str, ...]:
    """A note about the splits that were read, if there are several, and those that were not."""
    if splits is None:
        return ()
    count = Counter(splits.tolist())
    listed = ", ".join(f"{name or 'in no split'} ({many:,})" for name, many in count.items())
    if others:
        return (f"Read: {listed}. Not read, as asked: {', '.join(others)}.",)
    if len(count) < 2:
        return ()
    one = next(name for name in count if name)
    return (f"Read together: {listed}. To read only some, name them in the option or argument split, such as {one}.",)
