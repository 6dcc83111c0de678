"""Checks types of arguments of public functions, so that a wrong one gives a message that names it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError, meant

HIGHEST_SEED = 2**32 - 1
LONGEST_NAME = 255  # bytes in the name of a file, for most file systems


def require_path(value: Any, what: str) -> Path:
    """The value as a path.

    Args:
        what: what the path names, as in "The run folder".

    Raises:
        UserError: it is neither text nor a path, or it is empty.
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(path := os.fspath(value), str):
        raise UserError(f"{what} is {shown(value)}; give a path, as text or a pathlib.Path.")
    if not path.strip():
        raise UserError(f"{what} is empty; give a path.")
    if "\0" in path or any(len(os.fsencode(part)) > LONGEST_NAME for part in Path(path).parts):
        raise UserError(f"{what} is no path: a name in it is too long, or holds a zero byte.")
    return Path(path)


@contextmanager
def written_to(path: Path, advice: str = "name another place with <out>", **options: Any) -> Iterator[None]:
    """While results are written to `path`: an error of the disk or of rights becomes a sentence that names the place.

    Raises:
        UserError: the place cannot be written.
    """
    try:
        yield
    except OSError as error:
        options = options or {"out": ""}
        raise UserError(f"{path} cannot be written ({error.strerror or error}); {advice}.", **options) from error


def require_keyword(name: str, known: Sequence[str], function: str) -> None:
    """Refuse a keyword that a function with further keywords does not take, as Python does, with the name that is
    meant.

    Raises:
        TypeError: there is no such keyword.
    """
    if name not in known:
        raise TypeError(f"{function}() got an unexpected keyword argument {name!r}.{meant(name, known)}")


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


def require_text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise UserError(f"{what} is {shown(value)}; give its name, as text.")
    return value


def require_choice(value: Any, choices: Sequence[str], name: str) -> None:
    """Of the argument `name`: one of several words."""
    if not isinstance(value, str) or value not in choices:
        given = repr(value) if isinstance(value, str) else shown(value)
        raise UserError(f"<{name}> is {given}; choose {', '.join(choices[:-1])} or {choices[-1]}.", **{name: ""})


def require_texts(value: Any, what: str) -> list[str]:
    """The values of a list, tuple or array of texts; a single text is refused, as it would be read letter by letter."""
    wrong = isinstance(value, str | bytes | dict) or not hasattr(value, "__iter__")
    values: list[Any] = [] if wrong else list(value)
    if wrong or not all(isinstance(one, str) for one in values):
        raise UserError(f"{what} is {shown(value)}; give a list of names.")
    return values


def require_whole(value: Any, what: str) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise UserError(f"{what} is {shown(value)}; give a whole number.")
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
        raise UserError(f"{what} is {shown(value)}; give a list or an array, one value for each example.")
    return value


def python_scalar(value: Any) -> Any:
    """A NumPy scalar, or an array or tensor without dimensions, as the Python value that it holds; else the value
    itself."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def require_instance(value: Any, kind: type, what: str, from_where: str) -> None:
    if not isinstance(value, kind):
        raise UserError(f"{what} is {shown(value)}; give {from_where}.")


def shown(value: Any) -> str:
    """A value in a message: itself if it is short, else its type."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' or name == 'ndarray' else 'a'} {name}"
