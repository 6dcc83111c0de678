"""The predicted label of each example with its probability, and the CSV file of them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from labelsieve.core.arguments import require_path
from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing, require_own

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("id", "label", "probability")
DIGITS = 6


@dataclass(frozen=True, eq=False, repr=False)
class Predictions:
    """The predictions of a model on n examples.

    Attributes:
        ids: (n,) object array of str.
        classes: the K class names, in the order of the columns of `probabilities`.
        probabilities: (n, K) float32.
        excluded: examples that could not be read, and why.
        notes: the notes of `load` on the data.
    """

    ids: np.ndarray
    classes: tuple[str, ...]
    probabilities: np.ndarray
    excluded: tuple[Exclusion, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        left_out = f", {len(self.excluded):,} left out" if self.excluded else ""
        return f"Predictions({len(self):,} examples, {len(self.classes)} classes{left_out})"

    @property
    def labels(self) -> np.ndarray:
        """(n,) object array: the most probable class of each example."""
        return np.array(self.classes, object)[self.probabilities.argmax(1)]

    def rows(self) -> Iterator[tuple[str, str, float]]:
        """Id, label and its probability of each example, in the order of the data."""
        highest = self.probabilities.max(1).astype(float).round(DIGITS)
        return zip(self.ids.tolist(), self.labels.tolist(), highest.tolist(), strict=True)

    def table(self) -> pa.Table:
        """An Arrow table with the columns id, label and probability."""
        import pyarrow as pa

        columns = list(zip(*self.rows(), strict=True)) or [(), (), ()]
        types = (pa.string(), pa.string(), pa.float64())
        return pa.table({name: pa.array(c, t) for name, c, t in zip(COLUMNS, columns, types, strict=True)})

    def write_csv(self, file: TextIO) -> None:
        """Write id, label and probability as CSV."""
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((key, label, f"{probability:.{DIGITS}f}") for key, label, probability in self.rows())

    def save(self, path: Path) -> None:
        """Write them into a CSV file, which appears whole or not at all."""
        with (
            replacing(path) as partial,
            open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            self.write_csv(file)


def csv_file(out: Any, source: Any) -> Path:
    """Return the file to write; it must not be the source or another file of the user.

    Raises:
        UserError: it is the source, not a CSV file, or a file that `predict` did not write.
    """
    path = require_path(out, "out, the CSV file,")
    if path.is_dir() or path.suffix.lower() != ".csv":
        what = "a folder" if path.is_dir() else "not a .csv file"
        raise UserError(f"{path} is {what}; choose a CSV file with <out>, or leave <out> out.", out="")
    read_from = Path(source) if isinstance(source, str | Path) else None
    if read_from is not None and path.exists() and read_from.exists() and path.samefile(read_from):
        raise UserError(f"The examples are read from {path}; choose another file with <out>.", out="")
    require_own(path, ",".join(COLUMNS) + "\n", "predict")
    return path
