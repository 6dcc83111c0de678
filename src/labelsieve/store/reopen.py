"""The data of a run, read again and matched to its findings: by id, and by content if rows have moved.

Texts, features, probabilities and images in memory are hashed at once. Image files are hashed at once if ids are row
numbers or if all files are to be checked (`thorough`); otherwise a file is checked when it is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core.content_hash import digest, numbered, of, of_data, of_input
from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.core.read_many import UNREAD, read_many
from labelsieve.core.row_matching import match
from labelsieve.data import load, load_probabilities
from labelsieve.decide.diff import DatasetVersion
from labelsieve.places import paths
from labelsieve.store import run

PLACES = ("source", "labels", "probs", "votes")  # arguments that name files
NAMED = 3  # ids that a sentence lists
GONE = "it is no longer in the data"
CHANGED = "it has changed since `find`"


@dataclass(frozen=True, eq=False)
class Reopened:
    """The current data, matched to the n examples of the findings.

    Attributes:
        data: every usable example of the current data, in their order.
        at: (n,) int64, the position of each example of the findings in `data`; -1 if it is missing or ambiguous.
        findings: the findings of the run.
        changed: (n,) bool, its id exists but now names another example.
        relabelled: (n,) bool, it exists with another given label.
        moved: (n,) bool, it exists under another id.
        added: how many examples of `data` are new since the run.
        compared: (n,) bool, its content is already compared; the others are compared when they are read.
    """

    data: Dataset
    at: np.ndarray
    findings: Findings
    changed: np.ndarray
    relabelled: np.ndarray
    moved: np.ndarray
    added: int
    compared: np.ndarray
    _left: np.ndarray | None = None  # content of the current data, once it is needed

    @property
    def lost(self) -> np.ndarray:
        """(k,) positions of the examples that are missing or have changed."""
        return np.flatnonzero(self.at < 0)

    def copies_gone(self, i: int) -> bool:
        """Whether the example at position i of the findings is one of several identical ones and some of them are gone.
        Then an id that is a row number does not show which of them is left."""
        old = self.findings.content
        if self.data.named or old is None or old[i] == 0:
            return False
        if self._left is None:
            object.__setattr__(self, "_left", of(self.data.inputs, self.data.kind))
        assert self._left is not None
        return int((old == old[i]).sum()) > int((self._left == old[i]).sum())

    def why(self, i: int) -> str:
        """Why the example at position i of the findings is not available."""
        return CHANGED if self.changed[i] else GONE

    def stale(self, version: DatasetVersion | None = None) -> list[str]:
        """How the current data differ from those of the findings, one sentence each. Rows that only moved are no
        difference, nor are decisions (given by `version`, the data set after them) that were applied to the data."""
        gone, other = (self.at < 0) & ~self.changed, self.relabelled
        if version is not None and len(self.data):
            gone &= version.kept
            other = other & (np.array(version.names, object)[version.labels] != self._labels_now())
        facts = (
            (np.flatnonzero(self.changed), CHANGED.removeprefix("it ")),
            (np.flatnonzero(gone), GONE.removeprefix("it ")),
            (np.flatnonzero(other), "has another given label than in the run"),
        )
        sentences = [f"{_counted(self.findings.ids[rows], what)}." for rows, what in facts if len(rows)]
        if self.added:
            sentences.append(
                f"{self.added:,} {'example' if self.added == 1 else 'examples'} of {self.data.source} are new since "
                "`find`."
            )
        return sentences

    def _labels_now(self) -> np.ndarray:
        """(n,) class names in the current data; meaningless where the example is missing."""
        return np.array(self.data.classes, object)[self.data.labels[np.maximum(self.at, 0)]]

    def notes(self) -> list[str]:
        """`stale`, and how many rows have moved."""
        moved = np.flatnonzero(self.moved)
        if not len(moved):
            return self.stale()
        i = int(moved[0])
        first = f"the first, {self.findings.ids[i]!r} in the run, is {self.data.ids[self.at[i]]!r} now"
        return [
            f"{len(moved):,} examples have another id than in the run and were matched by their content; {first}.",
            *self.stale(),
        ]

    def aligned(self) -> Dataset:
        """The data in the order and under the ids of the findings; reading the input of a missing example raises
        UserError (a row of numbers is NaN instead)."""
        some = self.data.pick(np.maximum(self.at, 0)) if len(self.data) else self.data
        inputs: Any = some.inputs
        if isinstance(inputs, np.ndarray) and self.data.kind in ("features", "probs"):
            if len(self.lost):
                inputs = np.array(inputs, np.result_type(inputs, np.float32))
                inputs[self.lost] = np.nan
        else:
            inputs = _Inputs(self)
        groups = some.groups
        if groups is not None and len(self.lost):
            groups = groups.copy()
            groups[self.lost] = "(no longer in the data)"
        return replace(
            some, ids=self.findings.ids, inputs=inputs, groups=groups, rows=np.where(self.at < 0, -1, some.rows)
        )


def reopen(folder: str | Path, findings: Findings | None = None, *, thorough: bool = False) -> Reopened:
    """Read the data set of a run again.

    Args:
        thorough: read and hash every image file, too.

    Raises:
        UserError: the data were passed from memory and not kept, or have moved, or cannot be read.
    """
    findings = findings or run.load(folder)
    return matched(read(folder, findings), findings, thorough=thorough)


def read(folder: str | Path, findings: Findings) -> Dataset:
    """Read the current data of the run.

    Raises:
        UserError: as `reopen`.
    """
    recipe = findings.settings.get("recipe")
    if recipe is None:
        raise UserError(
            f"The run in {folder} was made from data in memory, which were not kept; run find on a file instead."
        )
    here = located(findings, folder)
    if "source" not in here:
        return load_probabilities(**here)
    names = findings.settings.get("columns")
    data = load(here.pop("source"), feature_columns=names, **here)
    if data.columns is None or names is None or list(data.columns.names) == names:
        return data
    lost = [name for name in names if name not in data.columns.names]
    if lost:
        raise UserError(
            f"{data.source} no longer has the column {lost[0]!r} as a feature, which the run in {folder} used; run "
            "find again."
        )
    return data.by_name(names)


def matched(data: Dataset, findings: Findings, *, thorough: bool = False) -> Reopened:
    """Match the current data to the findings."""
    names = {name: c for c, name in enumerate(findings.classes)}
    code = np.array([names.get(name, -1 - c) for c, name in enumerate(data.classes)], np.int64)[data.labels]
    old_content = np.zeros(len(findings), np.uint64) if findings.content is None else findings.content
    content = np.zeros(len(data), np.uint64)
    if old_content.any():
        content = _content(data, findings, thorough)
    at = match(findings.ids, old_content, findings.given, data.ids, content, code)
    position, present = np.maximum(at, 0), at >= 0
    free = np.ones(len(data), bool)
    free[at[present]] = False
    others = set(data.ids[free].tolist())  # rows that are none of the examples of the run
    changed = ~present & np.fromiter((key in others for key in findings.ids.tolist()), bool, len(findings))
    relabelled, moved = present.copy(), present.copy()
    if len(data):
        relabelled &= code[position] != findings.given
        moved &= (data.ids[position] != findings.ids).astype(bool)
    unread = {item.id for item in findings.excluded} - {item.id for item in data.excluded}
    added = max(0, len(others - unread) - int(changed.sum()))
    compared = present & (content[position] != 0) if len(data) else present
    return Reopened(data, at, findings, changed, relabelled, moved, added, compared)


def _content(data: Dataset, findings: Findings, thorough: bool) -> np.ndarray:
    """(m,) content of the data, 0 for image files that keep their id and need not be read yet."""
    if thorough or not hasattr(data.inputs, "paths") or row_numbers(data):
        return of_data(data)
    out = np.zeros(len(data), np.uint64)
    if set(findings.ids.tolist()) <= set(data.ids.tolist()):
        return out
    own = set(findings.ids.tolist())
    for j, key in enumerate(data.ids.tolist()):
        if key not in own:
            out[j] = of_input(data.inputs, j)
    return out


def row_numbers(data: Dataset) -> bool:
    """Whether the ids are the positions of the rows."""
    return bool(len(data)) and all(
        key == str(row) for key, row in zip(data.ids.tolist(), data.rows.tolist(), strict=True)
    )


class _Inputs(Sequence):
    """The inputs in the order of the findings; one that is missing or has changed raises UserError."""

    def __init__(self, reopened: Reopened):
        self._reopened = reopened

    def __len__(self) -> int:
        return len(self._reopened.at)

    @property
    def paths(self) -> list[str]:
        """The paths of inputs that are files, "" for a missing one; other inputs have no such attribute."""
        inner: Any = self._reopened.data.inputs
        paths = inner.paths
        return [paths[i] if i >= 0 else "" for i in self._reopened.at.tolist()]

    def __getitem__(self, i: int) -> Any:
        at = int(self._reopened.at[int(i)])
        return self._checked(int(i), self._reopened.data.inputs[at] if at >= 0 else None)

    def many(self, positions: Sequence[int], again: bool = False) -> Iterator[Any]:
        """As `core.read_many`."""
        at = self._reopened.at[positions]
        values = read_many(self._reopened.data.inputs, at[at >= 0], again=again)
        for i in positions:
            value = next(values) if self._reopened.at[i] >= 0 else None
            try:
                yield value if isinstance(value, UNREAD) else self._checked(i, value)
            except UserError as error:
                yield error

    def _checked(self, i: int, value: Any) -> Any:
        """The value read for the example at position i of the findings, if it is the same example as then."""
        reopened = self._reopened
        if reopened.at[i] < 0:
            raise UserError(f"{reopened.findings.ids[i]!r}: {reopened.why(i)}; run find again.")
        old_content = 0 if reopened.findings.content is None else int(reopened.findings.content[i])
        numbers = reopened.data.kind in ("features", "probs")  # `matched` compared all that are compared
        is_file = hasattr(reopened.data.inputs, "paths")  # it may change after it was compared
        checked = numbers or (reopened.compared[i] and not is_file)
        raw = digest(value) if old_content and not checked else None
        if raw is not None and int(numbered(raw)[0]) != old_content:
            raise UserError(f"{reopened.findings.ids[i]!r}: {CHANGED}; run find again.")
        return value


def _counted(ids: np.ndarray, what: str) -> str:
    """2 examples have changed ('a', 'b')."""
    listed = ", ".join(map(repr, ids[:NAMED].tolist())) + (", ..." if len(ids) > NAMED else "")
    plural = what.replace("has ", "have ", 1).replace("is ", "are ", 1) if len(ids) > 1 else what
    return f"{len(ids):,} {'example' if len(ids) == 1 else 'examples'} ({listed}) {plural}"


def located(findings: Findings, run_folder: str | Path) -> dict[str, str]:
    """The arguments that read the data of a run again, with the current paths of its files; {} for data in memory that
    were not kept."""
    folder, recipe = findings.settings.get("folder", "."), findings.settings.get("recipe") or {}
    return {
        name: _located_path(value, folder, run_folder) if name in PLACES else value for name, value in recipe.items()
    }


def _located_path(name: str, folder: str, run_folder: str | Path) -> str:
    """A path of the recipe: inside the run folder, or relative to the current folder if it exists there, else to
    `folder`."""
    inner = name.removeprefix("hf:")
    if inner.startswith(run.INSIDE):
        return name[: len(name) - len(inner)] + os.path.join(run_folder, inner.removeprefix(run.INSIDE))
    if (
        paths.is_remote(name)
        or os.path.isabs(inner)
        or os.path.exists(inner)
        or not os.path.exists(os.path.join(folder, inner))
    ):
        return name
    return name[: len(name) - len(inner)] + os.path.join(folder, inner)
