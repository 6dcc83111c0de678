"""Feature columns: the numbers in the columns of an Arrow table, and reasons for columns and cells that hold none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.feature_columns import FeatureColumns, listed, short
from labelsieve.data.array_file import unusable_rows
from labelsieve.data.class_names import GAPS, readable, word

if TYPE_CHECKING:
    import pyarrow as pa

# if this share of the filled cells, or all but one, are numbers, the others are typos, and their rows are left out
MOST = 0.9
HALF = 0.5  # from this share on the column was meant to hold numbers, so its first typo is named
EMPTY, TEXT = "empty", "text"  # why a column is not a feature
MISSING = "a feature is missing, NaN or infinite"
ENOUGH = 20  # rows, from which on a column can be recognised as an id or the label
HEAD = 1000  # rows checked before the whole column
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_COMMA = r"^[+-]?[0-9]+,[0-9]+$"
_NO_VALUE = ["", *GAPS, "<na>", "inf", "+inf", "-inf", "-nan", "infinity", "-infinity"]  # in lower case


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column as numbers.

    Attributes:
        values: (n,), NaN if the cell holds no number.
        odd: (m,) the rows whose cells are filled but not numbers.
        column: the column itself.
    """

    values: np.ndarray
    odd: np.ndarray
    column: pa.ChunkedArray

    def cell(self, row: int) -> str:
        """The text in a cell, shortened."""
        import pyarrow as pa

        return short(readable(word(_text(self.column.slice(int(row), 1)).cast(pa.large_binary())[0].as_py())))

    def unfit(self) -> str | None:
        """Why the column is not a feature; None if it is one."""
        filled = (
            len(self.values) - int(np.isnan(self.values).sum()) if self.values.dtype.kind == "f" else len(self.values)
        )
        if not filled and not len(self.odd):
            return EMPTY
        share = filled / (filled + len(self.odd))
        if share >= MOST or filled == len(self.values) - 1 > 0:
            return None
        if share >= HALF:
            return f"row {self.odd[0]} holds {self.cell(self.odd[0])!r}"
        commas = _matches(_text(self.column).take(self.odd), _COMMA)
        return f"decimal commas, as in {self.cell(self.odd[commas.argmax()])!r}" if commas.mean() >= HALF else TEXT


