"""A file or sequence of labels that replaces those of a source, matched by id or by order."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from labelsieve.core import added_columns
from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.image_names import is_image, without_suffix
from labelsieve.core.plain_values import plain_labels
from labelsieve.data.class_names import word
from labelsieve.data.columns import LABELS, Columns, require_column
from labelsieve.data.doors import door
from labelsieve.data.labels import require_unique
from labelsieve.data.no_label import told_apart
from labelsieve.data.readers import READERS, TableFile, open_table
from labelsieve.data.table import labels_of, names_of, read_columns
from labelsieve.places import paths
from labelsieve.places.numpy_files import read_npy

_NAMES_IMAGE = re.compile(rb"\.(jpe?g|png|tiff?|bmp|webp|dcm)\b", re.IGNORECASE)
_ENOUGH = 5  # lines by which a list of images is recognised
NAMED = 3  # how many ids or names a message lists


def replacement(
    labels: Any,
    ids: np.ndarray,
    label: str | None = None,
    id: str | None = None,
    numbered: bool = False,
    files: Sequence[str] | None = None,
) -> tuple[Sequence[Any] | np.ndarray, str, tuple[str, ...]]:
    """The labels for the examples `ids` (n,), in their order.

    Args:
        labels: a sequence of n labels; or a file: a table, an .npy array, a .txt file of one label per line.
        label, id, numbered, files: see `keyed`.

    Returns:
        n labels, None for an example that the file does not have; the reason to state for those; and notes.

    Raises:
        UserError: the file cannot be read, has an id that the data do not have, or has one twice.
    """
    if not isinstance(labels, (str, os.PathLike)):
        return plain_labels(labels, "labels"), "the label is missing", ()
    path = os.fspath(labels)
    keys, values, notes = keyed(path, ids, label, id, numbered, files)
    if keys is not None:
        rows = [row for row, key in enumerate(keys) if key is not NOBODY]
        values = matched(path, [keys[row] for row in rows], [values[row] for row in rows], ids)
    elif len(values) != len(ids):
        raise UserError(
            f"{path} has {len(values)} labels for {len(ids)} examples; give one per row, or add a column id."
        )
    return values, f"{path} gives it no label", notes


NOBODY = "\0"  # the key of a row of labels that names no example


def keyed(
    path: str,
    ids: np.ndarray | Sequence[str],
    label: str | None = None,
    id: str | None = None,
    numbered: bool = False,
    files: Sequence[str] | None = None,
) -> tuple[list[str | None] | None, Sequence[Any] | np.ndarray, tuple[str, ...]]:
    """The labels of a file for examples with these `ids`.

    A table is matched by its column `id`, or else by its first column whose values are the ids, their base names or
    their stems. Only if there is none, and for an array or a list, labels belong to rows by order.

    Args:
        label, id: columns of the table, if it has them (see `require_named`); without `label` the one with a usual
            name, or the only one beside the ids.
        numbered: the ids are row numbers.
        files: the image file of each example; where the ids are row numbers, they serve like ids.

    Returns:
        The id of each row of the file (`NOBODY` if it names no example), or None if the rows belong to the examples by
        order; the labels; notes.
    """
    if not paths.is_file(path) or paths.suffix(path) not in READERS:
        if (pairs := _path_list(path)) is not None:
            names = dict(zip(files if numbered and files else ids, ids, strict=False))
            keys, how = keys_of(path, [name for name, _ in pairs], names)
            if keys is None:
                raise UserError(f"{path} names {pairs[0][0]!r}, ..., but no example of the data has such a name.")
            return keys, [label for _, label in pairs], _told(path, "path", how, [name for name, _ in pairs], keys)
        keys, values = read_labels(path)
        return keys, values, () if numbered or not len(ids) else (_by_order(path, ids[0], values),)
    file = open_table(path)
    columns = tuple(file.schema.names)
    label, id = (_column(name, columns) for name in (label, id))
    named = _id_column(columns, label, id)
    others = [name for name in columns if name != label and len(columns) > 1] if named is None else [named]
    others = others if named or not numbered or files else []  # row numbers are no names
    names = dict(zip(ids, ids, strict=True)) if others else {}
    if numbered and files and named is None:
        names = dict(zip(files, ids, strict=False))  # the last ids may be of examples that were left out
    for column in others:
        cells = names_of(file.read(Columns(id=column))[column])
        keys, how = keys_of(path, cells, names)
        if keys is None and named is None:
            continue
        values = _read(file, path, label, column)
        if keys is None or (named and how == WHOLE):
            return cells, values, ()
        return keys, values, _told(path, column, how, cells, keys)
    values = _read(file, path, label, named)
    alone = numbered and len(columns) == 1
    return None, values, () if alone or not len(ids) else (_by_order(path, ids[0], values),)


def _column(name: str | None, columns: Sequence[str]) -> str | None:
    """The column of that name, perhaps with the blanks that a header has after its commas; None if there is none."""
    return name if name in columns else next((column for column in columns if column.strip() == name), None)


def _id_column(columns: Sequence[str], label: str | None, id: str | None) -> str | None:
    """The column of ids: `id`, or else the one with a usual name that is not the label."""
    usual = (added_columns.PREFIX + "id", "id")
    return id or next((name for name in usual if name in columns and name != label), None)


def ids_in(path: str, label: str | None = None, id: str | None = None) -> list[str | None] | None:
    """The ids of the rows of a table of labels, from its column `id` or one with a usual name; None without one."""
    file = open_table(path)
    column = _id_column(file.schema.names, label, _column(id, file.schema.names))
    return None if column is None else names_of(file.read(Columns(id=column))[column])


def require_named(path: str, label: str | None, id: str | None) -> None:
    """Refuse a file of labels without the columns that the user named (None: not named, or in the data)."""
    if paths.is_file(path) and paths.suffix(path) in READERS and (label or id):
        names = tuple(open_table(path).schema.names)
        for role, column in (("label", label), ("id", id)):
            if column is not None and _column(column, names) is None:
                require_column(column, names, path, role)
    elif label or id:
        read_labels(path, label, id)


def _label_columns(file: TableFile, label: str | None, key: str | None) -> tuple[str | None, list[str]]:
    """The column of labels of a table whose column `key` holds the ids, None if no name says it; and all columns that
    are neither the ids nor added by Labelsieve."""
    ours = added_columns.added(file.schema.names, [label or "", key or ""])
    rest = [name for name in file.schema.names if name != key and name not in ours]
    usual = [name for name in rest if name.lower() in LABELS]
    named = [*(name for name in rest if name == "label"), *(usual if len(usual) == 1 else []), None]
    return label or named[0], rest


def columns_of_labels(
    path: str, ids: Sequence[str], label: str | None = None, id: str | None = None
) -> tuple[list[str | None], list[str]]:
    """The id of each row of a table that `keyed` reads, and its column of labels; or its columns, one for each class.

    Args:
        ids, label, id: those that `keyed` got.
    """
    file = open_table(path)
    names = dict(zip(ids, ids, strict=True))
    columns = file.schema.names
    label, id = (_column(name, columns) for name in (label, id))
    named = _id_column(columns, label, id)
    for column in columns if named is None else [named]:
        keys, _ = keys_of(path, names_of(file.read(Columns(id=column))[column]), names)
        if keys is not None and column != label:
            label, rest = _label_columns(file, label, column)
            return keys, rest if label is None else [label]
    raise UserError(f"{path} has changed: no column of it names the images any more.")


def column_of_names(path: str, ids: Sequence[str]) -> str | None:
    """The first column of a table whose values name the examples; None if there is none, or the file is no table."""
    names = dict(zip(ids, ids, strict=True))
    try:
        file = open_table(path)
        return next(
            name for name in file.schema.names if keys_of(path, names_of(file.read(Columns(id=name))[name]), names)[0]
        )
    except (UserError, StopIteration):
        return None


def _read(file: TableFile, path: str, label: str | None, key: str | None) -> Sequence[Any] | np.ndarray:
    """The labels of a table whose column `key` holds the ids."""
    label, rest = _label_columns(file, label, key)
    if label is None and len(rest) > 1 and (coded := _one_hot(file, rest, path)) is not None:
        return coded
    label = label or (rest[0] if len(rest) == 1 else "label")
    require_column(label, tuple(file.schema.names), path, "label")
    values = labels_of(file.read(Columns(label=label))[label], path)
    if label == label.strip():
        return values
    plain: list[Any] = list(values)
    return [value.strip() if type(value) in (bytes, str) else value for value in plain]  # blanks after commas


def _one_hot(file: TableFile, names: Sequence[str], path: str) -> Sequence[Any] | None:
    """The labels of a table with one column of 0 and 1 for each class; None if the columns hold anything else.

    Raises:
        UserError: a row has several classes.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        table = file.written(names)
        cells = [column.cast(pa.string()) for column in table.columns]
        marks = np.stack(
            [pc.call_function("utf8_trim_whitespace", [c]).cast(pa.float64()).to_numpy() for c in cells], 1
        )
    except pa.ArrowException:
        return None
    if not np.isin(marks, (0, 1)).all():
        return None
    count = marks.sum(1)
    if (count > 1).any():
        raise UserError(
            f"{path} gives several labels to {int((count > 1).sum()):,} rows (the first is row "
            f"{int(np.argmax(count > 1))}, from 0); judge each label with <several>, or one class alone, as 0 or 1, "
            "with <label>.",
            several=True,
            label=names[0],
        )
    best = marks.argmax(1).tolist()
    return [str(names[k]).strip() if n else None for k, n in zip(best, count.tolist(), strict=True)]


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _stem(name: str) -> str:
    return without_suffix(_base(name))


