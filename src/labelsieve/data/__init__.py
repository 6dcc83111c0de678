"""Reads data from every supported source into a `Dataset`.

`load` checks what the source is and passes it to the module that reads it; `load_probabilities` reads the probabilities
of the user's own model; `noise` makes wrong labels on purpose. Heavy packages are imported only when a source needs
them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import numpy as np

from labelsieve.core.arguments import require_text, require_texts
from labelsieve.core.dataset import Dataset, require_sound
from labelsieve.core.errors import UserError, meant
from labelsieve.core.image_names import is_image
from labelsieve.core.run_files import require_data
from labelsieve.core.splits import named_splits
from labelsieve.data import array_file, columns, croissant
from labelsieve.data.box_background import EACH, how_many, is_boxed, with_background
from labelsieve.data.columns import Columns
from labelsieve.data.doors import TEXTS, door, plain_name
from labelsieve.data.finish import handed, identify, recipe, settle
from labelsieve.data.formatted import load_format, recognised, require_format
from labelsieve.data.frames import aligned, categories_of, index_ids
from labelsieve.data.label_sets import is_several
from labelsieve.data.labels import is_missing
from labelsieve.data.probabilities import load_probabilities
from labelsieve.data.raw_data import Draft
from labelsieve.data.read_several import load_several
from labelsieve.data.torch_dataset import from_torch, is_torch
from labelsieve.data.vote_hint import annotators_column
from labelsieve.formats import database, lance
from labelsieve.places import paths

TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".json", ".arrow", ".feather", ".arff", *database.SUFFIXES)
LONGEST = 255  # bytes in a name, for most file systems

VOTES = "Each row is read as an example; if the rows are votes of several annotators, say who gave them"

__all__ = ["as_dataset", "load", "load_inputs", "load_probabilities", "load_test", "require_no_columns"]


def load(
    source: Any,
    *,
    labels: Any = None,
    label: str | None = None,
    text: str | None = None,
    image: str | None = None,
    id: str | None = None,
    group: str | None = None,
    feature_columns: Sequence[str] | None = None,
    probs: Any = None,
    annotator: str | Sequence[str] | None = None,
    votes: Any = None,
    time: str | None = None,
    format: str | None = None,
    split: str | Sequence[str] | None = None,
    background: int | str | None = None,
    several: bool | str = False,
) -> Dataset:
    """Read a classification data set.

    There are many parameters because each is the name of a column or a file.

    Args:
        source: a folder with one folder of images per class, or of images beside a table of their names and labels,
            perhaps in train, val, test; a .csv, .tsv, .jsonl, .json (each also with .gz), .parquet, .arrow or .feather
            file; an .npz file with `features` (N, d) or `images` (N, H, W[, C]) uint8, `labels`, and optionally `ids`,
            `classes`, `groups`, `splits`; an .npy file of features (memory-mapped, with `labels`);
            "hf:NAME_OR_FOLDER[:SPLIT]" for Hugging Face `datasets`; any of these as an fsspec address ("s3://..."); or
            a value: an array of features or images, a list of texts or of paths of images (or a Series of them), a
            `datasets.Dataset`, a map-style torch `Dataset` of (input, label), or any frame with an Arrow interface
            (pandas, Polars, pyarrow, DuckDB).
        labels: given labels to use instead of those in the source: one per row in order, or a file: a table, an .npy
            array, a .txt file of one label per line. A table is matched by its column `id`, or by its first column that
            holds the ids, their base names or stems; `label` and `id` name columns of it too.
        label: the column of given labels in a table or frame; the next four arguments are columns too.
        text: the column of texts. If neither text nor image is named, and no column is clearly one of them, the numeric
            columns are features.
        image: the column of images: paths (relative to the table's folder), encoded bytes, or Hugging Face images.
        id: the column of ids, unique. Without it a column called `id` if its values are unique, else the index of a
            pandas frame unless it is 0, 1, 2, ..., else row numbers from 0; a note says which was used if that may
            surprise.
        group: the column that says which examples belong together (annotator, batch, patient).
        feature_columns: the feature columns of a model; if a table has all of them, no other column becomes a feature
            or excludes a row.
        probs: out-of-sample probabilities of the user's own model for these data, as in `load_probabilities`; `find`
            judges the labels with them. They are matched by id if they have ids, else by order.
        annotator: of votes of several annotators, the column that says who gave each vote (one row per vote, with `id`
            and `label`); or one column per annotator: a list of names, names separated by commas, or a pattern such as
            "rater_*". The votes are in the source, or in `votes`. Without other labels the one with most votes is the
            given label.
        votes: a table or frame of the votes, if the examples are in the source; matched by id.
        time: the column of times of votes: of several votes of one annotator on one example, the last counts.
        format: name of the format of the source (`labelsieve.formats.FORMATS`), where it is not recognised.
        split: of data with splits (folders train, valid, test; a column `split`; arrays of several splits) read only
            these: one name, several with commas between them, or a sequence. None reads all of them together.
        background: of data with boxes (COCO, YOLO, ...): how many crops without a box of each picture are examples too,
            of the class "(nothing)" (docs/boxes.md). "auto", which `find` uses: 8, and none if the source has no
            boxes, or `labels` or `probs` are given. None: none.
        several: each example may have several labels. `label` is then the column of lists, or the columns of 0 and 1,
            one for each class: names separated by commas, or a pattern such as "tag_*"; `labels` a table with them, a
            list of lists of names, or a matrix (n, K) of 0 and 1. The data set then has one question for each example
            and class (docs/several-labels.md). Lists of names and such a matrix in memory are recognised.

    Returns:
        The data set; what was left out, and why, is in its `excluded`.

    Raises:
        UserError: the message says what is wrong with the source and what to do.
    """
    source = os.fspath(source) if isinstance(source, os.PathLike) else source
    told: tuple[str, ...] = ()
    if labels is None and format is None:
        source, roles, told = croissant.resolved(source, {"label": label, "text": text, "image": image, "id": id})
        label, text, image, id = (roles[role] for role in ("label", "text", "image", "id"))
    requested = columns.named(label, text, image, id, group, feature_columns)
    if format is not None:
        require_format(format, source)
    named = named_splits(split)
    if annotator is not None and not isinstance(annotator, str):
        annotator = ",".join(require_texts(annotator, "annotator"))
    crops = how_many(background, own=labels is not None or probs is not None)
    several = bool(several) or is_several(labels)
    if several:
        if annotator is not None or votes is not None:
            raise UserError(
                "Votes of several annotators are read on one label per example; leave out <several>.", several=""
            )
        dataset, draft = load_several(
            source,
            labels,
            requested,
            lambda columns: _draft(source, columns, relabelled=True, format=format),
            format=format,
            probs=probs,
            split=named,
        )
    elif annotator is None and votes is None:
        if time is not None:
            raise UserError("<time> is the time of a vote; it needs <annotator>.", time=time)
        of_votes = None if format else annotators_column(source, set(requested.all()))
        try:
            dataset, draft = _load(
                source, labels, requested, single=False, format=format, split=named, background=crops
            )
        except UserError as error:
            if of_votes is None:
                raise
            raise error.followed_by(f"{VOTES} with <annotator>.", annotator=of_votes) from error
        if of_votes is not None and not draft.format:
            dataset = replace(dataset, notes=(*dataset.notes, f"{VOTES} (annotator: {of_votes})."))
    else:
        dataset, draft = _load_votes(source, labels, requested, annotator, votes, time, named)
    arguments = {
        "source": source,
        "labels": labels,
        "label": label,
        "text": text,
        "image": image,
        "id": id,
        "group": group,
        "probs": probs,
        "annotator": annotator,
        "votes": votes,
        "time": time,
        "format": draft.format or None,
        "split": ",".join(named) or None,
        "background": _cut(draft, crops),
        "several": "yes" if several else None,
    }
    if probs is not None and not several:
        from labelsieve.data.beside import beside

        order = draft.categories if labels is None else categories_of(labels)
        dataset = beside(dataset, probs, id=id, all_ids=identify(draft, len(draft.inputs)).tolist(), categories=order)
    notes = (*told, *dataset.notes)
    return replace(dataset, recipe=recipe(arguments), handed=handed(arguments), notes=notes)


def _cut(draft: Draft, background: int | None) -> str | None:
    """How many crops without a box each picture has, as text; None if there are no boxes, or none was asked for."""
    return str(EACH if background is None else background) if background != 0 and is_boxed(draft) else None


def as_dataset(data: Any, **columns: Any) -> Dataset:
    """A `Dataset` as it is; of anything else what `load` makes of it.

    Args:
        columns: arguments of `load`; None where they were not given.

    Raises:
        UserError: as `load`; or the data are loaded already, and columns were named; or examples have several labels.
    """
    if not isinstance(data, Dataset):
        data = load(data, **columns)
    else:
        require_sound(data)
        require_no_columns(data, columns)
    if data.questions is not None:
        raise UserError(
            f"The examples of {data.source or 'the data'} have several labels each, which only find, review, apply and "
            "export work on; give one label per example."
        )
    return data


def require_no_columns(data: Any, columns: dict[str, Any]) -> None:
    """Refuse columns (None where they were not given) of data that are loaded already."""
    given = [name for name, value in columns.items() if value is not None]
    if given and isinstance(data, Dataset):
        raise UserError(f"The data are loaded already, so {', '.join(given)} has no effect here; pass it to `load`.")


def load_test(
    source: Any,
    *,
    labels: Any = None,
    split: str | Sequence[str] | None = None,
    feature_columns: Sequence[str] | None = None,
    **roles: str | None,
) -> Dataset:
    """Read labelled data to evaluate a model on: as `load`, but one class is enough."""
    requested = columns.named(**roles, feature_columns=feature_columns)
    return _load(source, labels, requested, single=True, split=named_splits(split))[0]


def _load(
    source: Any,
    labels: Any,
    requested: Columns,
    *,
    single: bool,
    format: str | None = None,
    split: Sequence[str] = (),
    background: int | None = 0,
) -> tuple[Dataset, Draft]:
    from_file = isinstance(labels, (str, os.PathLike))
    draft = _draft(source, replace(requested, elsewhere=from_file), relabelled=labels is not None, format=format)
    draft = with_background(draft, background)
    values, ids, more = aligned(labels, source, draft.ids)
    draft = replace(draft, ids=draft.ids if ids is None else ids, notes=(*draft.notes, *more))
    if not from_file:
        return _voted(settle(draft, values, single=single, split=split), draft, given=labels is None), draft
    from labelsieve.data.label_file import require_named

    label, id = requested.label, requested.id
    require_named(
        os.fspath(labels),
        None if draft.label_column == label else label,
        None if draft.id_place == f"column {id!r}" else id,
    )
    dataset = settle(draft, values, single=single, label=label, id=id, split=split)
    return _voted(dataset, draft, given=False), draft


def _voted(dataset: Dataset, draft: Draft, *, given: bool) -> Dataset:
    """The data with the votes that their format has, if it has some."""
    if draft.votes is None:
        return dataset
    from labelsieve.data.vote_table import attached

    return attached(dataset, draft.votes, alone=False, given=given)


def _load_votes(
    source: Any,
    labels: Any,
    requested: Columns,
    annotator: str | None,
    votes: Any,
    time: str | None,
    split: Sequence[str],
) -> tuple[Dataset, Draft]:
    """The data with the votes of several annotators, in the source or in another table."""
    from labelsieve.data.vote_table import attached, draft_of_votes, votes_beside

    source = os.fspath(source) if isinstance(source, os.PathLike) else source
    if votes is None:
        draft, table = draft_of_votes(source, require_text(annotator, "annotator"), requested, time)
        values, ids, more = aligned(labels, source, draft.ids)
        draft = replace(draft, ids=draft.ids if ids is None else ids, notes=(*draft.notes, *more))
        alone = draft.kind == "probs"
        given = labels is None and table.given is None
        return attached(settle(draft, values, split=split), table, alone=alone, given=given), draft
    votes = os.fspath(votes) if isinstance(votes, os.PathLike) else votes
    draft = _draft(source, _present(requested, source), relabelled=True)
    ids = identify(draft, len(draft.inputs))
    table = votes_beside(votes, annotator, requested, time, draft, ids)
    if given := draft.labels is None and labels is None:
        place = dict(zip(table.ids, table.in_use().tolist(), strict=True))
        codes = np.array([place.get(key, -1) for key in ids.tolist()], np.int64)
        draft = replace(draft, labels=codes, classes=table.classes)
    values, ids, more = aligned(labels, source, draft.ids)
    draft = replace(draft, ids=draft.ids if ids is None else ids, notes=(*draft.notes, *more, *table.notes))
    return attached(settle(draft, values, split=split), table, alone=False, given=given), draft


def _present(requested: Columns, source: Any) -> Columns:
    """The requested columns without the label and the id if the source has no such column, because votes have it."""
    names = getattr(source, "columns", None)
    if isinstance(source, str) and paths.suffix(source) in TABLES and paths.is_file(source):
        from labelsieve.data.readers import open_table

        names = open_table(source).schema.names
    there = set() if names is None else set(map(str, names))
    return replace(
        requested,
        label=requested.label if requested.label in there else None,
        id=requested.id if requested.id in there else None,
    )


def load_inputs(
    source: Any,
    *,
    label: str | None = None,
    text: str | None = None,
    image: str | None = None,
    id: str | None = None,
    feature_columns: Sequence[str] | None = None,
) -> Dataset:
    """Read data that a model should label; labels in the source are ignored. Arguments and errors as for `load`; a
    folder needs no class folders, and if it has some, they only order its images."""
    from labelsieve.data.unlabelled import unlabelled

    return unlabelled(_draft(source, columns.named(label, text, image, id, None, feature_columns), relabelled=True))


def _draft(source: Any, requested: Columns, relabelled: bool, format: str | None = None) -> Draft:
    if isinstance(source, (str, os.PathLike)):
        return _named(os.fspath(source), requested, relabelled, format)
    if type(source).__name__ == "Series" and hasattr(source, "to_list"):  # of pandas or Polars
        _no_columns(requested, "A Series")
        values = [None if is_missing(value) else value for value in source.to_list()]
        draft = _of_paths(values) or array_file.from_values(values)
        ids, notes = index_ids(source, "the Series")
        return replace(draft, ids=ids, id_place="the index", notes=(*draft.notes, *notes))
    if type(source).__name__ == "LazyFrame" and hasattr(source, "collect"):  # of Polars
        source = source.collect()
    if hasattr(source, "__arrow_c_stream__"):
        from labelsieve.data.table import from_frame

        return from_frame(source, requested, relabelled)
    if type(source).__module__.partition(".")[0] == "datasets" and type(source).__name__ == "Column":
        source = list(source)  # a column of texts or of features
    if type(source).__module__.partition(".")[0] == "datasets":
        from labelsieve.data.hub import from_dataset

        return from_dataset(source, requested, relabelled)
    if is_torch(source):
        _no_columns(requested, "A torch Dataset")
        return from_torch(source)
    _no_columns(requested, "An array")
    return _of_paths(source) or array_file.from_values(source)


def _of_paths(values: Any) -> Draft | None:
    if not isinstance(values, list | tuple | np.ndarray) or not len(values) or isinstance(values[0], int | float):
        return None
    from labelsieve.data.table import from_paths

    return from_paths(values)


def _named(name: str, requested: Columns, relabelled: bool, format: str | None = None) -> Draft:
    if not name.strip():
        raise UserError("The name of the data is empty; give a folder, a file or hf:NAME.")
    name = plain_name(name)
    if name.startswith("hf:") and not paths.is_remote(name):  # hf:// is an address for fsspec
        from labelsieve.data.hub import load_hub

        return load_hub(name, requested, relabelled)
    if not paths.is_remote(name):
        if len(os.fsencode(os.path.basename(name))) > LONGEST or len(os.fsencode(name)) > 16 * LONGEST:
            raise UserError(
                f"{name[:60]}... is too long for a file name. Pass texts as a list, with <labels>.",
                labels="",
            )
        require_data(name)
    there = requested.present(())
    if format := format or recognised(name, there):
        return load_format(format, name, there)
    if lance.is_lance(name):
        from labelsieve.data.table import load_table

        return load_table(name, requested, relabelled)
    if paths.is_folder(name):
        from labelsieve.data.folder import load_folder

        columns = requested.present(())
        way = "name the table in it that has them, or leave it out"
        _no_columns(Columns(text=columns.text, image=columns.image), f"The folder {name}", way)
        return load_folder(name, relabelled, columns if columns.named() and not relabelled else None)
    suffix = paths.suffix(name)
    if not paths.is_file(name):
        raise UserError(_absent(name))
    if suffix in (".npz", ".npy"):
        _no_columns(requested, name)
        return array_file.load_arrays(name)
    from labelsieve.data.readers import READERS
    from labelsieve.data.table import load_table

    if suffix in READERS:
        return load_table(name, requested, relabelled)
    if way := door(name):
        raise UserError(way)
    if is_image(name):
        raise UserError(f"{name} is a single image; name the folder with all of them.")
    if suffix == ".txt":
        raise UserError(
            f"{name} is a text file; if its lines are image and label, name the folder of the images and pass it as "
            f"<labels>; texts belong into {TEXTS.partition(',')[0]}.",
            labels=name,
        )
    known = ", ".join([*READERS, ".npz", ".npy"])
    raise UserError(
        f"{name} is a {suffix + ' file' if suffix else 'file without suffix'}; load reads a folder of class folders, "
        f"{known}, or hf:NAME."
    )


def _no_columns(requested: Columns, what: str, way: str = "leave it out") -> None:
    requested = requested.present(())
    given = [f"<{role}>" for role in requested.named()]
    if given:
        raise UserError(f"{what} has no columns, so {', '.join(given)} cannot be used; {way}.", **requested.named())


def _absent(name: str) -> str:
    path = PurePath(name)
    here = not paths.is_remote(name) and os.path.isdir(path.parent)
    beside = meant(path.name, os.listdir(path.parent), most=3, folder=path.parent) if here else ""
    return f"There is no file or folder {name}.{beside}"
