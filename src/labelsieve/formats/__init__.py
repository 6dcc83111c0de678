"""Formats of labelling tools and of data sets: one file each, with three functions.

- `recognises(place) -> bool`: whether a file or folder is of this format; cheap, and False in doubt.
- `read(place) -> Content`.
- `write(place, content, changes, out) -> notes`: a corrected copy in the same layout in the new folder `out`; `content`
  is what `read` gave, and `changes` are new class names by id, None for an example that is left out. A tool that reads
  no labels back needs none: its corrected copy is a list of ids and labels.

A format that can hold several classes per example (`Content.sets` or `votes`) has `write_sets` in place of `write`; its
`changes` are tuples of class names, of one class where each example has one.

`read` and `write` of a format whose examples have named fields may ask by name for those that the user named: `label`,
`text`, `image`, `id`, `group`. Each raises a `UserError` that names what is wrong in the place. Packages are imported
when they are needed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path

from labelsieve.core.errors import UserError, meant
from labelsieve.formats.content import Content, Names

ROLES = frozenset(("label", "text", "image", "id", "group"))  # what a user may name
FORMATS: dict[str, str] = {
    "coco-boxes": "COCO instances: the boxes of a JSON file, each an example",
    "yolo": "YOLO: one text file of boxes per picture",
    "voc": "Pascal VOC: one XML file of boxes per picture",
    "cvat": "CVAT for images: one XML file with the boxes of all pictures",
    "label-studio-json": "Label Studio's full JSON: tasks with their annotations",
    "label-studio-rows": "Label Studio's JSON-MIN or CSV: a row for each annotation",
    "argilla": "Argilla's records: JSON, or the folder of an exported data set",
    "doccano": "doccano's JSON Lines of a project of classification, one file or one per member",
    "prodigy": "Prodigy's JSON Lines of answers",
    "mturk": "results of a batch of Mechanical Turk, as CSV",
    "zooniverse": "Zooniverse's classifications, as CSV",
    "sagemaker": "output manifest of SageMaker Ground Truth",
    "fiftyone-labels": "FiftyOne's labels.json of classification",
    "datumaro": "Datumaro's own JSON with labels of images",
    "voc-labels": "Pascal VOC's classification: lists of pictures per class",
    "cvat-tags": "CVAT for images: XML files with tags of images",
    "image-list": "lists of images, with a line `path label` each: imagenet_txt, Clothing1M, WebVision",
    "coco-labels": "COCO with classes of images",
    "cifar": "the binary files of CIFAR-10 and CIFAR-100",
    "cifar-python": "the Python version of CIFAR-10 and CIFAR-100, and Datumaro's cifar",
    "idx": "IDX files of MNIST and its kin: images or vectors, and labels beside them",
    "hdf5": "HDF5 files of arrays (h5py)",
    "matlab": "MATLAB files (.mat) of arrays",
    "npz-arrays": ".npz files of MedMNIST, of Keras, of X and y",
    "webdataset": "WebDataset shards (.tar), read without unpacking",
    "tfrecord": "TFRecord files and folders of TensorFlow Datasets",
    "mds": "MDS shards of MosaicML streaming",
    "svmlight": "svmlight and libsvm files",
}


def recognised(place: str) -> str | None:
    """The name of the format of a file or folder; None for what `labelsieve.data` reads itself."""
    return next((name for name in FORMATS if _module(name).recognises(place)), None)


def read(name: str, place: str, named: Mapping[str, str]) -> Content:
    """The content of a place in the format `name`; `named` are the roles that the user named -> what he named.

    Raises:
        UserError: there is no such format, or the place is not of it; or the format has no such role.
    """
    require_format(name)
    reader = _module(name).read
    for role in named.keys() - _asked(reader):
        raise UserError(f"In the format {name} there is nothing to choose with <{role}>; leave it out.", **named)
    return reader(place, **named)


def writes(name: str) -> bool:
    """Whether a corrected copy is written in the format."""
    return hasattr(_module(name), "write") or hasattr(_module(name), "write_sets")


def write(
    name: str, place: str, changes: Mapping[str, str | None], out: Path, named: Mapping[str, str]
) -> Iterable[str]:
    """Write a corrected copy of the place into the folder `out`; returns notes for the user."""
    content = read(name, place, named)
    if hasattr(_module(name), "write_sets"):
        one_each = {key: None if new is None else (new,) for key, new in changes.items()}
        return _write_sets(name, place, content, one_each, out, named)
    writer = _module(name).write
    return writer(place, content, changes, out, **_those(named, writer))


def write_answers(
    name: str, place: str, answers: Mapping[str, Mapping[str, bool] | None], out: Path, named: Mapping[str, str]
) -> Iterable[str]:
    """As `write`, of examples with several classes. `answers` say by id which classes an example has and which it has
    not; it keeps the others. None leaves it out."""
    content = read(name, place, named)
    given = dict(zip(content.ids or (), content.given(), strict=True))
    new: dict[str, Names | None] = {}
    for key, answer in answers.items():
        old = given[key] or ()
        kept = tuple(one for one in old if answer is not None and answer.get(one, True))
        new[key] = None if answer is None else (*kept, *(one for one, has in answer.items() if has and one not in old))
    return _write_sets(name, place, content, new, out, named)


def _write_sets(
    name: str,
    place: str,
    content: Content,
    changes: Mapping[str, Names | None],
    out: Path,
    named: Mapping[str, str],
) -> Iterable[str]:
    writer = _module(name).write_sets
    return writer(place, content, changes, out, **_those(named, writer))


def _those(named: Mapping[str, str], function: Callable[..., object]) -> dict[str, str]:
    """Those of the named roles that a function asks for."""
    return {role: value for role, value in named.items() if role in _asked(function)}


def takes(name: str) -> frozenset[str]:
    """The roles that a user may name in the format."""
    return _asked(_module(name).read)


def _asked(function: Callable[..., object]) -> frozenset[str]:
    return ROLES & inspect.signature(function).parameters.keys()


def require_format(name: str) -> None:
    """Raise a UserError if there is no format of this name."""
    if name not in FORMATS:
        raise UserError(
            f"There is no format {name!r}.{meant(name, FORMATS)} Choose from {', '.join(FORMATS)}.", format=name
        )


def _module(name: str):
    return import_module(f"labelsieve.formats.{name.replace('-', '_')}")
