"""Hugging Face `datasets`: "hf:NAME_OR_FOLDER[:SPLIT]".

A folder is a data set saved with `save_to_disk` or a data folder (images or tables), and works offline; any other name
is loaded from the hub. Without a split, "train" is read, or the only one. A label column of type ClassLabel gives the
class names and is recognised by its type. Images stay encoded bytes.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from labelsieve.core.errors import UserError
from labelsieve.data.class_metadata import with_features
from labelsieve.data.columns import Columns, added
from labelsieve.data.hub_files import not_read
from labelsieve.data.label_sets import LabelSets, of_table
from labelsieve.data.labels import near
from labelsieve.data.raw_data import Draft
from labelsieve.data.readers import in_memory
from labelsieve.data.table import from_arrow, passed_over, roles

if TYPE_CHECKING:
    import pyarrow as pa


def load_hub(address: str, requested: Columns, relabelled: bool = False) -> Draft:
    """The draft of "hf:NAME_OR_FOLDER[:SPLIT]".

    Raises:
        UserError: `datasets` is not installed, there is no such data set or split, or its columns are in doubt.
    """
    splits, split, source, notes = _opened(address)
    dataset = splits[split]
    try:
        draft = from_dataset(dataset, requested, relabelled, source)
    except UserError as error:
        images = [name for name, feature in dataset.features.items() if hasattr(feature, "decode")]
        if not notes and os.path.isdir(_parse(address)[0]) and list(dataset.features) == images:
            notes = (
                "An image outside the class folders, or deeper, makes `datasets` drop all labels; leave out hf: and "
                "give the folder.",
            )
        raise error.followed_by(" ".join(notes)) from error
    return replace(draft, notes=(*notes, *draft.notes))


def open_split(address: str) -> tuple[Any, str]:
    """The `datasets.Dataset` of "hf:NAME_OR_FOLDER[:SPLIT]", and its address with the split that was read."""
    splits, split, source, _ = _opened(address)
    return splits[split], source


def open_splits(address: str) -> tuple[dict[str, Any], str]:
    """Every split of "hf:NAME_OR_FOLDER[:SPLIT]" by its name, "" for data without splits, and the one that is read."""
    return _opened(address)[:2]


def _opened(address: str) -> tuple[dict[str, Any], str, str, tuple[str, ...]]:
    """The splits, the one that is read, its address, and notes about others and about files that `datasets` did not
    read."""
    name, split = _parse(address)
    if not name.strip():
        raise UserError(f"{address!r} names no data set; write hf:NAME, or hf:FOLDER, and perhaps :SPLIT.")
    dataset = _open(name, address)
    several = not hasattr(dataset, "column_names") or isinstance(dataset.column_names, dict)
    notes = not_read(name, sum(len(dataset[part]) for part in dataset) if several else len(dataset))
    if not several:
        if split and split != str(dataset.split or "train"):
            what = f"has only the split {dataset.split}" if dataset.split else "was saved without splits"
            raise UserError(f"{name} {what}, so there is no {split!r}; leave the split out.")
        return {split: dataset}, split, f"hf:{name}:{split}" if split else f"hf:{name}", notes
    splits = list(dataset)
    split = split or (splits[0] if len(splits) == 1 else "train")
    if split not in splits:
        message = f"{name} has no split {split!r}.{near(split, splits)} Name one as hf:{name}:SPLIT."
        raise UserError(" ".join([message, *notes]))
    if len(splits) > 1:
        listed = ", ".join(f"{other} ({len(dataset[other]):,})" for other in splits)
        notes = (f"{name} has the splits {listed}; only {split} was read. Name another as hf:{name}:SPLIT.", *notes)
    return dict(dataset), split, f"hf:{name}:{split}", notes


def from_dataset(
    dataset: Any, requested: Columns, relabelled: bool = False, source: str = "the datasets.Dataset"
) -> Draft:
    """The draft of a `datasets.Dataset`."""
    if not hasattr(dataset, "with_format") or not hasattr(dataset, "__len__") or isinstance(dataset, dict):
        splits = list(dataset) if isinstance(dataset, dict) else []
        such = f", such as data[{str(splits[0])!r}]" if splits else ""
        raise UserError(
            f"The {type(dataset).__name__} cannot be read as data; give one split{such}, a datasets.Dataset of known "
            "length."
        )
    table = dataset.with_format("arrow")[:]
    requested = requested.present(table.column_names)
    columns, unused = roles(in_memory(table), _label_named(dataset, requested), source, relabelled)
    draft = from_arrow(table, columns, source, "", guessed_id=requested.id is None, unused=unused)
    draft = replace(draft, notes=(*draft.notes, *passed_over(table.column_names, requested)))
    names = getattr(dataset.features.get(columns.label), "names", None)
    if names is None:
        return draft
    return replace(draft, labels=table[columns.label].fill_null(-1).to_numpy(), classes=tuple(names))


def sets_of_hub(address: str, requested: Columns) -> tuple[Draft, LabelSets]:
    """The draft of "hf:NAME_OR_FOLDER[:SPLIT]" without its labels, and the classes that each example has.

    Raises:
        UserError: as `load_hub`; or no column holds several labels.
    """
    splits, split, source, notes = _opened(address)
    draft, sets = sets_of_dataset(splits[split], requested, source)
    return replace(draft, notes=(*notes, *draft.notes)), sets


def sets_of_dataset(dataset: Any, requested: Columns, source: str = "the datasets.Dataset") -> tuple[Draft, LabelSets]:
    """As `sets_of_hub`, of a `datasets.Dataset`."""
    taken = [requested.text, requested.image, requested.id, requested.group]
    sets = of_table(in_memory(arrow_of(dataset)), requested.label, source, taken)
    rest = dataset.remove_columns(list(sets.columns))
    return from_dataset(rest, replace(requested, label=None), relabelled=True, source=source), sets


def arrow_of(dataset: Any) -> pa.Table:
    """The rows of a `datasets.Dataset`, with its features in the metadata."""
    return with_features(dataset.with_format("arrow")[:], dataset.features.to_dict())


def _label_named(dataset: Any, requested: Columns) -> Columns:
    """The columns with the label column that is recognised by its type, if there is exactly one."""
    ours = added(dataset.features, requested)
    coded = [name for name, feature in dataset.features.items() if hasattr(feature, "int2str") and name not in ours]
    return (
        replace(requested, label=coded[0])
        if not requested.label and len(coded) == 1 and coded[0] not in requested.all()
        else requested
    )


def _parse(address: str) -> tuple[str, str]:
    rest = address.removeprefix("hf:")
    if os.path.exists(rest) or ":" not in rest:
        return rest, ""
    name, _, split = rest.rpartition(":")
    return name, split


def _open(name: str, address: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise UserError(f"{address} needs Hugging Face datasets: pip install 'labelsieve[hub]'.") from error
    try:
        if any(os.path.exists(os.path.join(name, mark)) for mark in ("state.json", "dataset_dict.json")):
            return datasets.load_from_disk(name)
        return datasets.load_dataset(name)
    except Exception as error:  # the hub, its cache and every file format have exceptions of their own
        while type(error).__name__ == "DatasetGenerationError" and error.__cause__ is not None:
            error = error.__cause__  # it says no more than that there was an error
        reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise UserError(f"{address} cannot be loaded: {reason.rstrip('.')}.") from error
