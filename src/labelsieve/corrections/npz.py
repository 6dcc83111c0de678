"""A corrected copy of an .npz file: the same keys and types, and two more arrays (see `history`).

Every array with one entry per example loses the entries of the examples that are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.plain_values import plain_labels
from labelsieve.corrections.history import History, first, history, latest
from labelsieve.corrections.plan import Plan


def apply_npz(path: str, plan: Plan, out: Path, opened: Callable[[str], IO[bytes]]) -> History:
    """Write the arrays of `path`, with `labels` corrected by the plan, to `out`; returns the two added arrays.

    A class that no example has yet is added to `classes`, if the file has that array.

    Raises:
        UserError: a new class cannot be written as a label of that type, or the number of rows has changed.
    """
    with opened(path) as file:
        archive = np.load(file, allow_pickle=False)
        arrays: dict[str, Any] = {key: archive[key] for key in archive.files}
    n, given = len(plan.take), np.asarray(plain_labels(arrays["labels"], "labels"))
    if len(given) != n:
        raise UserError(f"{path} has {len(given)} rows, but the run read {n}; run find on it again.")
    if plan.fresh:
        names, codes = arrays.get("classes"), np.array(plan.fresh)
        if names is not None and given.dtype.kind in "iu":  # positions in the classes
            code_of = {str(name): j for j, name in enumerate(names.tolist())}
            added = [name for name in plan.fresh if name not in code_of]
            code_of |= {name: len(names) + j for j, name in enumerate(added)}
            codes = np.array([code_of[name] for name in plan.fresh])
            arrays["classes"] = np.concatenate([names, np.array(added, names.dtype.kind)]) if added else names
        elif names is not None:
            arrays["classes"] = np.concatenate(
                [names, np.array([name for name in plan.fresh if name not in names], names.dtype.kind)]
            )
        given = np.concatenate([given, _as(codes, given.dtype, plan.fresh[0])])
    arrays["labels"] = given[plan.take]
    columns = {key: array for key, array in arrays.items() if array.shape[:1] == (n,) and array.ndim == 1}
    extra = history(
        list(arrays), lambda key: columns[key].tolist() if key in columns else ["?"], given[:n].tolist(), "labels"
    )
    if extra.carried and extra.before in columns:
        arrays[extra.before] = _first(columns[extra.before], given[:n], "classes" in arrays)
    else:
        arrays[extra.before] = given[:n]
    decision = columns.get(extra.decision)
    arrays[extra.decision] = np.array(
        plan.decision if decision is None else latest(decision.astype(str).tolist(), plan.decision), str
    )
    for key, array in arrays.items():
        if key != "classes" and array.ndim and len(array) == n:
            arrays[key] = array[plan.keep]
    with open(out, "wb") as file:
        np.savez(file, **arrays)
    return extra


def _first(before: np.ndarray, given: np.ndarray, coded: bool) -> np.ndarray:
    """The first label of each row; -1 marks a missing label where labels are positions in classes."""
    if coded and before.dtype.kind in "iu" and given.dtype.kind in "iu":
        return np.where(before.astype(np.int64) < 0, given, before)
    return np.array(first(before.tolist(), given.tolist()), before.dtype.kind if before.dtype.kind in "US" else None)


def _as(values: np.ndarray, kind: np.dtype, name: str) -> np.ndarray:
    try:
        return values.astype(kind.kind if kind.kind in "US" else kind)
    except (ValueError, UnicodeError) as error:
        raise UserError(f"The new class {name!r} cannot be a label of type {kind}.") from error
