"""A corrected copy of an .npz file: the same keys and types, and two more. Every array with one entry an example loses what is left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.export.plan import BEFORE, DECISION, Plan, two_new


def apply_npz(path: str, plan: Plan, out: Path, opened: Callable[[str], IO[bytes]]) -> None:
    """Write the arrays of `path`, with the plan carried out on `labels`, to `out`. A class that no example has yet is added to
    `classes`, if there are some.

    Raises:
        UserError: a new class cannot be written as a label of that type, or the number of rows has changed.
    """
    with opened(path) as file:
        archive = np.load(file, allow_pickle=False)
        arrays: dict[str, Any] = {key: archive[key] for key in archive.files}
    n, given = len(plan.take), arrays["labels"]
    if len(given) != n:
        raise UserError(f"{path} has {len(given)} rows, not the {n} that the run saw; run find on it again.")
    two_new(list(arrays))
    if plan.fresh:
        names, codes = arrays.get("classes"), np.array(plan.fresh)
        if names is not None and given.dtype.kind in "iu":  # positions in the classes
            place = {str(name): j for j, name in enumerate(names.tolist())}
            added = [name for name in plan.fresh if name not in place]
            place |= {name: len(names) + j for j, name in enumerate(added)}
            codes = np.array([place[name] for name in plan.fresh])
            arrays["classes"] = np.concatenate([names, np.array(added, names.dtype.kind)]) if added else names
        elif names is not None:
            arrays["classes"] = np.concatenate([names, np.array([name for name in plan.fresh if name not in names], names.dtype.kind)])
        given = np.concatenate([given, _as(codes, given.dtype, plan.fresh[0])])
    arrays["labels"] = given[plan.take]
    arrays[BEFORE], arrays[DECISION] = given[:n], np.array(plan.decision, str)
    for key, array in arrays.items():
        if key != "classes" and array.ndim and len(array) == n:
            arrays[key] = array[plan.keep]
    with open(out, "wb") as file:
        np.savez(file, **arrays)


def _as(values: np.ndarray, kind: np.dtype, name: str) -> np.ndarray:
    try:
        return values.astype(kind.kind if kind.kind in "US" else kind)
    except (ValueError, UnicodeError) as error:
        raise UserError(f"The new class {name!r} cannot be a label of type {kind}.") from error
