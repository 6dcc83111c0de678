"""Writes the files of this folder, and reads folders of the same formats: with Datumaro 1.13.12, or with FiftyOne
1.22.1, whose importers and exporters need no database.

    python write.py datumaro|fiftyone OUT             writes one folder per format
    python write.py datumaro|fiftyone OUT NAME        prints what the tool reads in the folder OUT, of the format NAME
"""

import json
import os
import sys
from pathlib import Path

CLASSES = ["cat", "dog"]
# name, split, label: one example has no label
ROWS = [
    ("a", "train", 0),
    ("b", "train", 1),
    ("c", "train", 1),
    ("d", "train", None),
    ("e", "test", 0),
    ("f", "test", 1),
]
DATUMARO = [
    "datumaro",
    "imagenet",
    "imagenet_txt",
    "imagenet_with_subset_dirs",
    "cvat",
    "coco_labels",
    "cifar",
    "mnist",
]


def with_datumaro(out):
    import numpy as np
    from datumaro.components.annotation import Label
    from datumaro.components.dataset import Dataset
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image

    def item(i, name, split, label, form):
        pixels = np.full(
            (28, 28) if form == "mnist" else (32, 32, 3) if form == "cifar" else (8, 8, 3), 40 * i, np.uint8
        )
        labels = [] if label is None else [Label(label)]
        return DatasetItem(name, subset=split, media=Image.from_numpy(pixels, ext=".png"), annotations=labels)

    for form in DATUMARO:
        items = [item(i, *row, form) for i, row in enumerate(ROWS)]
        Dataset.from_iterable(items, categories=CLASSES).export(
            str(out / form), form, save_media=True, image_ext=".png"
        )


def read_by_datumaro(place, form):
    from datumaro.components.dataset import Dataset

    found = Dataset.import_from(str(place), form)
    names = [one.name for one in next(iter(found.categories().values())).items]
    return {one.id.rpartition(":")[2]: [names[note.label] for note in one.annotations] for one in found}


def with_fiftyone(out):
    import fiftyone.core.labels as labels
    from fiftyone.utils.data import exporters

    form = exporters.FiftyOneImageClassificationDatasetExporter
    kinds = {
        "fiftyone": form(str(out / "fiftyone")),
        "fiftyone_attributes": form(str(out / "fiftyone_attributes"), include_attributes=True, classes=CLASSES),
        "fiftyone_tree": exporters.ImageClassificationDirectoryTreeExporter(str(out / "fiftyone_tree")),
    }
    for exporter in kinds.values():
        with exporter:
            for name, split, label in ROWS:
                picture = out / "imagenet_txt/images" / f"{name}.png"
                value = (
                    None if label is None else labels.Classification(label=CLASSES[label], confidence=0.5, seen=split)
                )
                exporter.export_sample(str(picture), value)


def read_by_fiftyone(place, form):
    from fiftyone.utils.data import importers

    tree = form == "fiftyone_tree"
    one = (
        importers.ImageClassificationDirectoryTreeImporter
        if tree
        else importers.FiftyOneImageClassificationDatasetImporter
    )
    with one(str(place)) as importer:
        return {Path(path).stem: [] if label is None else [label.label] for path, _, label in importer}


if __name__ == "__main__":
    tool, place, *form = sys.argv[1:]
    if form:
        sys.stdout.write(
            json.dumps((read_by_datumaro if tool == "datumaro" else read_by_fiftyone)(Path(place), form[0]))
        )
    else:
        (with_datumaro if tool == "datumaro" else with_fiftyone)(Path(os.path.abspath(place)))
