"""Leaks between splits: examples of one split that are also in another, as exact or near duplicates.

A model that was trained on the copy has seen the answer, so its accuracy on the split is too high. The copies are those
that `find` found (`stats.duplicates`); this only looks at which splits they are in.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from labelsieve.core.findings import Findings


@dataclass(frozen=True)
class Leak:
    """How many examples of the split `split` are also in the split `also`; of them `exact` are exact copies, and
    `disagree` are in groups of copies whose given labels differ."""

    split: str
    also: str
    examples: int
    exact: int
    disagree: int

    def __str__(self) -> str:
        verb, copy = ("are", "copies") if self.examples > 1 else ("is", "copy")
        near = self.examples - self.exact
        kinds = [f"{self.exact:,} exact" if self.exact else "", f"{near:,} near" if near else ""]
        plural = "" if self.examples == 1 else "s"
        labels = f"; the labels of {self.disagree:,} differ" if self.disagree else ""
        found = f"{self.examples:,} example{plural} of {self.split} {verb} also in {self.also}"
        return f"{found} ({' and '.join(filter(None, kinds))} {copy}{labels})"


@dataclass(frozen=True, eq=False)
class Leaks:
    """The m examples, or questions about examples, that are in groups of duplicates with several splits, by group.

    Attributes:
        rows: (m,) int64, their positions in the data.
        exact: (m,) bool, an example of another split has the same content.
        agree: (m,) bool, all given labels of the group are equal.
        leaked: (m,) bool, a copy is in a split that comes first: one of training, or one that appears earlier.
        pairs: the counts for each two splits that share examples; of train and another split, the other one leaks.
    """

    rows: np.ndarray
    exact: np.ndarray
    agree: np.ndarray
    leaked: np.ndarray
    pairs: tuple[Leak, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def table(self, findings: Findings) -> pa.Table:
        """The examples as an Arrow table: id, split, given_label, duplicate_group, exact, labels_agree. Of questions
        each example has one row, whose label names its classes, and whose group is that of its first question."""
        import pyarrow as pa

        if several := findings.settings.get("several") or 0:
            return self._of_examples(findings, several)
        names = pa.array(findings.classes, pa.string())
        return pa.table(
            {
                "id": pa.array(findings.ids[self.rows].tolist(), pa.string()),
                "split": pa.array(findings.extra["split"][self.rows], pa.string()),
                "given_label": names.take(pa.array(findings.given[self.rows])),
                "duplicate_group": pa.array(findings.extra["duplicate_group"][self.rows]),
                "exact": pa.array(self.exact),
                "labels_agree": pa.array(self.agree),
            }
        )

    def _of_examples(self, findings: Findings, several: int) -> pa.Table:
        import pyarrow as pa

        rows = self.rows // several
        first = np.sort(np.unique(rows, return_index=True)[1])
        order, examples = self.rows[first], rows[first]
        agree = np.ones(len(findings) // several, bool)
        np.logical_and.at(agree, rows, self.agree)
        given = findings.given.reshape(-1, several)[examples]
        has = [[findings.classes[answer] for answer in row if answer % 2] for row in given.tolist()]
        return pa.table(
            {
                "id": pa.array([str(key) for key in findings.extra["example"][order]], pa.string()),
                "split": pa.array(findings.extra["split"][order], pa.string()),
                "given_label": pa.array([", ".join(names) for names in has], pa.string()),
                "duplicate_group": pa.array(findings.extra["duplicate_group"][order]),
                "exact": pa.array(self.exact[first]),
                "labels_agree": pa.array(agree[examples]),
            }
        )


def in_order(splits: np.ndarray) -> list[str]:
    """The names of the splits (n,), without "": those of training first, then the others as they first appear."""
    names = [name for name in dict.fromkeys(splits.tolist()) if name]
    return sorted(names, key=lambda name: not name.lower().startswith("train"))


def find_leaks(
    splits: np.ndarray,
    group: np.ndarray,
    labels: np.ndarray,
    content: np.ndarray | None,
    example: np.ndarray | None = None,
) -> Leaks:
    """The leaks between the splits of n examples.

    Args:
        splits: (n,) object array of names, "" where an example is in no split.
        group: (n,) int64, the group of duplicates of each example, -1 for none.
        labels: (n,) int64.
        content: (n,) uint64 hashes, 0 where unknown; None if all are.
        example: (n,) int64, of questions the example that each is about, which is counted once; None of examples.
    """

    def many_of(chosen: np.ndarray) -> int:
        return int(chosen.sum()) if example is None else len(np.unique(example[rows[chosen]]))

    names = in_order(splits)
    number = {name: i for i, name in enumerate(names)}
    rows = np.flatnonzero(group >= 0)
    code = np.array([number.get(name, -1) for name in splits[rows].tolist()], np.int64)
    rows, code = rows[code >= 0], code[code >= 0]
    many = len(names)
    where = np.unique(group[rows], return_inverse=True)[1]
    within = np.zeros((int(where.max(initial=-1)) + 1, many), bool)  # (groups, splits)
    within[where, code] = True
    crossing = (within.sum(1) > 1)[where]
    rows, code, where = rows[crossing], code[crossing], where[crossing]
    order = np.lexsort((rows, code, where))
    rows, code, where = rows[order], code[order], where[order]
    starts = np.flatnonzero(np.diff(where, prepend=-1))
    low, high = (edge.reduceat(labels[rows], starts) if len(rows) else rows for edge in (np.minimum, np.maximum))
    agree = np.repeat(low == high, np.diff(starts, append=len(rows)))
    same = np.zeros(len(rows), np.uint64) if content is None else content[rows]
    exact, leaked = np.zeros((2, len(rows)), bool)
    pairs = []
    for a, b in combinations(range(many), 2):
        both = (within[:, a] & within[:, b])[where]
        if not both.any():
            continue
        ours, theirs = both & (code == b), both & (code == a)
        shared = np.intersect1d(same[ours], same[theirs])
        equal = both & np.isin(same, shared[shared != 0]) & (ours | theirs)
        exact |= equal
        leaked |= ours
        counts = (many_of(chosen) for chosen in (ours, equal & ours, ours & ~agree))
        pairs.append(Leak(names[b], names[a], *counts))
    return Leaks(rows, exact, agree, leaked, tuple(pairs))
