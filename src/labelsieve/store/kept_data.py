"""Data passed from memory are kept with the run, in `RUN/data/`, so that they can be reviewed, corrected and exported.

A frame is kept as a table with all its columns (`data.parquet`), a `datasets.Dataset` as a saved one (`hf/`). A list of
texts becomes a table of id, text and label; arrays become `data.npz`, images of several sizes a table of PNG files
(`pictures.parquet`). Labels that were passed for data in a file become `labels.parquet`, probabilities `probs.npz`.
Data larger than `LIMIT` are not kept, and a note says so.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelsieve.core import content_hash
from labelsieve.core.crop import Crop
from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.core.files import put, temporary
from labelsieve.data import load, load_probabilities
from labelsieve.encode.decode_image import FULL, picture
from labelsieve.store.run import INSIDE

DATA = "data"  # its place in the run folder
LIMIT = 500_000_000  # bytes
FILES = ("source", "labels", "probs", "votes")  # arguments of `load` that may name a file
OPTIONS = ("label", "text", "image", "id", "group", "annotator", "time", "format", "split", "background", "several")


@dataclass(frozen=True, eq=False)
class Kept:
    """What was kept of the data of a run.

    Attributes:
        recipe: the arguments that read the data again, as in `Dataset`; paths in the run folder begin with
            `store.run.INSIDE`. None if nothing could be kept.
        note: what the user should know, or "".
        content: (n,) uint64 hashes of the inputs as they are kept, if they differ from those passed; else None.
    """

    recipe: Mapping[str, str] | None
    note: str = ""
    content: np.ndarray | None = None


class _TooLarge(Exception):
    """More than `LIMIT` bytes."""


def keep(data: Dataset, run: Path) -> Kept:
    """Write what can be kept of `data` into the folder `run`, in place of what an earlier run kept there."""
    folder = run / DATA
    shutil.rmtree(folder, ignore_errors=True)
    if data.recipe is not None:
        return Kept(data.recipe)
    several = data.questions
    own = data if several is None else replace(several.examples, handed=data.handed, questions=several)
    for save_as in _ways(own):
        partial = temporary(folder)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            recipe = save_as(own, partial)
            reloaded = _read(recipe, partial)
            if recipe is None or reloaded is None or not _same(data, reloaded):
                continue
            content = (
                content_hash.of_data(reloaded) if recipe.get("source") == PICTURES else None
            )  # pixels became files
            put(partial, folder)
            return Kept({name: value.replace(HERE, INSIDE + DATA) for name, value in recipe.items()}, content=content)
        except _TooLarge:
            size = f"{LIMIT / 1e6:,.0f} MB"
            return Kept(
                None,
                f"The data were passed from memory and are larger than {size}, so they are not kept in the run: review "
                "shows no inputs, and apply cannot correct them. Write them to a file and pass its path.",
            )
        except (OSError, UserError) as error:
            return Kept(None, f"The data were passed from memory and could not be kept in the run ({error}).")
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return Kept(
        None,
        "The data were passed from memory in a form that cannot be kept in the run; write them to a file and pass its "
        "path.",
    )


HERE = "(here)"  # in a recipe: the folder that is being written
PICTURES = f"{HERE}/pictures.parquet"
# columns of the tables made here
TEXT, IMAGE, LABEL, ID, GROUP, SPLIT = "text", "image", "label", "id", "group", "split"
Way = Callable[[Dataset, Path], dict[str, str] | None]


def _ways(data: Dataset) -> list[Way]:
    """The functions that may keep the data, the most faithful first."""
    handed = data.handed or {}
    source = handed.get("source")
    if data.kind == "probs" and (data.votes is None or not data.votes.alone):
        return [_probabilities]
    if isinstance(source, (str, os.PathLike)):
        return [_named]
    own: list[Way] = [_inputs]
    if "labels" in handed or source is None:
        return own
    if hasattr(source, "save_to_disk") and hasattr(source, "features"):
        return [_saved, *own]
    return [_frame, *own] if hasattr(source, "__arrow_c_stream__") or hasattr(source, "collect") else own


def _read(recipe: dict[str, str] | None, folder: Path) -> Dataset | None:
    """The data as a later command will read them; None if they cannot be read."""
    if recipe is None:
        return None
    here = {name: value.replace(HERE, str(folder)) for name, value in recipe.items()}
    try:
        return load(here.pop("source"), **here) if "source" in here else load_probabilities(**here)
    except UserError:
        return None


def _same(one: Dataset, other: Dataset) -> bool:
    """Whether they are the same examples with the same labels, in any order of the classes; left-out examples may
    differ."""
    place = {key: i for i, key in enumerate(other.ids.tolist())}
    if not all(key in place for key in one.ids.tolist()) or one.kind != other.kind:
        return False
    rows = np.array([place[key] for key in one.ids.tolist()], np.int64)
    names, others = np.array(one.classes, object)[one.labels], np.array(other.classes, object)[other.labels[rows]]
    if not np.array_equal(names, others) or (one.columns and one.columns.names) != (
        other.columns and other.columns.names
    ):
        return False
    if one.questions is not None and other.questions is not None:  # each example once
        return _same_inputs(one.questions.examples, other.questions.examples)
    return _same_inputs(one, other, rows)


def _same_inputs(one: Dataset, other: Dataset, rows: np.ndarray | slice = slice(None)) -> bool:
    if one.kind in ("features", "probs"):
        return np.array_equal(np.asarray(one.inputs), np.asarray(other.inputs)[rows])
    return one.kind != "text" or all(
        one.inputs[i] == other.inputs[j] for i, j in enumerate(np.arange(len(other))[rows].tolist())
    )


def _probabilities(data: Dataset, folder: Path) -> dict[str, str]:
    _npz(
        folder / "probs.npz",
        probs=np.asarray(data.inputs),
        ids=np.array(data.ids.tolist(), str),
        classes=np.array(_class_names(data)),
    )
    _labels(data, folder)
    return {"probs": f"{HERE}/probs.npz", "labels": f"{HERE}/labels.parquet", **_several(data)}


def _named(data: Dataset, folder: Path) -> dict[str, str]:
    """Data in a file, with labels or probabilities from memory."""
    handed = data.handed or {}
    recipe = {name: os.fspath(handed[name]) for name in ("source", *OPTIONS) if name in handed}
    if isinstance(labels := handed.get("labels"), (str, os.PathLike)):
        recipe["labels"] = os.fspath(labels)
    elif labels is not None:
        _labels(data, folder)
        recipe["labels"] = f"{HERE}/labels.parquet"
        recipe.pop("label", None) if data.questions is not None else None
    return recipe | _beside(data, folder)


def _beside(data: Dataset, folder: Path) -> dict[str, str]:
    """The probabilities and the votes that came with the data, if any."""
    return {**_probs_beside(data, folder), **_votes_beside(data, folder)}


def _votes_beside(data: Dataset, folder: Path) -> dict[str, str]:
    handed = data.handed or {}
    if data.votes is None or "votes" not in handed:  # they are in the source
        return {}
    if isinstance(handed["votes"], (str, os.PathLike)):
        return {
            "votes": os.fspath(handed["votes"]),
            **{name: handed[name] for name in ("annotator", "time") if name in handed},
        }
    votes = data.votes
    columns = {
        ID: data.ids[votes.example].tolist(),
        "annotator": np.array(votes.annotators, object)[votes.annotator].tolist(),
        LABEL: np.array(data.classes, object)[votes.label].tolist(),
    }
    _table(folder / "votes.parquet", columns)
    return {"votes": f"{HERE}/votes.parquet", "annotator": "annotator"}


def _probs_beside(data: Dataset, folder: Path) -> dict[str, str]:
    if data.probs is None:
        return {}
    given = (data.handed or {}).get("probs")
    if isinstance(given, (str, os.PathLike)) and isinstance((data.handed or {}).get("source"), (str, os.PathLike)):
        return {"probs": os.fspath(given)}
    _npz(
        folder / "probs.npz",
        probs=data.probs,
        ids=np.array(data.ids.tolist(), str),
        classes=np.array(_class_names(data)),
    )
    return {"probs": f"{HERE}/probs.npz"}


def _labels(data: Dataset, folder: Path) -> None:
    _table(folder / "labels.parquet", {ID: data.ids.tolist(), LABEL: _names(data)})


def _saved(data: Dataset, folder: Path) -> dict[str, str]:
    """A `datasets.Dataset`."""
    import datasets

    handed = data.handed or {}
    source, shown = handed["source"], not datasets.are_progress_bars_disabled()
    _require_small(int(source.data.nbytes))
    datasets.disable_progress_bars()
    try:
        source.save_to_disk(str(folder / "hf"))
    finally:
        if shown:
            datasets.enable_progress_bars()
    return {"source": f"hf:{HERE}/hf", **_options(handed), **_beside(data, folder)}


def _frame(data: Dataset, folder: Path) -> dict[str, str] | None:
    """A frame with all its columns; an index of ids becomes a column, and paths of images become absolute."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from labelsieve.data.frames import index_of, is_indexed, to_arrow
    from labelsieve.data.readers import plain_codes

    handed = data.handed or {}
    frame, options = handed["source"], _options(handed)
    frame = frame.collect() if hasattr(frame, "collect") else frame
    named = [name for role, name in options.items() if role not in ("split", "several")]
    table = to_arrow(frame, named) if is_indexed(frame) else plain_codes(pa.table(frame))
    _require_small(table.nbytes)
    if "id" not in options and ID not in table.column_names and (names := index_of(frame)) is not None:
        table, options["id"] = table.append_column(ID, pa.array(names, pa.string())), ID
    if hasattr(data.inputs, "paths"):
        table = _absolute(table, data)
    with open(folder / "data.parquet", "wb") as file:
        pq.write_table(table, file)
    return {"source": f"{HERE}/data.parquet", **options, **_beside(data, folder)}


