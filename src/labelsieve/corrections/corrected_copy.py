"""A corrected copy of the data, in the layout they came in, with a patch of what changed. The source is only read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labelsieve.core.conflict import Conflict
from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.new_folder import new_folder
from labelsieve.corrections import patch as patches
from labelsieve.corrections.history import History
from labelsieve.corrections.patch import Change
from labelsieve.corrections.plan import Plan, plan
from labelsieve.data import paths


@dataclass(frozen=True)
class Renamed:
    """An example whose file got another name in the copy, because the folder of its class had one of its name."""

    id: str
    file: str


@dataclass(frozen=True)
class Copied:
    """
    Attributes:
        files: the names in the new folder.
        renamed: files under another name.
        notes: what should be known of the copy.
        more: further columns of the patch, a cell for each change.
    """

    files: tuple[str, ...] = ()
    renamed: tuple[Renamed, ...] = ()
    notes: tuple[str, ...] = ()
    more: Mapping[str, Sequence[str]] = field(default_factory=dict)


def write_copy(data: Dataset, changes: Sequence[Change], conflicts: Sequence[Conflict], out: Path) -> Copied:
    """Write the data with the changes carried out into the new folder `out`.

    Raises:
        UserError: the folder cannot be written to, or a change does not fit the format of the data.
    """
    recipe = dict(data.recipe or {})
    source = recipe.get("source", "")
    with new_folder(out, source.removeprefix("hf:")) as place:
        if "labels" in recipe:
            copied = _labels(recipe, data, changes, place)
        elif source.startswith("hf:") and not paths.is_remote(source):
            copied = _hub(source, data, changes, place)
        elif paths.is_folder(source):
            copied = _folder(data, changes, place)
        elif paths.suffix(source) == ".npz":
            copied = _arrays(source, data, changes, place)
        else:
            copied = _table(source, data, changes, place)
        patches.write(place / patches.FILE, changes, copied.more)
        if conflicts:
            patches.write_conflicts(place / patches.CONFLICTS, conflicts)
        files = tuple(sorted(entry.name for entry in place.iterdir()))
        return Copied(files, copied.renamed, copied.notes, copied.more)


def given_labels(data: Dataset) -> dict[str, str]:
    """Id -> name of the given label."""
    return dict(zip(data.ids.tolist(), (data.classes[c] for c in data.labels), strict=True))


def _planned(data: Dataset, changes: Sequence[Change]) -> Plan:
    return plan(data.length, data, changes)


def _noted(history: History, *more: str) -> Copied:
    return Copied(notes=tuple(filter(None, (history.note, *more))))


def _labels(recipe: Mapping[str, str], data: Dataset, changes: Sequence[Change], place: Path) -> Copied:
    from labelsieve.corrections.label_list import OWN, apply_labels
    from labelsieve.data.label_file import reload_labels

    ids, labels, more = reload_labels(recipe, data, OWN)
    return _noted(apply_labels(ids, labels, more, changes, place / "labels.csv", by_order="source" not in recipe))


def _hub(source: str, data: Dataset, changes: Sequence[Change], place: Path) -> Copied:
    from labelsieve.corrections.huggingface import apply_hub
    from labelsieve.data.hub import open_split

    return _noted(apply_hub(open_split(source)[0], data.label_column, _planned(data, changes), place / "data"))


def _folder(data: Dataset, changes: Sequence[Change], place: Path) -> Copied:
    from labelsieve.corrections.class_folders import apply_folder
    from labelsieve.corrections.folder_history import carry

    if paths.is_remote(data.source):
        raise UserError(f"{data.source} is an address; a corrected copy is made of a local folder. Download it first.")
    files = dict(zip(data.ids.tolist(), data.inputs.paths, strict=True))  # pyright: ignore[reportAttributeAccessIssue]
    given = given_labels(data)
    goals = apply_folder(files, given, changes, place)
    other = ((key, goal) for key, goal in goals.items() if os.path.basename(goal) != os.path.basename(files[key]))
    more = carry(Path(data.source), place, goals, given, changes)
    return Copied(renamed=tuple(Renamed(key, goal) for key, goal in other), more=more)


def _arrays(source: str, data: Dataset, changes: Sequence[Change], place: Path) -> Copied:
    from labelsieve.corrections.npz import apply_npz

    return _noted(apply_npz(source, _planned(data, changes), place / os.path.basename(source), paths.opened))


def _table(source: str, data: Dataset, changes: Sequence[Change], place: Path) -> Copied:
    from labelsieve.corrections.class_folders import copy_beside
    from labelsieve.corrections.table_file import apply_table

    out = place / os.path.basename(source)
    history = apply_table(source, data.label_column, _planned(data, changes), out, paths.opened)
    pictures = getattr(data.inputs, "paths", None)
    if not pictures or paths.is_remote(source):
        return _noted(history)
    gone = {change.id for change in changes if not change.new}
    kept = [path for key, path in zip(data.ids, pictures, strict=True) if key not in gone]
    left = copy_beside(kept, os.path.dirname(source), place)
    note = f"{left:,} images outside the folder of the table were not copied; the table names them as before."
    return _noted(history, note if left else "")
