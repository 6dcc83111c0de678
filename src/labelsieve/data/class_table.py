"""A table that explains the classes: one row per class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from labelsieve.core.class_meaning import Meaning
from labelsieve.core.errors import UserError
from labelsieve.data.readers import READERS, open_table
from labelsieve.places import paths

CODES = ("class", "code", "label", "class_id")
NAMES = ("name", "class_name", "title")
GUIDELINES = ("guideline", "guidelines", "definition", "description")
EXAMPLES = ("example", "example_id")
COLUMNS = "class (or code), name, guideline, example"


def read_class_table(
    path: str, classes: Sequence[str], ids: Iterable[str]
) -> tuple[dict[str, Meaning], tuple[str, ...]]:
    """The meaning of each explained class, by its label, and notes about what does not fit.

    Args:
        path: a table (.csv, .tsv, .jsonl, .parquet) with a column `class` (or `code`), and any of `name`, `guideline`,
            `example`.
        classes: the labels of the data.
        ids: the ids of the data, among which the examples must be.

    Raises:
        UserError: no such table or column, a class that occurs twice, two classes with the same name, an example that
            is not in the data.
    """
    if not paths.is_file(path):
        raise UserError(f"There is no file {path}; <classes> takes a table with the columns {COLUMNS}.", classes="")
    if paths.suffix(path) not in READERS:
        raise UserError(
            f"{path} is not a table; <classes> takes a {', '.join(READERS)} file with the columns {COLUMNS}.",
            classes="",
        )
    rows = _rows(path)
    known = {_plain(label): label for label in classes}
    guide: dict[str, Meaning] = {}
    unknown = []
    for number, (code, *rest) in enumerate(rows, 2):
        if not code:
            raise UserError(f"{path}, row {number} has no class.")
        label = known.get(_plain(code))
        if label is None:
            unknown.append(code)
        elif label in guide:
            raise UserError(f"{path}, row {number} explains the class {code!r} a second time; keep one row per class.")
        else:
            guide[label] = Meaning(*rest)
    if not guide:
        listed = ", ".join(map(repr, list(classes)[:5]))
        raise UserError(
            f"{path} explains none of the classes of the data ({listed}, ...); its first is {unknown[0]!r}."
        )
    _check(path, guide, set(ids))
    return guide, _notes(path, guide, unknown, classes)


def _rows(path: str) -> list[tuple[str, str, str, str]]:
    file = open_table(path)
    columns = {name.strip().lower(): name for name in file.schema.names}
    chosen = [
        next((columns[name] for name in names if name in columns), None)
        for names in (CODES, NAMES, GUIDELINES, EXAMPLES)
    ]
    if chosen[0] is None:
        raise UserError(
            f"{path} has no column 'class' (or 'code'); it has {', '.join(file.schema.names)}. Expected: {COLUMNS}."
        )
    if not any(chosen[1:]):
        raise UserError(f"{path} has a column {chosen[0]!r} but none that explains it; expected: {COLUMNS}.")
    table = file.written([name for name in chosen if name is not None])
    values = [
        [""] * len(table) if name is None else [_text(value) for value in table[name].to_pylist()] for name in chosen
    ]
    return list(zip(*values, strict=True))  # type: ignore[arg-type]


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _plain(label: str) -> str:
    """The label with 3.0 as 3: a spreadsheet may write either."""
    whole, dot, rest = label.partition(".")
    return whole if dot and not rest.strip("0") and whole.lstrip("-").isdigit() else label


def _check(path: str, guide: dict[str, Meaning], ids: set[str]) -> None:
    named: dict[str, str] = {}
    for label, meaning in guide.items():
        if meaning.name and meaning.name in named:
            raise UserError(
                f"{path} gives the same name, {meaning.name!r}, to two classes, {named[meaning.name]!r} and {label!r}."
            )
        named[meaning.name] = label
        if meaning.example and meaning.example not in ids:
            raise UserError(
                f"{path} names {meaning.example!r} as an example of {label!r}, but the data have no such id."
            )


def _notes(path: str, guide: dict[str, Meaning], unknown: list[str], classes: Sequence[str]) -> tuple[str, ...]:
    unexplained = [label for label in classes if label not in guide]
    out = []
    if unexplained:
        out.append(
            f"{path} does not explain {len(unexplained):,} of the {len(classes):,} classes: {_listed(unexplained)}."
        )
    if unknown:
        out.append(f"{path} has rows for classes that the data do not have: {_listed(unknown)}.")
    return tuple(out)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