def _absolute(table: Any, data: Dataset) -> Any:
    """The table with absolute paths of the images, because it is now in another folder."""
    import pyarrow as pa

    paths = set(data.inputs.paths)  # pyright: ignore[reportAttributeAccessIssue]
    for at, name in enumerate(table.column_names):
        values = (
            table[name].to_pylist()
            if pa.types.is_string(table[name].type) or pa.types.is_large_string(table[name].type)
            else []
        )
        if values and paths <= set(values):
            whole = [value if value is None or "://" in value else os.path.abspath(value) for value in values]
            return table.set_column(at, name, pa.array(whole, table[name].type))
    return table


def _inputs(data: Dataset, folder: Path) -> dict[str, str]:
    """Texts, features or images that were passed as values: the usable examples, with their ids and labels."""
    groups = {} if data.groups is None else {GROUP: data.groups.tolist()}
    named = {"label": LABEL, "id": ID, **({"group": GROUP} if groups else {}), **_several(data)}
    splits = {} if data.splits is None else {SPLIT: data.splits.tolist()}
    about = {ID: data.ids.tolist(), LABEL: _names(data), **groups, **splits}
    if data.kind == "text":
        texts = [data.inputs[i] for i in range(len(data))]
        _require_small(sum(map(len, texts)))
        _table(folder / "data.parquet", {ID: about.pop(ID), TEXT: texts, **about})
        return {"source": f"{HERE}/data.parquet", "text": TEXT, **named, **_beside(data, folder)}
    if data.kind == "features" and data.columns is not None and not {ID, LABEL, GROUP, SPLIT} & set(data.columns.names):
        matrix = np.asarray(data.inputs)
        _require_small(matrix.nbytes)
        columns = {name: matrix[:, j] for j, name in enumerate(data.columns.names)}
        _table(folder / "data.parquet", {**columns, **about})
        return {"source": f"{HERE}/data.parquet", **named, **_beside(data, folder)}
    if isinstance(data.inputs, np.ndarray):
        kind = "features" if data.kind == "features" else "images"
        _require_small(data.inputs.nbytes)
        arrays, beside = {"ids": np.array(data.ids.tolist(), str)}, {}
        if data.questions is None:
            arrays |= {"classes": np.array(data.classes), "labels": data.labels}
        else:
            _labels(data, folder)
            beside = {"labels": f"{HERE}/labels.parquet", **_several(data)}
        grouped = {} if data.groups is None else {"groups": data.groups.astype(str)}
        _npz(folder / "data.npz", **{kind: np.asarray(data.inputs)}, **arrays, **grouped)
        return {"source": f"{HERE}/data.npz", **beside, **_beside(data, folder)}
    _pictures(data, folder / "pictures.parquet", about)
    return {"source": PICTURES, "image": IMAGE, **named, **_beside(data, folder)}


