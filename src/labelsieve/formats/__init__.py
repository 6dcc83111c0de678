"""Formats of labelling tools and of data sets: one file each, with three functions.

- `recognises(place) -> bool`: whether a file or folder is of this format; cheap, and False in doubt.
- `read(place) -> Content`.
- `write(place, content, changes, out) -> notes`: a corrected copy in the same layout in the new folder `out`; `content`
  is what `read` gave, and `changes` are new class names by id, None for an example that is left out.

`read` and `write` of a format whose examples have named fields take `label`, the field with the labels, too. Each
raises a `UserError` that names what is wrong in the place. Packages are imported when they are needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from inspect import signature
from pathlib import Path

from labelsieve.core.errors import UserError, meant
from labelsieve.formats.content import Content

FORMATS: dict[str, str] = {
    "coco-boxes": "COCO instances: the boxes of a JSON file, each an example",
    "yolo": "YOLO: one text file of boxes per picture",
    "voc": "Pascal VOC: one XML file of boxes per picture",
    "cvat": "CVAT for images: one XML file with the boxes of all pictures",
    "idx": "IDX files of MNIST and its kin: images or vectors, and labels beside them",
    "hdf5": "HDF5 files of arrays (h5py)",
    "matlab": "MATLAB files (.mat) of arrays",
    "webdataset": "WebDataset shards (.tar), read without unpacking",
    "svmlight": "svmlight and libsvm files",
}


def recognised(place: str) -> str | None:
    """The name of the format of a file or folder; None for what `labelsieve.data` reads itself."""
    return next((name for name in FORMATS if _module(name).recognises(place)), None)


def takes_label(name: str) -> bool:
    """Whether the examples of the format have named fields, so that the user may name the one with the labels."""
    return "label" in signature(_module(name).read).parameters


def read(name: str, place: str, label: str | None = None) -> Content:
    """The content of a place in the format `name`; `label` is the field with the labels, if the format has fields.

    Raises:
        UserError: there is no such format, or the place is not of it.
    """
    require_format(name)
    return _module(name).read(place, **_field(label))


def write(
    name: str,
    place: str,
    content: Content,
    changes: Mapping[str, str | None],
    out: Path,
    label: str | None = None,
) -> Iterable[str]:
    """Write a corrected copy of the place into the folder `out`; `label` as in `read`; returns notes for the user."""
    return _module(name).write(place, content, changes, out, **_field(label))


def require_format(name: str) -> None:
    """Raise a UserError if there is no format of this name."""
    if name not in FORMATS:
        raise UserError(
            f"There is no format {name!r}.{meant(name, FORMATS)} Choose from {', '.join(FORMATS)}.", format=name
        )


def _field(label: str | None) -> dict[str, str]:
    return {} if label is None else {"label": label}


def _module(name: str):
    return import_module(f"labelsieve.formats.{name.replace('-', '_')}")
