"""A corrected copy of the data, in the layout of the source, with a patch that lists the changes.

The source is only read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from labelsieve import formats
from labelsieve.core.added_columns import FILES
from labelsieve.core.conflict import Conflict
from labelsieve.core.dataset import Dataset
from labelsieve.core.files import scratch
from labelsieve.core.new_folder import new_folder
from labelsieve.corrections import patch as patches
from labelsieve.corrections.history import History
from labelsieve.corrections.patch import Change
from labelsieve.corrections.plan import Plan, plan
from labelsieve.corrections.several_cells import write_several
from labelsieve.formats import lance
from labelsieve.places import paths
from labelsieve.places.transfer import fetched

_LIST = ", so the copy is a list of ids and labels: labels.csv."


@dataclass(frozen=True)
class Renamed:
    """An example whose file has a new name in the copy, because its class folder already has a file of its name."""

    id: str
    file: str


@dataclass(frozen=True)
class Copied:
    """The result of writing a copy.

    Attributes:
        files: the names in the new folder.
        renamed: files with a new name.
        notes: notes for the user about the copy.
        more: further columns of the patch, one cell per change.
    """

    files: tuple[str, ...] = ()
    renamed: tuple[Renamed, ...] = ()
    notes: tuple[str, ...] = ()
    more: Mapping[str, Sequence[str]] = field(default_factory=dict)


def write_copy(data: Dataset, changes: Sequence[Change], conflicts: Sequence[Conflict], out: Path) -> Copied:
    """Write the changed data into the new folder `out`.

    Raises:
        UserError: the folder cannot be written to, or a change does not fit the format of the data.
    """
    recipe = dict(data.recipe or {})
    source = recipe.get("source", "")
    hub = source.startswith("hf:") and not paths.is_remote(source)
    data = _all_splits(data, recipe) if "split" in recipe and not hub else data
    with new_folder(out, source.removeprefix("hf:")) as folder:
        if data.questions is not None:
            copied = Copied(notes=write_several(recipe, data, changes, folder))
        elif "format" in recipe and "labels" not in recipe and formats.writes(recipe["format"]):
            copied = _format(recipe, changes, folder)
        elif data.votes is not None and "labels" not in recipe and (data.votes.given or "votes" not in recipe):
            # the source has one row per vote, or no labels
            copied = _listed(data, changes, folder, "The labels came from votes" + _LIST)
        elif "labels" in recipe:
            copied = _labels(recipe, data, changes, folder)
        elif "format" in recipe:
            copied = _listed(data, changes, folder, "The tool reads no labels back" + _LIST)
        elif hub:
            copied = _hub(source, data, changes, folder)
        elif paths.is_folder(source) and not lance.is_lance(source):
            copied = _folder(data, changes, folder)
        elif paths.suffix(source) == ".npz":
            copied = _arrays(source, data, changes, folder)
        else:
            copied = _table(source, data, changes, folder)
        patches.write(folder / patches.FILE, changes, copied.more)
        if conflicts:
            patches.write_conflicts(folder / patches.CONFLICTS, conflicts)
        files = tuple(sorted(entry.name for entry in folder.iterdir()))
        return Copied(files, copied.renamed, copied.notes, copied.more)


def given_labels(data: Dataset) -> dict[str, str]:
    """Id -> name of the given label."""
    return dict(zip(data.ids.tolist(), (data.classes[c] for c in data.labels), strict=True))


def _plan_for(data: Dataset, changes: Sequence[Change]) -> Plan:
    return plan(data.length, data, changes)


def _with_notes(history: History, *more: str) -> Copied:
    return Copied(notes=tuple(filter(None, (history.note, *more))))


def _labels(recipe: Mapping[str, str], data: Dataset, changes: Sequence[Change], folder: Path) -> Copied:
    from labelsieve.corrections.label_list import OWN, apply_labels
    from labelsieve.data.label_file import reload_labels

    ids, labels, more = reload_labels(recipe, data, OWN)
    return _with_notes(apply_labels(ids, labels, more, changes, folder / "labels.csv", by_order="source" not in recipe))


def _listed(data: Dataset, changes: Sequence[Change], folder: Path, why: str) -> Copied:
    """The labels as a list, with a note that says why the source is not copied."""
    from labelsieve.corrections.label_list import apply_labels

    given = given_labels(data)
    history = apply_labels(list(given), list(given.values()), {}, changes, folder / "labels.csv", by_order=False)
    return _with_notes(history, why)


def _format(recipe: Mapping[str, str], changes: Sequence[Change], folder: Path) -> Copied:
    new = {change.id: change.new or None for change in changes}
    named = {role: recipe[role] for role in formats.ROLES if role in recipe}
    return Copied(notes=tuple(formats.write(recipe["format"], recipe["source"], new, folder, named)))


def _hub(source: str, data: Dataset, changes: Sequence[Change], folder: Path) -> Copied:
    from labelsieve.corrections.huggingface import apply_hub
    from labelsieve.data.hub import open_splits

    splits, name = open_splits(source)
    done = _with_notes(apply_hub(splits, name, data.label_column, _plan_for(data, changes), folder / "data"))
    others = ", ".join(key for key in splits if key != name)
    note = f"The copy has all splits; only {name} was read, so {others} stayed as it was."
    return replace(done, notes=(*done.notes, note)) if others else done


def _all_splits(data: Dataset, recipe: Mapping[str, str]) -> Dataset:
    """The data with the splits that were not read, which are copied unchanged."""
    from labelsieve.data import load

    whole = load(**{name: value for name, value in recipe.items() if name not in ("split", "probs")})
    left = {item.id: item for item in (*whole.excluded, *data.excluded)}
    keep = np.array([key not in left for key in whole.ids.tolist()], bool)
    return replace(whole.take(keep), excluded=tuple(left.values()))


def _folder(data: Dataset, changes: Sequence[Change], folder: Path) -> Copied:
    if data.label_column:  # the labels were read from files beside the images
        from labelsieve.corrections.beside_images import apply_beside

        return Copied(notes=apply_beside(data, changes, folder))
    from labelsieve.corrections.class_folders import apply_folder, copy_unlabelled
    from labelsieve.corrections.folder_history import carry_history

    files = dict(zip(data.ids.tolist(), data.inputs.paths, strict=True))  # pyright: ignore[reportAttributeAccessIssue]
    given = given_labels(data)
    targets = apply_folder(files, given, changes, folder)
    unlabelled = copy_unlabelled(data, folder)
    note = f"Images without a label were copied as they are: {unlabelled:,}."
    renamed = ((key, target) for key, target in targets.items() if os.path.basename(target) != paths.name(files[key]))
    with _earlier(data.source) as source:
        more = carry_history(source, folder, targets, given, changes)
    named = tuple(Renamed(key, target) for key, target in renamed)
    return Copied(renamed=named, notes=(note,) if unlabelled else (), more=more)


@contextmanager
def _earlier(source: str) -> Iterator[Path]:
    """A local folder with the files that earlier rounds wrote into a folder of images."""
    if not paths.is_remote(source):
        yield Path(source)
        return
    with scratch() as folder:
        for name in FILES:
            if paths.is_file(paths.join(source, name)):
                fetched(paths.join(source, name), folder)
        yield folder


def _arrays(source: str, data: Dataset, changes: Sequence[Change], folder: Path) -> Copied:
    from labelsieve.corrections.npz import apply_npz

    return _with_notes(apply_npz(source, _plan_for(data, changes), folder / paths.name(source), paths.opened))


def _table(source: str, data: Dataset, changes: Sequence[Change], folder: Path) -> Copied:
    from labelsieve.corrections.class_folders import copy_beside
    from labelsieve.corrections.table_file import apply_table
    from labelsieve.data.croissant import renewed

    out = folder / paths.name(paths.file_of(source))
    history = apply_table(source, data.label_column, _plan_for(data, changes), out, paths.opened)
    described = None if out.is_dir() else renewed(paths.file_of(source), out)
    if described is not None:
        (folder / described[0]).write_bytes(described[1])
    pictures = getattr(data.inputs, "paths", None)
    if not pictures or paths.is_remote(source):
        return _with_notes(history)
    left_out = {change.id for change in changes if not change.new}
    kept = [path for key, path in zip(data.ids, pictures, strict=True) if key not in left_out]
    outside = copy_beside(kept, os.path.dirname(source), folder)
    note = f"{outside:,} images outside the folder of the table were not copied; the table still names them."
    return _with_notes(history, note if outside else "")
