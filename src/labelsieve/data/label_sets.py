"""Several labels per example: one column of 0 and 1 for each class, or cells that each hold a list of classes.

A cell is a list (Parquet, JSON), JSON such as `["cat", "dog"]`, Label Studio's `{"choices": ["cat", "dog"]}`, or names
with a sign between them: `cat|dog`, `cat;dog`, doccano's `cat#dog`, `cat,dog`. An empty list is an answer (none of the
classes); an empty cell is no label.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.plain_values import plain_array
from labelsieve.data.class_metadata import class_names_of_lists
from labelsieve.data.class_names import readable, word
from labelsieve.data.columns import LABELS, require_column
from labelsieve.data.labels import is_missing
from labelsieve.data.readers import TableFile

if TYPE_CHECKING:
    import pyarrow as pa

SIGNS = ("|", ";", "#", ",")  # between names in a cell, the first that occurs
USUAL = ("labels", "tags", "label", "classes", "categories")  # names of a column of lists
_YES, _NO = ("1", "1.0", "true"), ("0", "0.0", "false")
_EMPTY = "the label is missing"
_LISTS = (list, tuple, set, frozenset)


@dataclass(frozen=True, eq=False)
class LabelSets:
    """The classes that each of n rows has.

    Attributes:
        given: (n, K) bool.
        names: the K classes.
        unknown: row -> why its labels are not known.
        columns: the columns of a table that they come from; one for lists, K for one of 0 and 1 per class.
        sign: what stands between the names in a cell of text; "" for lists.
        notes: what the user should know.
    """

    given: np.ndarray
    names: tuple[str, ...]
    unknown: dict[int, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    sign: str = ""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.given)

    def names_in_rows(self) -> list[tuple[str, ...] | None]:
        """The names of the classes that each row has, None where they are not known."""
        rows = enumerate(self.given.tolist())
        return [
            None if i in self.unknown else tuple(n for n, has in zip(self.names, row, strict=True) if has)
            for i, row in rows
        ]

    def at(self, rows: Sequence[int | None], why: str) -> LabelSets:
        """The sets of the rows in another order, None for one without labels, with the reason."""
        place = np.array([-1 if row is None else row for row in rows], np.int64)
        unknown = {
            i: why if row < 0 else self.unknown[row]
            for i, row in enumerate(place.tolist())
            if row < 0 or row in self.unknown
        }
        return replace(self, given=self.given[place] & (place >= 0)[:, None], unknown=unknown)


def is_several(labels: Any) -> bool:
    """Whether labels in memory are several per example beyond doubt: lists of names, or a matrix (n, K > 1) of 0 and 1;
    in either some row has none or several."""
    if isinstance(labels, list | tuple):
        some = [label for label in labels if label is not None]
        if not some or not all(isinstance(label, _LISTS) for label in some):
            return False
        if any(isinstance(name, str) for label in some for name in label):
            return any(len(label) != 1 for label in some)
        labels = np.array(some) if len({len(label) for label in some}) == 1 else None
    shape = getattr(labels, "shape", ())
    if len(shape) != 2 or shape[1] < 2 or getattr(labels, "columns", None) is not None:
        return False
    matrix = plain_array(labels, "labels")
    return matrix.dtype.kind in "biuf" and bool(np.isin(matrix, (0, 1)).all() and (matrix.sum(1) != 1).any())


def of_values(labels: Any, names: Sequence[str] | None = None) -> LabelSets:
    """The sets of labels in memory: lists of names, a matrix (n, K) of 0 and 1, or a frame with a column per class.
    `names` are those of the columns; None numbers them.

    Raises:
        UserError: it is neither.
    """
    columns = getattr(labels, "columns", None)
    if columns is not None and getattr(labels, "ndim", 2) == 2:
        names = [str(name) for name in columns]
        labels = labels.to_numpy()
    if isinstance(labels, list | tuple) and any(isinstance(name, str) for some in labels for name in some or ()):
        return of_cells(labels, "labels")
    matrix = plain_array(labels, "labels")
    if matrix.ndim != 2 or matrix.dtype.kind not in "biuf" or not np.isin(matrix, (0, 1)).all():
        raise UserError(
            f"labels has shape {matrix.shape}; for several labels per example give a matrix (examples, classes) of 0 "
            "and 1, or a list of names for each example."
        )
    names = tuple(names or map(str, range(matrix.shape[1])))
    if len(names) != matrix.shape[1]:
        raise UserError(f"There are {len(names)} names of classes for {matrix.shape[1]} columns of labels.")
    return LabelSets(matrix.astype(bool), names)


def of_table(file: TableFile, label: str | None, source: str, taken: Iterable[str | None] = ()) -> LabelSets:
    """The sets in a table.

    Args:
        label: the column of lists; or the columns of classes, with commas between them, or a pattern such as tag_*.
            None: a column with a usual name, else all columns that hold only 0 and 1.
        source: its name, for messages.
        taken: columns that are something else.

    Raises:
        UserError: there are no such columns, or a cell is neither 0 nor 1.
    """
    columns = class_columns(file, label, source, taken)
    table = file.written(columns)
    if len(columns) == 1 and _marks(table[columns[0]]) is None:
        names = class_names_of_lists(file.schema, columns[0])
        found = of_cells(named_cells(table[columns[0]].to_pylist(), names, source), source)
        return replace(found, columns=columns)
    given, unknown = np.zeros((len(table), len(columns)), bool), {}
    for c, name in enumerate(columns):
        marks = _marks(table[name])
        if marks is None:
            cell = next(v for v in table[name].to_pylist() if _mark(v) == -2)
            raise UserError(
                f"The column {name!r} of {source} holds {str(cell)[:40]!r}; a column of a class holds 0 and 1."
            )
        given[:, c] = marks == 1
        missing = f"it has no answer for the class {name.strip()!r}"
        unknown = dict.fromkeys(np.flatnonzero(marks < 0).tolist(), missing) | unknown
    return LabelSets(given, tuple(readable(name.strip()) for name in columns), unknown, columns)


def named_cells(cells: Sequence[Any], names: Sequence[str] | None, source: str) -> Sequence[Any]:
    """Cells of lists of numbers as lists of the `names` of the classes; the same cells where there are none.

    Raises:
        UserError: a number has no name.
    """
    if names is None:
        return cells
    odd = next((one for cell in cells for one in cell or () if one is None or not 0 <= one < len(names)), None)
    if odd is not None:
        raise UserError(f"{source} has the label {odd}, which is outside its {len(names)} classes.")
    return [None if cell is None else [names[one] for one in cell] for cell in cells]


def class_columns(file: TableFile, label: str | None, source: str, taken: Iterable[str | None] = ()) -> tuple[str, ...]:
    """The columns of the classes, as in `of_table`."""
    names = tuple(file.schema.names)
    if label is None:
        return _guessed(file, [name for name in names if name not in set(taken)], source)
    if label in names:
        return (label,)
    parts = [part.strip() for part in label.split(",")]
    for part in parts:
        if not any(fnmatchcase(name.strip(), part) for name in names):
            require_column(part, names, source, "label")
    return tuple(name for name in names if any(fnmatchcase(name.strip(), part) for part in parts))


def _guessed(file: TableFile, names: Sequence[str], source: str) -> tuple[str, ...]:
    coded = [name for name in names if class_names_of_lists(file.schema, name) is not None]
    usual = coded if len(coded) == 1 else [name for name in names if name.lower() in (*USUAL, *LABELS)]
    if len(usual) == 1:
        return (usual[0],)
    first = file.first(names)
    marks = [name for name in names if _marks(first[name]) is not None] if not usual else []
    if len(marks) < 2:
        raise UserError(
            f"It is not clear which columns of {source} say the classes; name them with <label>: a column of lists, or "
            f"the columns of 0 and 1, as a,b,c or tag_*. There are: {', '.join(names[:20])}.",
            label="",
        )
    return tuple(marks)


def _marks(column: pa.ChunkedArray) -> np.ndarray | None:
    """(n,) 1 for yes, 0 for no, -1 for no answer; None if it holds anything else, or nothing."""
    import pyarrow as pa

    if pa.types.is_nested(column.type):
        return None
    unique = column.combine_chunks().dictionary_encode(null_encoding="encode")
    codes = np.array([_mark(value) for value in unique.dictionary.to_pylist()], np.int64)
    return None if (codes == -2).any() or (codes < 0).all() else codes[unique.indices.to_numpy(zero_copy_only=False)]


def is_mark(value: Any) -> bool:
    """Whether a cell can be one of a column of 0 and 1."""
    return not isinstance(value, list | dict) and _mark(value) != -2


def _mark(value: Any) -> int:
    text = (word(value) if isinstance(value, bytes) else str(value)).strip().lower()
    if value is None or text in ("", "nan", "-1", "-1.0", "none", "null"):
        return -1
    return 1 if text in _YES else 0 if text in _NO else -2


def of_cells(cells: Sequence[Any], source: str) -> LabelSets:
    """The sets in cells that each hold a list of names; None or blank text is no label.

    Raises:
        UserError: a list holds something that is no name.
    """
    plain = [word(cell) if isinstance(cell, bytes) else cell for cell in cells]
    sign = sign_of(plain)
    read = [listed(cell, sign) for cell in plain]
    odd = next((row for row, some in enumerate(read) if some is not None and None in some), None)
    if odd is not None:
        raise UserError(f"{source}: row {odd} (from 0) holds {str(plain[odd])[:40]!r}, which is no list of names.")
    unknown = {row: _EMPTY for row, some in enumerate(read) if some is None}
    notes = (f"The classes in a cell of {source} are separated by {sign!r}.",) if sign else ()
    return replace(of_names([some or () for some in read], unknown), sign=sign, notes=notes)


def of_names(
    rows: Sequence[Sequence[str]], unknown: Mapping[int, str] | None = None, names: Sequence[str] | None = None
) -> LabelSets:
    """The sets that are lists of names; `names` gives the order of the classes, else they are in that of the alphabet.

    Args:
        unknown: row -> why its labels are not known.
    """
    known = {name for some in rows for name in some}
    names = tuple(name for name in names if name in known) if names is not None else tuple(sorted(known))
    place = {name: c for c, name in enumerate(names)}
    given = np.zeros((len(rows), len(names)), bool)
    for row, some in enumerate(rows):
        given[row, [place[name] for name in some]] = True
    return LabelSets(given, names, dict(unknown or {}))


def sign_of(cells: Iterable[Any]) -> str:
    """What stands between names in cells of text; "" if nothing does."""
    texts = {cell for cell in cells if isinstance(cell, str) and not cell.lstrip().startswith(("[", "{"))}
    return next((sign for sign in SIGNS if any(sign in text for text in texts)), "")


def listed(cell: Any, sign: str) -> list[Any] | None:
    """The names in a cell, without repeats, None in place of what is no name; None for a cell without labels."""
    cell = word(cell) if isinstance(cell, bytes) else cell
    if isinstance(cell, str) and cell.lstrip().startswith(("[", "{")):
        cell = _parsed(cell)
    if isinstance(cell, dict):
        cell = cell.get("choices")
    if isinstance(cell, _LISTS):
        values = sorted(cell) if isinstance(cell, set | frozenset) else list(cell)
        plain = [None if isinstance(v, list | dict) or is_missing(v) else readable(str(v).strip()) for v in values]
        return list(dict.fromkeys(plain))
    if is_missing(cell):
        return None
    parts = str(cell).split(sign) if sign else [str(cell)]
    return list(dict.fromkeys(readable(part.strip()) for part in parts if part.strip()))


def _parsed(cell: str) -> Any:
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    inner = cell.strip().removeprefix("[").removesuffix("]")  # as Python writes a list of texts: ['cat', 'dog']
    return [part.strip().strip("'\"") for part in inner.split(",") if part.strip()]
