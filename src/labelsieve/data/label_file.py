"""A file or sequence of labels that replaces those of a source, matched by id or by order."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.plain_values import plain_labels
from labelsieve.data.array_file import read_npy
from labelsieve.data.labels import require_unique
from labelsieve.data.readers import READERS
from labelsieve.data.table import read_columns
from labelsieve.places import paths

NAMED = 3  # how many ids or names a message lists


def replacement(labels: Any, ids: np.ndarray) -> tuple[Sequence[Any] | np.ndarray, str]:
    """The labels for the examples `ids` (n,), in their order.

    Args:
        labels: a sequence of n labels; or a file: a table with a column `label` and perhaps a column `id` (then matched
            by it), an .npy array, a .txt file of one label per line.

    Returns:
        n labels, None for an example that the file does not have, and the reason to state for those.

    Raises:
        UserError: the file cannot be read, has an id that the data do not have, or has one twice.
    """
    if not isinstance(labels, (str, os.PathLike)):
        return plain_labels(labels, "labels"), "the label is missing"
    path = os.fspath(labels)
    keys, values = read_labels(path)
    if keys is not None:
        values = matched(path, keys, values, ids)
    elif len(values) != len(ids):
        raise UserError(
            f"{path} has {len(values)} labels for {len(ids)} examples; give one per row, or add a column id."
        )
    return values, f"{path} gives it no label"


def matched(
    path: str, keys: Sequence[str | None], values: Sequence[Any] | np.ndarray, ids: Sequence[Any] | np.ndarray
) -> list[Any]:
    """The `values` of a file, whose ids are `keys`, in the order of `ids`; None for an id that is not in the file."""
    require_unique(keys, path)
    by_id = dict(zip(keys, values.tolist() if isinstance(values, np.ndarray) else values, strict=True))
    known = set(ids)
    unknown = [key for key in keys if key not in known]
    if unknown:
        listed = ", ".join(repr(key) for key in unknown[:NAMED]) + (", ..." if len(unknown) > NAMED else "")
        example = f"; the ids of the data look like {ids[0]!r}" if len(ids) else ""
        raise UserError(f"{path} has {len(unknown)} ids that the data do not have: {listed}{example}.")
    return [by_id.get(key) for key in ids]


def read_labels(
    path: str, label: str | None = None, id: str | None = None
) -> tuple[list[str | None] | None, Sequence[Any] | np.ndarray]:
    """Ids (None if the file has none) and labels of a file: a table, an .npy array, a .txt file."""
    if not path.strip():
        raise UserError("The name of the file of labels is empty; give a file, or leave <labels> out.", labels="")
    if not paths.is_file(path):
        raise UserError(f"There is no file of labels {path}.")
    suffix = paths.suffix(path)
    if suffix in (".npy", ".txt") and (label or id):
        raise UserError(f"{path} has no columns, so it has no column {(label or id)!r}.")
    if suffix == ".npy":
        return None, plain_labels(read_npy(path), path)
    if suffix == ".txt":
        lines = paths.read(path).removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n").split(b"\n")
        return None, [line.removesuffix(b"\r") for line in lines]
    if suffix not in READERS:
        raise UserError(
            f"{path} is not a file of labels; give a table ({', '.join(READERS)}), an .npy array or a .txt file."
        )
    return read_columns(path, label, id)


def column_of(path: str, ids: Sequence[str | None]) -> tuple[list[str | None] | None, tuple[str, ...]]:
    """The values of the column of a file of labels that holds exactly `ids`, in any order, and a note about it. The
    file at `path` has no column called id. None if no column fits; the rows are then matched by order."""
    from labelsieve.data.columns import Columns
    from labelsieve.data.readers import open_table
    from labelsieve.data.table import names_of

    if list(ids) == [str(row) for row in range(len(ids))]:
        return None, ()
    known = set(ids)
    names = open_table(path).schema.names if paths.suffix(path) in READERS else []
    for name in names:
        cells = names_of(open_table(path).read(Columns(id=name))[name])
        if len(cells) == len(ids) and set(cells) == known:
            return cells, (
                f"The labels of {path} were matched by its column {name!r}, which holds the ids of the probabilities.",
            )
    note = (
        f"{path} has no ids: its labels were matched to the rows of the probabilities by order, the first of them to "
        f"{ids[0]!r}."
    )
    return None, (note,)


def reload_labels(
    recipe: Mapping[str, str], data: Dataset, extra: Collection[str]
) -> tuple[list[str], list[str], dict[str, list[str]]]:
    """All rows of the file of labels that `data` were read with: ids, class names ("" for none), and columns as text.
    Rows without a known id are left out.

    Args:
        recipe: as in `Dataset`, with `labels`.
        extra: the names of further columns to read, if the file has them.
    """
    from labelsieve.data.finish import encode

    columns = (recipe.get("label"), recipe.get("id")) if "source" not in recipe else (None, None)
    keys, values = read_labels(recipe["labels"], *columns)
    codes, names = encode(values)
    ids = list(keys) if keys is not None else _by_row(data, len(values))
    given = dict(zip(data.ids.tolist(), (data.classes[c] for c in data.labels), strict=True))
    spelled = {
        code: given[key] for code, key in zip(codes.tolist(), ids, strict=True) if key in given
    }  # spelled as in the data
    raw = [names[code] if code >= 0 else "" for code in codes.tolist()]
    labels = [
        given.get(key) or spelled.get(code) or name for key, code, name in zip(ids, codes.tolist(), raw, strict=True)
    ]
    known_rows = [i for i, key in enumerate(ids) if key is not None]
    extra_cells = _texts(recipe["labels"], extra)
    return (
        [str(ids[i]) for i in known_rows],
        [labels[i] for i in known_rows],
        {name: [cells[i] for i in known_rows] for name, cells in extra_cells.items()},
    )


def _by_row(data: Dataset, n: int) -> list[str | None]:
    """The id of each of n rows (row numbers if the ids are those); None for a row that was left out without a known
    id."""
    ids: list[str | None] = [None] * n
    for row, key in zip(data.rows.tolist(), data.ids.tolist(), strict=True):
        ids[row] = key
    numbered = all(key in (None, str(row)) for row, key in enumerate(ids))
    return [str(row) for row in range(n)] if numbered else ids


def _texts(path: str, extra: Collection[str]) -> dict[str, list[str]]:
    """The columns among `extra` of a table of labels, "" for an empty cell."""
    from labelsieve.data.columns import Columns
    from labelsieve.data.readers import open_table
    from labelsieve.data.table import names_of

    if paths.suffix(path) not in READERS:
        return {}
    file = open_table(path)
    present = [name for name in file.schema.names if name in extra]
    columns = {name: file.read(Columns(label=name))[name] for name in present}
    return {name: [cell or "" for cell in names_of(column)] for name, column in columns.items()}
