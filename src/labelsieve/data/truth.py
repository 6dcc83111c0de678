"""Labels held to be true, for `evaluate`, for benchmarks, and for known examples that check a reviewer: the only way by which they
enter, and `find` never comes here."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.data import labels as given
from labelsieve.data.label_file import read_labels
from labelsieve.data.settle import encode


def read_truth(path: str | os.PathLike[str], ids: Sequence[str] | np.ndarray, classes: Sequence[str]) -> list[str | None]:
    """The true class name of each of the n examples `ids`, None where the file does not say.

    Args:
        path: a table with the columns `id` and `label`, matched by id (examples that the run left out may be in it); or one label
            a row in the order of the run: a table without ids, an .npy array, a .txt file.
        ids: (n,) ids of the run.
        classes: the class names of the run. Integers from 0 are positions in it, if its names are not numbers themselves.

    Raises:
        UserError: the file cannot be read, does not fit the run, or speaks of other classes.
    """
    name = os.fspath(path)
    keys, values = read_labels(name)
    codes, names = encode(values)
    if "-1" in names and "-1" not in classes:  # weak labels write it for "no label"
        none = names.index("-1")
        codes, names = np.where(codes == none, -1, codes - (codes > none)), (*names[:none], *names[none + 1 :])
    names = _as_classes(names, classes, name)
    labels = [None if code < 0 else names[code] for code in codes]
    if keys is None:
        if len(labels) != len(ids):
            raise UserError(f"{name} has {len(labels)} labels for the {len(ids)} examples of the run; give a table with id,label instead.")
        return labels
    given.require_unique(keys, name)
    by_id = dict(zip(keys, labels, strict=True))
    matched = [by_id.get(key) for key in ids]
    if not any(label is not None for label in matched):
        raise UserError(
            f"{name} has a label for none of the {len(ids)} examples; its ids look like {keys[0]!r}, those of the run {ids[0]!r}."
        )
    return matched


def _as_classes(names: tuple[str, ...], classes: Sequence[str], path: str) -> tuple[str, ...]:
    """Names as they are; positions as the names they stand for. A class that the run does not know is a class all the same."""
    if not names:
        raise UserError(f"{path} holds no label.")
    if any(name in classes for name in names):
        return names
    if all(name.isdecimal() and int(name) < len(classes) for name in names):
        return tuple(classes[int(name)] for name in names)
    raise UserError(f"{path} has labels like {names[0]!r}, none of them a class of the run.{given.near(names[0], classes)}")
