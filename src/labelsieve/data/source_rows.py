"""The columns of a run's source that are neither input nor label: names, dates, notes. Reviewers see them; models do
not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelsieve.core.errors import UserError
from labelsieve.data.columns import INDEXES, Columns
from labelsieve.data.readers import READERS, TableFile, in_memory, open_table
from labelsieve.data.table import roles
from labelsieve.formats import lance
from labelsieve.places import paths

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class SourceRows:
    """The other columns of a source.

    Attributes:
        names: their names, in the order of the source.
        table: their values, one row for each row of the source.
    """

    names: tuple[str, ...]
    table: pa.Table

    def row(self, i: int) -> list[tuple[str, str]]:
        """(name, value as text) of row `i` of the source; "" for an empty cell."""
        return [(name, _text(self.table[name][i])) for name in self.names]


def source_rows(recipe: Mapping[str, str]) -> SourceRows | None:
    """The other columns of the source in `recipe`, the arguments of `load`; None if it is not a table or has none.

    Raises:
        UserError: the table cannot be read.
    """
    source = recipe.get("source")
    if not source or "format" in recipe or ("annotator" in recipe and "votes" not in recipe):  # a row is a vote there
        return None
    named = recipe.get
    requested = Columns(named("label"), named("text"), named("image"), named("id"), named("group"))
    file = _table(source)
    if file is None:
        return None
    used, _ = roles(file, requested, source, "labels" in recipe)
    taken = set(used.all())
    names = [
        field.name
        for field in file.schema
        if field.name not in taken and field.name.lower() not in INDEXES and not _is_bulky(field.type)
    ]
    return SourceRows(tuple(names), file.written(names)) if names else None


def _table(source: str) -> TableFile | None:
    if source.startswith("hf:") and not paths.is_remote(source):
        from labelsieve.data.hub import open_split

        return in_memory(open_split(source)[0].with_format("arrow")[:])
    if (paths.is_folder(source) and not lance.is_lance(source)) or paths.suffix(source) not in READERS:
        return None
    return open_table(source)


def _is_bulky(kind: pa.DataType) -> bool:
    """Whether the values are bytes or lists, which people do not read."""
    from pyarrow import types

    return any(
        test(kind)
        for test in (
            types.is_binary,
            types.is_large_binary,
            types.is_binary_view,
            types.is_fixed_size_binary,
            types.is_nested,
            types.is_null,
        )
    )


def _text(value: Any) -> str:
    try:
        plain = value.as_py()
    except (UnicodeDecodeError, UserError):
        return "(not UTF-8)"
    return "" if plain is None else str(plain)
