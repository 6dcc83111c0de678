"""The decided table: which labels are probably wrong, how probably, and what they should be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve.core import count_words
from labelsieve.core.annotators import Annotators
from labelsieve.core.arguments import require_whole
from labelsieve.core.dataset import Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.leaks import Leaks, find_leaks
from labelsieve.core.memory_map import release
from labelsieve.core.most_suspicious import Finding, Top, notebook

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Estimate:
    """An estimated number of wrong labels, low <= count <= high.

    Before any review, low to high is what different assumptions lead to, not a confidence interval. It is a 95 %
    interval once a random sample has been reviewed (`decide.calibrate.Calibrated.measured`).
    """

    count: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Findings:
    """The result of `find` for n examples in K classes.

    Arrays are in the order of the data. What people look at is ranked, the most suspicious first: iteration, `top`,
    `table`, `to_pandas`, and what a notebook shows.

    Attributes:
        ids: (n,) object array of str, the user's own ids, in the order of the data.
        classes: the K class names.
        given: (n,) int64, the given label as a position in `classes`.
        other: (n,) int64, the likeliest class apart from the given one.
        p_wrong: (n,) float64 in [0, 1], the estimated probability that the given label is wrong.
        rank: (n,) int64, 1 = most suspicious.
        flagged: (n,) bool, the labels worth a look: the first rows of the ranking, as many as `decide.count.to_flag`
            says. Their share of wrong labels should be `expected_precision`.
        scores: detector name -> (n,) float, higher = more suspicious.
        flags: detector name -> (n,) bool, what the detector's own rule calls wrong; a detector may have no rule.
        suggestions: detector name -> (n,) int64, the class that the detector would give instead; it may name none.
        extra: further columns (n,) that explain a row.
        wrong: the estimated number of wrong labels.
        excluded: what was left out, and why.
        notes: sentences that the user should read (a detector that had to be skipped, a fallback that was used).
        settings: what was run: source, data hash, versions, seed, encoder, detectors, seconds per stage.
        content: (n,) uint64, a hash of each example itself (`core.content_hash`), 0 if unknown; None in runs of older
            versions.
        annotators: what the votes of several annotators say about them; None without votes.
        examples: shows small examples in a notebook (`encode.small_example.Examples`), or None; not copied or pickled
            with the rest.
    """

    ids: np.ndarray
    classes: tuple[str, ...]
    given: np.ndarray
    other: np.ndarray
    p_wrong: np.ndarray
    rank: np.ndarray
    flagged: np.ndarray
    scores: dict[str, np.ndarray]
    extra: dict[str, np.ndarray]
    wrong: Estimate
    excluded: tuple[Exclusion, ...] = ()
    notes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    content: np.ndarray | None = None
    flags: dict[str, np.ndarray] = field(default_factory=dict)
    suggestions: dict[str, np.ndarray] = field(default_factory=dict)
    annotators: Annotators | None = None
    examples: Any = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("examples", "leaks")}

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<Findings: {self.in_words()}>"

    def in_words(self, *, measured: bool = False, unreviewed: int | None = None) -> str:
        """The size, the count and the flags in one line.

        Args:
            measured: whether reviews measured the count (`core.count_words`).
            unreviewed: examples that nobody has reviewed; None: all.
        """
        left = len(self) if unreviewed is None else unreviewed
        spread = count_words.ends(f"{self.wrong.low:,.0f}", f"{self.wrong.high:,.0f}", measured=measured, n=left)
        several = self.settings.get("several") or 0
        size = f"{len(self):,} examples, {len(self.classes):,} classes"
        if several:
            classes = "1 class" if several == 1 else f"{several:,} classes"
            size = f"{len(self):,} questions about {len(self) // several:,} examples and {classes}"
        count = f"about {self.wrong.count:,.0f} wrong ({spread})"
        return f"{size}, {count}, {count_words.flags(int(self.flagged.sum()), self.expected_precision)}"

    def __iter__(self) -> Iterator[Finding]:
        """Every row, the most suspicious first."""
        return iter(Top(self, self.order()))

    def top(self, n: int = 20) -> Top:
        """The `n` most suspicious examples, the worst first; all of them if there are fewer.

        Raises:
            UserError: n is not a whole number, or is below 0.
        """
        if require_whole(n, "n") < 0:
            raise UserError(f"n is {n}; give the number of examples to show, 0 or more.")
        return Top(self, self.order()[: int(n)])

    def _repr_html_(self) -> str:
        return notebook(self, f"Findings: {self.in_words()}")

    def plot(self) -> Any:
        """A matplotlib figure: a histogram of p_wrong and the most frequent confusions.

        Raises:
            UserError: matplotlib is not installed.
        """
        from labelsieve.core.findings_plot import plot

        return plot(self)

    @property
    def suggested(self) -> np.ndarray:
        """(n,) int64, the likely label: `other` where the row is flagged or its label is more likely wrong than right
        (p_wrong above one half), else `given`."""
        return np.where(self.flagged | (self.p_wrong > 0.5), self.other, self.given)

    @property
    def expected_precision(self) -> float:
        """The share of the flagged labels that is expected to be wrong: the mean of p_wrong over them; NaN without
        flags."""
        return float(self.p_wrong[self.flagged].mean()) if self.flagged.any() else math.nan

    def flagged_by(self, i: int) -> tuple[str, ...]:
        """The detectors whose own rule calls row `i` wrong."""
        return tuple(name for name, flag in self.flags.items() if flag[i])

    @property
    def splits(self) -> np.ndarray | None:
        """(n,) object array of str, the split of each example (train, test, ...), "" where it is in none; None if the
        data have no splits."""
        return self.extra.get("split")

    @cached_property
    def leaks(self) -> Leaks | None:
        """The examples that are in more than one split, as exact or near duplicates; None if the data have no splits,
        or duplicates were not looked for."""
        if self.splits is None or "duplicate_group" not in self.extra:
            return None
        several = self.settings.get("several") or 0
        example = np.arange(len(self)) // several if several else None
        return find_leaks(self.splits, self.extra["duplicate_group"], self.given, self.content, example)

    def confusions(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The confused labels, most frequent first: given (m,), likely (m,), expected number of examples (m,)."""
        cell = self.given * len(self.classes) + self.other
        if len(self.classes) ** 2 <= len(self):  # no sort is needed
            size = np.bincount(cell)
            count, cell = np.bincount(cell, self.p_wrong)[size > 0], np.flatnonzero(size)
        else:
            cell, where = np.unique(cell, return_inverse=True)
            count = np.bincount(where, self.p_wrong, minlength=len(cell))
        order = np.argsort(-count, kind="stable")
        given, likely = np.divmod(cell[order], len(self.classes))
        return given, likely, count[order]

    def named_confusions(self, most: int = 10) -> list[tuple[str, str, float]]:
        """At most `most` frequent confusions by name: (given label, likely label, expected number of examples)."""
        rows = zip(*(column[:most].tolist() for column in self.confusions()), strict=True)
        return [(self.classes[given], self.classes[likely], count) for given, likely, count in rows]

    def joint(self) -> np.ndarray:
        """(K, K) float64 expected number of examples with given label i (row) and true label j. Rows add up to the
        given counts. Divided by its column sums it is the noise transition matrix P(given | true), transposed."""
        k = len(self.classes)
        out = np.bincount(self.given * k + self.other, self.p_wrong, minlength=k * k).reshape(k, k)
        out[np.arange(k), np.arange(k)] += np.bincount(self.given, 1 - self.p_wrong, minlength=k)
        return out

    def order(self) -> np.ndarray:
        """(n,) positions, most suspicious first."""
        return np.argsort(self.rank, kind="stable")

    def _some(self, rows: slice) -> Findings:
        """The findings on some rows, with the counts of all."""
        parts = ("scores", "flags", "suggestions", "extra")
        columns = {name: {key: column[rows] for key, column in getattr(self, name).items()} for name in parts}
        plain = {name: getattr(self, name)[rows] for name in ("ids", "given", "other", "p_wrong", "rank", "flagged")}
        return replace(self, **columns, **plain, content=None if self.content is None else self.content[rows])

    def tables(self, rows: int) -> Iterator[pa.Table]:
        """`table` in the order of the data, `rows` rows at a time; at least one. What was read of a memory map is
        released again."""
        per_detector = (self.scores, self.flags, self.suggestions, self.extra)
        columns = [self.given, self.p_wrong, *(column for part in per_detector for column in part.values())]
        for start in range(0, max(1, len(self)), rows):
            yield self._some(slice(start, start + rows)).table(ranked=False)
            for column in columns:
                release(column)

    def table(self, *, ranked: bool = True) -> pa.Table:
        """The findings as an Arrow table, the most suspicious first, or in the order of the data if `ranked` is false:
        id, given_label, suggested_label, other_label, p_wrong, rank, flagged, score_<detector> ..., the explaining
        columns, content (16 hex digits), flag_<detector> ..., suggested_<detector> ... (class names). For Polars use
        its `from_arrow`, for pandas `to_pandas`."""
        import pyarrow as pa

        names = pa.array(self.classes, pa.string())
        columns: dict[str, Any] = {
            "id": pa.array(self.ids, pa.string()),
            "given_label": names.take(pa.array(self.given)),
            "suggested_label": names.take(pa.array(self.suggested)),
            "other_label": names.take(pa.array(self.other)),
            "p_wrong": pa.array(self.p_wrong, pa.float64()),
            "rank": pa.array(self.rank, pa.int64()),
            "flagged": pa.array(self.flagged, pa.bool_()),
        }
        columns |= {f"score_{name}": pa.array(score) for name, score in self.scores.items()}
        columns |= {name: pa.array(column) for name, column in self.extra.items()}
        if self.content is not None:
            columns["content"] = _hexed(self.content)
        columns |= {f"flag_{name}": pa.array(flag, pa.bool_()) for name, flag in self.flags.items()}
        columns |= {f"suggested_{name}": names.take(pa.array(other)) for name, other in self.suggestions.items()}
        table = pa.table(columns)
        return table.take(pa.array(self.order())) if ranked else table

    def to_pandas(self, some: Top | None = None) -> Any:
        """The table, or only that of `some` rows, as a pandas frame, the most suspicious first.

        Raises:
            UserError: pandas is not installed.
        """
        require_pandas("findings")
        return (self if some is None else some).table().to_pandas()


def _hexed(content: np.ndarray) -> pa.Array:
    """Each content hash as `content_hash.hexed` writes it."""
    import pyarrow as pa

    digits = content.astype(">u8").tobytes().hex().encode()
    ends = pa.py_buffer(np.arange(0, len(digits) + 1, 16, dtype=np.int32))
    return pa.StringArray.from_buffers(len(content), ends, pa.py_buffer(digits))


def require_pandas(what: str) -> None:
    """Refuse to make a frame of `what`, the name of a value with `table`, where pandas is not installed."""
    try:
        import pandas  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"to_pandas needs pandas: pip install pandas. Without it, {what}.table() is an Arrow table."
        ) from error
