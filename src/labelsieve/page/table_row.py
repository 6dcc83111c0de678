"""A row of a table as the page shows it: every feature with its name and value beside the given and the likely class,
and the columns of the source that are not features.

The features with the strongest evidence for one of the two classes come first. Each class is described by its
quartiles, which a few wrong labels do not change much. `speaks` is the log-likelihood ratio of two normal densities
with these medians and one common width: positive for the likely class, negative for the given one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.printable import visible
from labelsieve.core.snippet import feature_name, values
from labelsieve.data.source_rows import SourceRows, source_rows
from labelsieve.page.desk import Desk
from labelsieve.store.reopen import located

SHOWN = 300  # features of one row
LEADING = 8  # features of a row in a tile
CELLS = 4_000_000  # most values that a summary is computed from
SAMPLE = 2000  # examples per class that its quartiles are computed from
KEPT = 64  # classes
MAX_RATIO = 50.0
NAME, VALUE = 80, 2000  # characters


class TableRows:
    """The rows of one desk; the quartiles of some classes are cached."""

    def __init__(self, desk: Desk):
        self.desk = desk
        self._classes: OrderedDict[int, np.ndarray] = OrderedDict()
        self._spread: tuple[np.ndarray, np.ndarray] | None = None
        self._others: SourceRows | None = None
        self._opened = False
        self._lock = Lock()

    def first_values(self, i: int, blind: bool = False) -> list[dict[str, str]] | None:
        """Name and value of the first features of row `i`, or its likeliest classes (not in blind mode: they reveal the
        label)."""
        kind = self.desk.findings.settings.get("kind")
        if kind not in ("features", "probs") or (kind == "probs" and blind) or self.desk.data_error():
            return None
        return [{"name": visible(name, NAME), "value": value} for name, value in values(self.desk.data(), i, LEADING)]

    def features(self, i: int, blind: bool) -> dict[str, Any]:
        """{features: [{name, value, z, ...}], features_total}. In blind mode in the order of the data; else the most
        informative first, with `given` and `likely` (the quartiles of those classes) and `speaks`."""
        if self.desk.findings.settings.get("kind") != "features" or self.desk.data_error():
            return {"features": None, "features_total": 0}
        data, findings = self.desk.data(), self.desk.findings
        row = np.asarray(data.inputs[i], np.float64).reshape(-1)
        mean, spread = self._standard()
        z = (row - mean) / np.where(spread > 0, spread, 1)
        rows = [
            {"name": visible(feature_name(data, j), NAME), "value": _number(row[j]), "z": _number(z[j])}
            for j in range(len(row))
        ]
        if blind:
            return {"features": rows[:SHOWN], "features_total": len(row)}
        given, likely = self._quartiles(int(findings.given[i])), self._quartiles(int(findings.other[i]))
        ratio = _log_ratio(row, given, likely, spread)
        order = np.argsort(-np.abs(ratio), kind="stable")[:SHOWN]
        shown = [
            {**rows[j], "given": _numbers(given[:, j]), "likely": _numbers(likely[:, j]), "speaks": float(ratio[j])}
            for j in order.tolist()
        ]
        return {"features": shown, "features_total": len(row)}

    def other_columns(self, i: int) -> list[dict[str, str]]:
        """Name and value of the source's columns that are neither input nor label; [] if there are none or they cannot
        be read."""
        source = self._source()
        if source is None or self.desk.data_error():
            return []
        place = int(self.desk.data().rows[i])
        if not 0 <= place < len(source.table):  # -1: the example is no longer in the data
            return []
        return [{"name": visible(name, NAME), "value": _lines(value)} for name, value in source.row(place)]

    def _source(self) -> SourceRows | None:
        with self._lock:
            if not self._opened:
                self._opened = True
                try:
                    self._others = source_rows(located(self.desk.findings, self.desk.folder))
                except (
                    UserError,
                    OSError,
                ):  # the other columns may be gone; the findings do not need them
                    self._others = None
            return self._others

    def _standard(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of every feature."""
        if self._spread is None:
            inputs = self.desk.data().inputs
            some = self._some(range(0, len(inputs), _step(len(inputs), len(inputs[0]), 20_000)))
            some = some[np.isfinite(some).all(1)]  # without examples that are no longer in the data
            self._spread = some.mean(0), some.std(0)
        return self._spread

    def _some(self, rows: Iterable[int]) -> np.ndarray:
        """(m, d) float64 features of some rows."""
        inputs = self.desk.data().inputs
        return np.stack([np.asarray(inputs[i], np.float64) for i in rows])

    def _quartiles(self, label: int) -> np.ndarray:
        """(3, d) quartiles of the features of a class."""
        quartiles = self._classes.get(label)
        if quartiles is None:
            width = len(self.desk.data().inputs[0])
            rows = np.flatnonzero(self.desk.findings.given == label)
            if not len(rows):
                return np.full((3, width), np.nan)
            some = self._some(rows[:: _step(len(rows), width, SAMPLE)].tolist())
            some = some[np.isfinite(some).all(1)]
            if not len(some):
                return np.full((3, width), np.nan)
            quartiles = self._classes[label] = np.quantile(some, (0.25, 0.5, 0.75), axis=0)
            while len(self._classes) > KEPT:
                self._classes.popitem(last=False)
        return quartiles


def _step(rows: int, columns: int, most: int) -> int:
    """The step between rows that keeps to `most` rows and CELLS values."""
    return max(1, -(-rows // most), -(-rows * columns // CELLS))


def _log_ratio(row: np.ndarray, given: np.ndarray, likely: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """(d,) log-likelihood ratio of each value: positive for the likely class, negative for the given one."""
    width = ((given[2] - given[0]) + (likely[2] - likely[0])) / (
        2 * 1.349
    )  # standard deviation of a normal distribution with these quartiles
    width = np.maximum(width, 0.05 * spread)  # equal quartiles must not give infinite evidence
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (((row - given[1]) / width) ** 2 - ((row - likely[1]) / width) ** 2) / 2
    return np.clip(np.nan_to_num(ratio, nan=0.0, posinf=MAX_RATIO, neginf=-MAX_RATIO), -MAX_RATIO, MAX_RATIO)


def _lines(value: str) -> str:
    """A value with its line breaks; other control characters are made visible."""
    return "\n".join(visible(line, VALUE) for line in value[:VALUE].splitlines())


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_number(value) for value in values]