def _number(name: str) -> str:
    """The stem without the zeros in front, which programs drop from a column of numbers: 7 for cats/0007.jpg."""
    stem = _stem(name)
    return stem.lstrip("0") or "0" if stem.isdecimal() else stem


WHOLE = "the ids"
_FORMS: tuple[tuple[str, Callable[[str], str]], ...] = (
    (WHOLE, str),
    ("the base names of the ids", _base),
    ("the ids without folder and suffix", _stem),
    ("the numbers in the ids, without zeros in front", _number),
)


def keys_of(path: str, cells: Sequence[str | None], names: Mapping[str, str]) -> tuple[list[str | None] | None, str]:
    """The id that each cell stands for (`NOBODY` for none), and in which form; None if the cells are no names of the
    examples.

    Args:
        names: the name of each example, an id or a file, -> its id.

    Raises:
        UserError: a cell names several examples.
    """
    for how, form in _FORMS:
        found: dict[str, str] = {}
        several: dict[str, list[str]] = {}
        for name, key in names.items():
            if found.setdefault(form(name), key) != key:
                several.setdefault(form(name), [found[form(name)]]).append(key)
        forms = [None if cell is None else form(cell) for cell in cells]
        hits = set(forms) & found.keys()
        if 2 * sum(cell in hits for cell in forms) < min(len(cells), len(names)):
            continue
        if doubtful := next((cell for cell in forms if cell in several), None):
            raise UserError(
                f"{path} names {doubtful!r}, but several examples have that name "
                f"({', '.join(several[doubtful][:NAMED])}); write their whole ids into the file."
            )
        return [found.get(cell, NOBODY) if cell is not None else None for cell in forms], how
    return None, ""


