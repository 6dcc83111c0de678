"""One example in a few words, for tables, tiles and JSON: the start of a text, or the first values or classes of a
row."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelsieve.core.dataset import Dataset
from labelsieve.core.printable import visible

VALUES = 4  # of a row
NAME = 24  # characters of a column's or a class's name


def snippet(dataset: Dataset, row: int, width: int = 80) -> str:
    """The example at position `row` in at most `width` visible characters; "" for a picture."""
    if dataset.kind == "image":
        return ""
    if dataset.kind == "text":
        return text_snippet(str(dataset.inputs[row]), width)
    parts: list[str] = []
    for name, value in values(dataset, row):
        part = f"{visible(name, NAME)} {value}"
        if parts and len(", ".join([*parts, part])) > width:
            break
        parts.append(part)
    return ", ".join(parts)[:width]


def text_snippet(text: str, width: int) -> str:
    """The start of a text on one line; a longer text ends in "…"."""
    head = " ".join(text[: 2 * width].split())
    shown = "".join(c if c.isprintable() else visible(c) for c in head)
    whole = len(shown) <= width and len(text) <= 2 * width
    return shown if whole else f"{shown[: width - 1].rstrip()}…"


def values(dataset: Dataset, row: int, most: int = VALUES) -> list[tuple[str, str]]:
    """(name, value) of the first features of a row, or of its likeliest classes if the inputs are probabilities."""
    row_values = np.asarray(dataset.inputs[row], np.float64).reshape(-1)
    if dataset.kind == "probs":
        best = np.argsort(-row_values, kind="stable")[:most]
        names = dataset.classes if dataset.questions is None else dataset.questions.names
        return [(names[c], f"{row_values[c]:.3f}") for c in best]
    return [(feature_name(dataset, j), number(row_values[j])) for j in range(min(most, len(row_values)))]


def feature_name(dataset: Dataset, j: int) -> str:
    """The name of the feature at position `j`: its column's name, or its number if columns have no names."""
    names = None if dataset.columns is None else dataset.columns.names
    return names[j] if names and j < len(names) else f"feature {j}"


def number(value: Any) -> str:
    """A number as a person would write it: 12,345 stays whole, 0.123456 gets four digits."""
    value = float(value)
    if not np.isfinite(value):
        return "–"
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e9 else f"{value:.4g}"