def _pictures(data: Dataset, path: Path, about: Mapping[str, Sequence[Any]]) -> None:
    """A table of encoded images: files as they are, pixels as PNG, which is lossless."""
    from PIL import Image

    files, size = [], 0
    for i in range(len(data)):
        value = data.inputs[i]
        value = np.asarray(picture(value, FULL).image) if isinstance(value, Crop) else value
        if not isinstance(value, bytes):
            buffer = io.BytesIO()
            Image.fromarray(value).save(buffer, "png")
            value = buffer.getvalue()
        size += len(value)
        _require_small(size)
        files.append(value)
    _table(path, {IMAGE: files, **about})


def _names(data: Dataset) -> list[Any]:
    """The label of each example by name; a list of them where there are several."""
    if data.questions is not None:
        names = np.array(data.questions.names, object)
        return [names[row].tolist() for row in data.questions.given]
    return np.array(data.classes, object)[data.labels].tolist()


def _class_names(data: Dataset) -> tuple[str, ...]:
    return data.classes if data.questions is None else data.questions.names


def _several(data: Dataset) -> dict[str, str]:
    """What `load` has to be told where examples have several labels."""
    return {} if data.questions is None else {"several": "yes"}


def _options(handed: Mapping[str, Any]) -> dict[str, str]:
    return {name: handed[name] for name in OPTIONS if handed.get(name) is not None}


def _table(path: Path, columns: Mapping[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open(path, "wb") as file:
        pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), file)


def _npz(path: Path, **arrays: np.ndarray) -> None:
    _require_small(sum(array.nbytes for array in arrays.values()))
    with open(path, "wb") as file:
        np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]


def _require_small(size: int) -> None:
    if size > LIMIT:
        raise _TooLarge
