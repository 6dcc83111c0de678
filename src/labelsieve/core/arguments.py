"""Checks types of arguments of public functions, so that a wrong one gives a message that names it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError

HIGHEST_SEED = 2**32 - 1


def require_path(value: Any, what: str) -> Path:
    """The value as a path.

    Args:
        what: what the path names, as in "The run folder".

    Raises:
        UserError: it is neither text nor a path, or it is empty.
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(path := os.fspath(value), str):
        raise UserError(f"{what} is {_shown(value)}; give a path, as text or a pathlib.Path.")
    if not path.strip():
        raise UserError(f"{what} is empty; give a path.")
    return Path(path)


def require_one_order(one: Any, other: Any, called: str, also: str) -> None:
    """Refuse two pandas values whose indexes have the same names in different orders.

    Raises:
        UserError: the indexes differ in their order, so that rows would be matched to the wrong ones.
    """
    first, second = (getattr(value, "index", None) for value in (one, other))
    if (
        first is None
        or second is None
        or not (hasattr(first, "is_unique") and hasattr(second, "is_unique"))
        or first.equals(second)
    ):
        return
    if len(first) == len(second) and set(first) == set(second):
        raise UserError(
            f"The indexes of {called} and {also} hold the same names in different orders. Rows are matched by "
            f"position: give {also}.loc[{called}.index], or {also}.to_numpy() if its rows already follow the order of "
            f"{called}."
        )


def require_function(value: Any, what: str) -> None:
    if value is not None and not callable(value):
        raise UserError(f"{what} is {_shown(value)}; give a function, or None.")


def require_text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise UserError(f"{what} is {_shown(value)}; give its name, as text.")
    return value


def require_choice(value: Any, choices: Sequence[str], name: str) -> None:
    """Of the argument `name`: one of several words."""
    if not isinstance(value, str) or value not in choices:
        shown = repr(value) if isinstance(value, str) else _shown(value)
        raise UserError(f"<{name}> is {shown}; choose {', '.join(choices[:-1])} or {choices[-1]}.", **{name: ""})


def require_texts(value: Any, what: str) -> list[str]:
    """The values of a list, tuple or array of texts; a single text is refused, as it would be read letter by letter."""
    wrong = isinstance(value, str | bytes | dict) or not hasattr(value, "__iter__")
    values: list[Any] = [] if wrong else list(value)
    if wrong or not all(isinstance(one, str) for one in values):
        raise UserError(f"{what} is {_shown(value)}; give a list of names.")
    return values


def require_whole(value: Any, what: str) -> int:
    if not isinstance(value, Integral):
        raise UserError(f"{what} is {_shown(value)}; give a whole number.")
    return int(value)


def require_seed(value: Any) -> int:
    """A seed that every generator here takes."""
    seed = require_whole(value, "seed")
    if not 0 <= seed <= HIGHEST_SEED:
        raise UserError(f"The seed is {seed}; it may be 0 to {HIGHEST_SEED}.")
    return seed


def require_row_of(value: Any, what: str) -> Sequence[Any]:
    """The value itself, if it has a length and an order and is not a single text."""
    if isinstance(value, str | bytes | dict | set | frozenset) or not (
        hasattr(value, "__len__") and hasattr(value, "__getitem__")
    ):
        raise UserError(f"{what} is {_shown(value)}; give a list or an array, one value for each example.")
    return value


def require_instance(value: Any, kind: type, what: str, from_where: str) -> None:
    if not isinstance(value, kind):
        raise UserError(f"{what} is {_shown(value)}; give {from_where}.")


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    article = "an" if type(value).__name__[:1].lower() in "aeiou" else "a"
    return f"{article} {type(value).__name__}"
