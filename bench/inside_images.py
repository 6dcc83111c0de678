"""What `real_tools.py` runs with the Python of Datumaro or of FiftyOne: the tool writes labelled images in its formats,
and reads corrected copies of them. FiftyOne's importers and exporters need no database. Earlier runs of it wrote
`tests/formats/written_images` and `tests/formats/written_sets`.

    python inside_images.py datumaro|fiftyone write FOLDER      writes a folder per format, and truth.json
    python inside_images.py datumaro|fiftyone write-sets FOLDER ... of pictures with several labels (`written_sets`)
    python inside_images.py datumaro|fiftyone read FOLDER ...   prints the labels of each picture in each folder
"""

import json
import sys
from pathlib import Path

CLASSES = ["cat", "dog", "bird"]
# name, split, labels: one example has none, one has two
ROWS = [
    ("a", "train", [0]),
    ("b", "train", [1]),
    ("c", "train", [1]),
    ("d", "train", []),
    ("e", "test", [0]),
    ("f", "test", [1]),
    ("g", "test", [0, 1]),
    ("h", "test", [0]),
    ("i", "train", [0]),
]
SETS = [
    ("a", "train", [0, 1]),
    ("b", "train", [1]),
    ("c", "train", [0, 2]),
    ("d", "train", []),
    ("e", "test", [2]),
    ("f", "test", [1, 2]),
    ("g", "test", [0, 1, 2]),
    ("h", "test", [0]),
]
SINGLE = ("imagenet", "imagenet_with_subset_dirs", "cifar", "mnist")  # one label for each picture
SEVERAL = ("fiftyone_several", "fiftyone_cvat")
DATUMARO = (*SINGLE, "datumaro", "imagenet_txt", "cvat", "coco_labels", "voc_classification")


def with_datumaro(out, all_rows, classes):
    import numpy as np
    from datumaro.components.annotation import Label
    from datumaro.components.dataset import Dataset
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image

    def item(i, name, split, labels, form):
        shape = (28, 28) if form == "mnist" else (32, 32, 3) if form == "cifar" else (8, 8, 3)
        media = Image.from_numpy(np.full(shape, 28 * i, np.uint8), ext=".png")
        return DatasetItem(name, subset=split, media=media, annotations=[Label(label) for label in labels])

    truth = {}
    for form in DATUMARO:
        if all_rows is SETS and form in SINGLE:
            continue
        rows = [row for row in all_rows if len(row[2]) < 2 or form not in SINGLE]
        items = [item(i, *row, form) for i, row in enumerate(rows)]
        data = Dataset.from_iterable(items, categories=classes)
        data.export(str(out / form), form, save_media=True, image_ext=".png")
        truth[form] = {name: [CLASSES[label] for label in labels] for name, _, labels in rows}
    return truth


def read_by_datumaro(place):
    from datumaro.components.annotation import AnnotationType
    from datumaro.components.dataset import Dataset

    found = Dataset.import_from(str(place), place.name)
    names = [one.name for one in found.categories()[AnnotationType.label].items]
    read = {}
    for one in found:
        said = [names[note.label] for note in one.annotations if note.type == AnnotationType.label]
        read[one.id.rpartition(":")[2].rpartition("/")[2]] = [name for name in said if name != "no_label"]
    return read


def with_fiftyone(out, all_rows, classes):
    import fiftyone.core.labels as labels
    import numpy as np
    from fiftyone.utils import cvat
    from fiftyone.utils.data import exporters
    from PIL import Image

    (out / "pictures").mkdir()
    form, several = exporters.FiftyOneImageClassificationDatasetExporter, labels.Classifications
    kinds = {
        "fiftyone": form(str(out / "fiftyone")),
        "fiftyone_attributes": form(str(out / "fiftyone_attributes"), include_attributes=True, classes=classes),
        "fiftyone_tree": exporters.ImageClassificationDirectoryTreeExporter(str(out / "fiftyone_tree")),
        "fiftyone_several": form(str(out / "fiftyone_several"), include_confidence=True),
        "fiftyone_cvat": cvat.CVATImageDatasetExporter(str(out / "fiftyone_cvat")),
    }
    truth = {}
    for key, exporter in kinds.items():
        if all_rows is SETS and key not in SEVERAL:
            continue
        rows = [row for row in all_rows if len(row[2]) < 2 or key in SEVERAL]
        with exporter:
            for i, (name, split, said) in enumerate(rows):
                picture = out / "pictures" / f"{name}.png"
                Image.fromarray(np.full((8, 8, 3), 28 * i, np.uint8)).save(picture)
                each = [labels.Classification(label=CLASSES[k], confidence=0.5, seen=split) for k in said]
                value = several(classifications=each) if key == "fiftyone_several" else next(iter(each), None)
                if key == "fiftyone_cvat":
                    value = several(classifications=each)
                exporter.export_sample(str(picture), value)
        truth[key] = {name: [CLASSES[k] for k in said] for name, _, said in rows}
    return truth


def read_by_fiftyone(place):
    from fiftyone.utils import cvat
    from fiftyone.utils.data import importers

    one = importers.FiftyOneImageClassificationDatasetImporter
    one = importers.ImageClassificationDirectoryTreeImporter if place.name == "fiftyone_tree" else one
    one = cvat.CVATImageDatasetImporter if place.name == "fiftyone_cvat" else one
    read = {}
    with one(str(place)) as importer:
        for path, _, label in importer:
            label = label.get("classifications") if isinstance(label, dict) else label
            each = [] if label is None else getattr(label, "classifications", [label])
            read[Path(path).stem] = [one.label for one in each]
    return read


if __name__ == "__main__":
    tool, what, *places = sys.argv[1:]
    if what != "read":
        folder = Path(places[0]).resolve()
        some = (ROWS, CLASSES[:2]) if what == "write" else (SETS, CLASSES)
        truth = (with_datumaro if tool == "datumaro" else with_fiftyone)(folder, *some)
        (folder / "truth.json").write_text(json.dumps(truth))
    else:
        found = {}
        for place in map(Path, places):
            try:
                found[place.name] = (read_by_datumaro if tool == "datumaro" else read_by_fiftyone)(place)
            except Exception as error:  # of the tool: the other formats are read all the same
                found[place.name] = {"error": [f"{type(error).__name__}: {error}"]}
        print(json.dumps(found))