def numbers(column: pa.ChunkedArray) -> Numbers:
    """A column of numbers, booleans or texts as numbers; a text that stands for a missing value becomes NaN."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not is_text(kind):
        column = column.cast(pa.float64()) if pa.types.is_decimal(kind) else column
        values = (column.cast(pa.uint8()) if pa.types.is_boolean(kind) else column).to_numpy()
        return Numbers(values, np.zeros(0, np.int64), column)
    text = _text(column)
    fine = _matches(text, _NUMBER)
    lower = pc.call_function("ascii_lower", [text])
    gap = pc.call_function("is_in", [lower], pc.SetLookupOptions(pa.array(_NO_VALUE, pa.large_string()))).to_numpy()
    empty = text.is_null().to_numpy()
    plain = pc.call_function("ascii_ltrim", [text], pc.TrimOptions("+"))  # Arrow cannot read "+1"
    kept = pc.call_function("if_else", [pa.array(fine), plain, pa.scalar(None, pa.large_string())])
    return Numbers(kept.cast(pa.float64()).to_numpy(), np.flatnonzero(~fine & ~gap & ~empty), column)


def is_text(kind: pa.DataType) -> bool:
    from pyarrow import types

    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.call_function("ascii_trim_whitespace", [column.cast(pa.large_string())])


def _matches(text: pa.ChunkedArray, pattern: str) -> np.ndarray:
    import pyarrow.compute as pc

    return (
        pc.call_function("match_substring_regex", [text], pc.MatchSubstringOptions(pattern)).fill_null(False).to_numpy()
    )


def features_of(
    table: pa.Table, names: Sequence[str], source: str, unused: Mapping[str, str]
) -> tuple[np.ndarray, FeatureColumns | None, dict[int, str]]:
    """The features (n, d), their columns (None for a column of vectors), and the unusable rows with reasons.

    Args:
        unused: the columns whose type alone rules them out as features -> why.

    Raises:
        UserError: no column holds numbers.
    """
    if _is_vector(table, names):
        matrix = matrix_of(table, names, source)
        return matrix, None, unusable_rows(matrix, MISSING)
    columns = {name: numbers(table[name]) for name in names}
    unfit = {name: why for name, column in columns.items() if (why := column.unfit())}
    used = {name: column for name, column in columns.items() if name not in unfit}
    if not used:
        raise UserError(f"No column of {source} holds numbers to use as features: {listed({**unfit, **unused})}.")
    matrix = _side_by_side([column.values for column in used.values()])
    unusable = unusable_rows(matrix, MISSING)
    for name, column in reversed(used.items()):  # of several typos in a row the first is named
        unusable |= {
            int(row): f"the column {name!r} holds {column.cell(row)!r}, which is not a number" for row in column.odd
        }
    return matrix, FeatureColumns(tuple(used), {**unfit, **unused}), unusable


def matrix_of(table: pa.Table, names: Sequence[str], source: str) -> np.ndarray:
    """Columns of numbers, or one column of vectors, as (n, d), NaN where a value is missing. The type is float32 if
    that is exact for every value, else float64.

    Raises:
        UserError: a cell is not a number.
    """
    if _is_vector(table, names):
        return _vectors(table[names[0]], f"The column {names[0]!r} of {source}")
    columns = [numbers(table[name]) for name in names]
    for name, column in zip(names, columns, strict=True):
        if len(column.odd):
            row = column.odd[0]
            raise UserError(
                f"{source}: the column {name!r} holds {column.cell(row)!r} in row {row} (from 0), which is not a "
                "number."
            )
    return _side_by_side([column.values for column in columns])


def _side_by_side(columns: Sequence[np.ndarray]) -> np.ndarray:
    matrix = np.empty(
        (len(columns[0]), len(columns)), np.result_type(np.float32, *(column.dtype for column in columns))
    )
    for j, column in enumerate(columns):
        matrix[:, j] = column
    return matrix


def _is_vector(table: pa.Table, names: Sequence[str]) -> bool:
    return len(names) == 1 and hasattr(table.schema.field(names[0]).type, "value_field")


def _vectors(column: pa.ChunkedArray, what: str) -> np.ndarray:
    """A column of lists of numbers, all of the same length, as (n, d); a missing list is a row of NaN."""
    import pyarrow.compute as pc

    lengths = pc.call_function("list_value_length", [column])
    present = column.is_valid().to_numpy()
    sizes = sorted(set(lengths.drop_null().to_pylist()))
    if len(sizes) != 1 or not sizes[0]:
        raise UserError(
            f"{what} holds lists of {' and '.join(map(str, sizes[:3])) or 'no'} numbers; all should have the same "
            "length, above 0."
        )
    values = pc.call_function("list_flatten", [column.filter(column.is_valid())]).to_numpy()
    matrix = np.full((len(column), sizes[0]), np.nan, np.result_type(np.float32, values.dtype))
    matrix[present] = values.reshape(-1, sizes[0])
    return matrix


def doubted(data: Dataset) -> Dataset:
    """The data, with doubts about columns that reveal the label or number the rows."""
    if data.columns is None or len(data) < max(ENOUGH, 2 * len(data.classes)):
        return data
    x, names = np.asarray(data.inputs), data.columns.names
    _, first, inverse = np.unique(data.labels, return_index=True, return_inverse=True)
    constant = np.flatnonzero((x[:HEAD] == x[first[inverse[:HEAD]]]).all(0))
    doubts = {
        names[j]: "has one number for each label, as if it were the label; if it is, remove it from the table."
        for j in constant
        if (x[:, j] == x[first, j][inverse]).all() and _all_different(x[first, j])
    }
    for j in np.flatnonzero((x[:HEAD] == np.floor(x[:HEAD])).all(0)):
        if _all_different(x[:HEAD, j]) and _all_different(x[:, j]) and (x[:, j] == np.floor(x[:, j])).all():
            advice = "if you name it as the id, it is not a feature."
            doubts[names[j]] = f"has a different whole number in every row, like an id; {advice}"
    return replace(data, columns=replace(data.columns, doubts=doubts))


def _all_different(values: np.ndarray) -> bool:
    return len(np.unique(values)) == len(values)
