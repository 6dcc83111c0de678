"""ARFF, the format of Weka and of many sets of OpenML: attributes with types, then one line of cells per example.

The class is an attribute called like a label, else the last nominal one. `?` is a missing value. Sparse files, whose
lines are `{index value, ...}`, are not read. The format: waikato.github.io/weka-wiki/formats_and_processing/arff.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelsieve.core.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

_NAME = r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[^\s{]+"
_ATTRIBUTE = re.compile(rf"@attribute\s+({_NAME})\s*(\{{.*\}}|\S+.*)", re.IGNORECASE)
_CELL = re.compile(r"\s*('(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[^,'\"]*?)\s*(?:,|$)")
_NUMBERS = ("numeric", "real", "integer")
_BARE = re.compile(r"[\w.+-]+")


@dataclass(frozen=True)
class _Attribute:
    """One attribute: the line it stands in, its name, and the values of a nominal one, None of others."""

    line: int
    name: str
    kind: str
    values: tuple[str, ...] | None


@dataclass(frozen=True)
class _Arff:
    """A file: its lines, its attributes, and the numbers of the lines with examples."""

    lines: list[str]
    attributes: tuple[_Attribute, ...]
    rows: list[int]


def table(raw: bytes, path: str) -> tuple[pa.Table, str]:
    """The examples as an Arrow table, nominal attributes with their values in order, and the attribute of the class
    ("" where none is nominal).

    Raises:
        UserError: it is sparse, or damaged; the message names the line.
    """
    import pyarrow as pa

    file = _parsed(raw, path)
    rows = [_cells(file.lines[i], len(file.attributes), path, i) for i in file.rows]
    columns = {}
    for j, attribute in enumerate(file.attributes):
        cells = [None if row[j] == "?" else _plain(row[j]) for row in rows]
        columns[attribute.name] = _column(cells, attribute, file.rows, path)
    nominal = [attribute.name for attribute in file.attributes if attribute.values is not None]
    if len(columns) < len(file.attributes):
        raise UserError(f"{path} names an attribute twice; give each its own name.")
    return pa.table(columns), nominal[-1] if nominal else ""


def corrected(raw: bytes, label: str, take: np.ndarray, fresh: Sequence[str], keep: np.ndarray, path: str) -> bytes:
    """The file with new labels; every other cell and line keeps its bytes, and new classes join the nominal values.

    Args:
        take: (n,) the row whose label each row gets; n + j stands for the j-th of `fresh`.
        keep: (n,) bool, false where the row is left out.

    Raises:
        UserError: the number of rows has changed.
    """
    file = _parsed(raw, path)
    if len(file.rows) != len(take):
        raise UserError(f"{path} has {len(file.rows)} rows, but the run read {len(take)}; run find on it again.")
    j = next(j for j, attribute in enumerate(file.attributes) if attribute.name == label)
    attribute, lines = file.attributes[j], list(file.lines)
    given = [_cells(lines[i], len(file.attributes), path, i)[j] for i in file.rows]
    values = [*given, *map(_quoted, fresh)]
    if more := [name for name in fresh if attribute.values is not None and name not in attribute.values]:
        head, _, tail = lines[attribute.line].rpartition("}")
        lines[attribute.line] = f"{head},{','.join(map(_quoted, more))}}}{tail}"
    for row, i in enumerate(file.rows):
        if keep[row] and take[row] != row:
            found = list(_CELL.finditer(lines[i]))[j]
            lines[i] = lines[i][: found.start(1)] + values[take[row]] + lines[i][found.end(1) :]
    gone = {file.rows[row] for row in np.flatnonzero(~keep).tolist()}
    return "\n".join(line for i, line in enumerate(lines) if i not in gone).encode("utf-8", "surrogateescape")


def _parsed(raw: bytes, path: str) -> _Arff:
    lines = raw.decode("utf-8", "surrogateescape").split("\n")
    attributes, data = [], None
    for i, line in enumerate(lines):
        text = line.strip()
        if text.lower() == "@data":
            data = i
            break
        if text.lower().startswith("@attribute"):
            match = _ATTRIBUTE.fullmatch(text)
            if match is None:
                raise UserError(f"{path}, line {i + 1} is not an attribute: {text[:60]}.")
            kind = match[2].strip()
            if kind.lower().startswith("relational"):
                raise UserError(
                    f"{path}, line {i + 1}: relational attributes (bags of several instances) are not read; save one "
                    "row per bag (Weka's MultiInstanceToPropositional)."
                )
            nominal = kind.startswith("{")
            values = tuple(_plain(cell[1]) for cell in _CELL.finditer(kind[1:-1]) if cell[1]) if nominal else None
            attributes.append(_Attribute(i, _plain(match[1]), kind.lower().split()[0], values))
    if data is None or not attributes:
        raise UserError(f"{path} is not an ARFF file; it should have lines @attribute, and @data before the examples.")
    rows = [i for i in range(data + 1, len(lines)) if (text := lines[i].strip()) and not text.startswith("%")]
    if rows and lines[rows[0]].lstrip().startswith("{"):
        raise UserError(
            f"{path} is sparse ARFF, which is not read; save it as svmlight, or with all its values "
            "(Weka's SparseToNonSparse)."
        )
    return _Arff(lines, tuple(attributes), rows)


def _cells(line: str, count: int, path: str, i: int) -> list[str]:
    """The cells of a line as written."""
    plain = "'" not in line and '"' not in line
    cells = [cell.strip() for cell in line.split(",")] if plain else [cell[1] for cell in _CELL.finditer(line.strip())]
    if len(cells) == count + 1 and (not cells[-1] or cells[-1].startswith("{")):  # an empty match, or a weight
        cells = cells[:count]
    if len(cells) != count:
        raise UserError(f"{path}, line {i + 1} has {len(cells)} cells, but there are {count} attributes.")
    return cells


def _column(cells: list[str | None], attribute: _Attribute, rows: list[int], path: str) -> pa.Array:
    import pyarrow as pa

    if attribute.kind in _NUMBERS:
        try:
            numbers = [None if cell is None else float(cell) for cell in cells]
        except ValueError as error:
            bad = next(i for i, cell in zip(rows, cells, strict=True) if cell is not None and not _is_number(cell))
            raise UserError(f"{path}, line {bad + 1}: the cell of {attribute.name!r} is not a number.") from error
        whole = all(number is None or number.is_integer() for number in numbers)
        return pa.array(numbers, pa.float64()).cast(pa.int64()) if whole else pa.array(numbers, pa.float64())
    if attribute.values is None:
        return pa.array(cells, pa.string())
    order = {name: code for code, name in enumerate(attribute.values)}
    foreign = next((cell for cell in cells if cell is not None and cell not in order), None)
    if foreign is not None:
        bad = next(i for i, cell in zip(rows, cells, strict=True) if cell == foreign)
        raise UserError(f"{path}, line {bad + 1}: {foreign!r} is not among the values of {attribute.name!r}.")
    codes = pa.array([None if cell is None else order[cell] for cell in cells], pa.int32())
    return pa.DictionaryArray.from_arrays(codes, pa.array(attribute.values, pa.string()))


def _is_number(cell: str) -> bool:
    try:
        return float(cell) == float(cell)
    except ValueError:
        return False


def _plain(cell: str) -> str:
    """A name or value without its quotes."""
    if len(cell) > 1 and cell[0] == cell[-1] and cell[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", cell[1:-1])
    return cell


def _quoted(name: str) -> str:
    return name if _BARE.fullmatch(name) else "'" + re.sub(r"([\\'])", r"\\\1", name) + "'"
