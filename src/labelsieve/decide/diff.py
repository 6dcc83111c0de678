"""A data set after its decisions, and what changed between two versions of it.

The current label is the given one unless all reviewers with an answer agree on another; an example that they exclude is
no longer in the set. Examples are matched by content if both runs have it (`core.row_matching`), else by exact id.
Cost: one hash table and one pass over the ids; everything else is NumPy over positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat

import numpy as np

from labelsieve.core.count_words import ends
from labelsieve.core.decision import Fold
from labelsieve.core.findings import Estimate, Findings
from labelsieve.core.row_matching import match
from labelsieve.core.shares import percent


@dataclass(frozen=True, eq=False)
class DatasetVersion:
    """n examples after the decisions on them.

    Attributes:
        ids: (n,) object array of str.
        names: class names; the run's own, then those that reviewers added.
        labels: (n,) int64, the current labels, as positions in `names`.
        kept: (n,) bool, not excluded by a decision.
        reviewed: (n,) bool, has an answer on which the reviewers agree.
        p_wrong: (n,) float64, that the given label is wrong, calibrated by the reviews.
        left: estimated number of wrong labels among the examples without an answer.
        group: (n,) int64, group of duplicates, -1 for none; or None if none were looked for.
        left_out: ids of the examples that could not be read.
        measured: whether reviews measured `left`, so that its ends are a 95 % interval.
        content: (n,) uint64 as in `Findings`; None if it is not known.
        splits: (n,) as in `Findings`; None if the data have none.
        several: number of classes of which each example has one question after the other; 0 for one label per example.
    """

    ids: np.ndarray
    names: tuple[str, ...]
    labels: np.ndarray
    kept: np.ndarray
    reviewed: np.ndarray
    p_wrong: np.ndarray
    left: Estimate
    group: np.ndarray | None
    left_out: tuple[str, ...]
    measured: bool = False
    content: np.ndarray | None = None
    splits: np.ndarray | None = None
    several: int = 0

    @property
    def rate_left(self) -> Estimate:
        """The share of the kept examples whose label is still wrong."""
        n = max(1, int(self.kept.sum()))
        return Estimate(self.left.count / n, self.left.low / n, min(1.0, self.left.high / n))

    @property
    def rate_ends(self) -> str:
        """The ends of `rate_left` in words."""
        rate = self.rate_left
        low, high = percent(rate.low, ".2f"), percent(rate.high, ".2f")
        return ends(low, high, measured=self.measured, n=int((~self.reviewed).sum()))

    def class_sizes(self) -> dict[str, int]:
        """Kept examples of each class, by name."""
        count = np.bincount(self.labels[self.kept], minlength=len(self.names))
        return dict(zip(self.names, count.tolist(), strict=True))


def dataset_version(
    findings: Findings, fold: Fold, p_wrong: np.ndarray, left: Estimate, *, measured: bool = False
) -> DatasetVersion:
    """The data set of a run after its decisions; `p_wrong` (n,), `left` and `measured` are the calibrated ones.
    Decisions on ids that the run does not have change nothing."""
    labels, names = findings.given.copy(), list(findings.classes)
    kept, reviewed = np.ones(len(findings), bool), np.zeros(len(findings), bool)
    number = {name: i for i, name in enumerate(names)}
    decided = fold.ids()
    for key, i in zip(decided, _positions(findings.ids, decided).tolist(), strict=True):
        verdict = fold.verdict(key)
        if verdict is None or i < 0:
            continue
        reviewed[i] = True
        if verdict.act == "exclude":
            kept[i] = False
        elif verdict.act == "relabel" and verdict.label is not None:
            if verdict.label not in number:
                number[verdict.label] = len(names)
                names.append(verdict.label)
            labels[i] = number[verdict.label]
    group = findings.extra.get("duplicate_group")
    left_out = tuple(e.id for e in findings.excluded)
    return DatasetVersion(
        findings.ids,
        tuple(names),
        labels,
        kept,
        reviewed,
        p_wrong,
        left,
        group,
        left_out,
        measured,
        findings.content,
        findings.splits,
        findings.settings.get("several") or 0,
    )


@dataclass(frozen=True, eq=False, repr=False)
class Difference:
    """What changed from an old version to a new one.

    Attributes:
        added, removed: ids (object arrays) that only the new or only the old version keeps.
        relabelled: (id, old label, new label) as three aligned arrays: ids, names, names.
        sizes: class name -> (examples before, examples now), for classes of either version.
        before, now: the share of labels still wrong.
        ends: the ends of both in words (before, now).
        common: how many ids both versions have, kept or not.
        notes: decisions that could not be matched to an example.
    """

    added: np.ndarray
    removed: np.ndarray
    relabelled: tuple[np.ndarray, np.ndarray, np.ndarray]
    sizes: dict[str, tuple[int, int]]
    before: Estimate
    now: Estimate
    common: int
    ends: tuple[str, str] = ("", "")
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        changed = f"{len(self.relabelled[0]):,} relabelled"
        return f"Difference({len(self.added):,} added, {len(self.removed):,} removed, {changed})"


def difference(old: DatasetVersion, new: DatasetVersion) -> Difference:
    """What changed from `old` to `new`, each after its decisions."""
    old_ids, new_ids = old.ids[old.kept], new.ids[new.kept]
    at = _same(old, new)
    stays = np.zeros(len(old_ids), bool)
    stays[at[at >= 0]] = True
    number = {name: i for i, name in enumerate(new.names)}
    moved = np.array([number.get(name, -1) for name in old.names], np.int64)  # old class -> its number now
    both = np.flatnonzero(at >= 0)
    label_before, label_now = old.labels[old.kept][at[both]], new.labels[new.kept][both]
    changed = moved[label_before] != label_now
    names = np.array(old.names, object)[label_before[changed]], np.array(new.names, object)[label_now[changed]]
    sizes, sizes_now = old.class_sizes(), new.class_sizes()
    return Difference(
        added=new_ids[at < 0],
        removed=old_ids[~stays],
        relabelled=(new_ids[both[changed]], *names),
        sizes={name: (sizes.get(name, 0), sizes_now.get(name, 0)) for name in dict.fromkeys([*sizes, *sizes_now])},
        before=old.rate_left,
        now=new.rate_left,
        ends=(old.rate_ends, new.rate_ends),
        common=int((at >= 0).sum()) or int((_positions(old.ids, new.ids) >= 0).sum()),
    )


def _same(old: DatasetVersion, new: DatasetVersion) -> np.ndarray:
    """For each kept example of the new version, its position among the kept ones of the old version, -1 if it is new.
    An example that was edited under its own id is still the same example; an id that is only a row number proves
    nothing."""
    old_ids, new_ids = old.ids[old.kept], new.ids[new.kept]
    if old.content is None or new.content is None:
        return _positions(old_ids, new_ids)
    number = {name: i for i, name in enumerate(old.names)}
    code = np.array([number.get(name, -1 - i) for i, name in enumerate(new.names)], np.int64)
    at = match(
        new_ids, new.content[new.kept], code[new.labels[new.kept]], old_ids, old.content[old.kept], old.labels[old.kept]
    )
    free = np.ones(len(old_ids), bool)
    free[at[at >= 0]] = False
    for i, j in zip(np.flatnonzero(at < 0).tolist(), _positions(old_ids, new_ids[at < 0]).tolist(), strict=True):
        if j >= 0 and free[j] and not new_ids[i].isdecimal():
            at[i] = j
    return at


def _positions(ids, queries) -> np.ndarray:
    """The position of each of `queries` in `ids`, -1 if it is missing."""
    if not len(queries):
        return np.empty(0, np.int64)
    place = dict(zip(ids, range(len(ids)), strict=True))
    return np.fromiter(map(place.get, queries, repeat(-1)), np.int64, len(queries))