def _told(path: str, column: str, how: str, cells: Sequence[str | None], keys: Sequence[str | None]) -> tuple[str, ...]:
    """Notes about the column by which labels were matched, and about rows that name no example."""
    strange = [cell for cell, key in zip(cells, keys, strict=True) if key is NOBODY]
    notes = () if column == "id" and how == WHOLE else (f"The labels of {path} were matched by {column!r}: {how}.",)
    if not strange:
        return notes
    listed = ", ".join(map(repr, strange[:NAMED])) + (", ..." if len(strange) > NAMED else "")
    rows = "1 row names" if len(strange) == 1 else f"{len(strange):,} rows name"
    return (*notes, f"Of {path} {rows} no example of the data: {listed}.")


def _path_list(path: str) -> list[tuple[str, str]] | None:
    """The names and labels of a .txt file in which every line is "path label", as Datumaro's imagenet_txt, Clothing1M
    and WebVision have it; None for any other file."""
    if paths.suffix(path) != ".txt" or not paths.is_file(path):
        return None
    lines = [line for line in paths.read(path).decode("utf-8-sig", "surrogateescape").splitlines() if line.strip()]
    pairs = [tuple(line.strip().rsplit(None, 1)) for line in lines]
    found = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2 and is_image(pair[0])]
    return found if found and len(found) == len(lines) else None


def _by_order(path: str, first: str, values: Sequence[Any] | np.ndarray) -> str:
    """The note that labels belong to examples by order."""
    label = values[0] if len(values) else ""
    return (
        f"The labels of {path} were matched to the examples by order, because it has no column with their ids: "
        f"{first!r} has the label {word(label) if isinstance(label, bytes) else str(label)!r}."
    )


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
        if lines and all(_NAMES_IMAGE.search(line) for line in lines[:_ENOUGH]):
            raise UserError(
                f"The lines of {path} name images ({word(lines[0][:60])}, ...), but not as `path label`. Write them "
                "so, or name the file .csv, with a first line of column names."
            )
        return None, [line.removesuffix(b"\r") for line in lines]
    if suffix not in READERS:
        raise UserError(
            door(path)
            or f"{path} is not a file of labels; give a table ({', '.join(READERS)}), an .npy array or a .txt file."
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

    columns = recipe.get("label"), recipe.get("id")
    if "source" in recipe:
        keys, values, _ = keyed(
            recipe["labels"],
            [*data.ids.tolist(), *(item.id for item in data.excluded)],
            *columns,
            not data.named,
            getattr(data.inputs, "paths", None),
        )
    else:
        keys, values = read_labels(recipe["labels"], *columns)
    codes, names, *_ = told_apart(*encode(values))
    ids = [None if key is NOBODY else key for key in keys] if keys is not None else _by_row(data, len(values))
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
