"""COCO: images, categories, and one annotation per image whose box is the whole image.

Format: https://cocodataset.org/#format-data. `out` is a folder with `images/` and `annotations/instances_default.json`,
as CVAT, Datumaro and FiftyOne expect it. In the latter each image also has the id of the example (`labelsieve_id`) and
the label that was written (`label_exported`), so that changes can be recognised; FiftyOne and Datumaro drop both, and
an import then knows the example by the name of its picture. Excluded examples have no annotation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from labelsieve.core.conflict import Conflict
from labelsieve.core.errors import UserError
from labelsieve.core.files import write_json
from labelsieve.core.findings import Findings
from labelsieve.encode.pixel_levels import Levels
from labelsieve.exchange.answers import Answer, Read, read_json
from labelsieve.exchange.export_rows import Row
from labelsieve.exchange.known_example import CONTENT, GIVEN, ID, WRITTEN, known_example, stem
from labelsieve.exchange.pictures import picture, require_pictures

FILE = "annotations/instances_default.json"
_OTHERS = ("annotations.json", "labels.json")  # of earlier exports, of FiftyOne


def write(
    rows: Sequence[Row], inputs: Sequence[Any], kind: str, classes: Sequence[str], out: Path, levels: Levels
) -> None:
    """Write into the empty folder `out`."""
    require_pictures(kind, "COCO")
    names = dict.fromkeys([*classes, *(row.label for row in rows)])
    code = {name: i for i, name in enumerate(names, 1)}
    images, annotations = [], []
    (out / "images").mkdir()
    (out / FILE).parent.mkdir()
    for i, row in enumerate(rows):
        raw, suffix, (width, height) = picture(inputs[i], row.id, levels)
        name = stem(row, classes) + suffix
        (out / "images" / name).write_bytes(raw)
        facts = {
            ID: row.id,
            GIVEN: row.given_label,
            "suggested_label": row.suggested_label,
            "p_wrong": row.p_wrong,
        }
        written = {CONTENT: row.content, WRITTEN: row.label, "decision": row.decision}
        images.append({"id": i + 1, "file_name": name, "width": width, "height": height, **facts, **written})
        if row.decision != "exclude":
            box = {"bbox": [0, 0, width, height], "area": width * height, "segmentation": [], "iscrowd": 0}
            annotations.append({"id": i + 1, "image_id": i + 1, "category_id": code[row.label], **box})
    categories = [{"id": number, "name": name, "supercategory": ""} for name, number in code.items()]
    info = {"description": "exported by Labelsieve"}
    write_json(
        out / FILE,
        {"info": info, "licenses": [], "images": images, "annotations": annotations, "categories": categories},
    )


def read(path: Path, classes: Collection[str], findings: Findings) -> Read:
    """The category of each annotation; `path` is the JSON file or its folder.

    An annotation may name its `annotator`. Annotations whose image or category is not in the file are listed as
    conflicts.

    Raises:
        UserError: it is not a COCO file.
    """
    path = _file(path) if path.is_dir() else path
    content = read_json(path)
    try:
        images = {image["id"]: image for image in content["images"]}
        names = {category["id"]: category["name"] for category in content["categories"]}
        answers: list[Answer] = []
        conflicts: list[Conflict] = []
        for annotation in content["annotations"]:
            image, category = images.get(annotation["image_id"]), annotation["category_id"]
            if image is None:
                conflicts.append(
                    Conflict(f"annotation {annotation.get('id')}", f"the file has no image {annotation['image_id']!r}")
                )
                continue
            key, hashed, given, exported = known_example(image, str(image.get("file_name")), findings)
            if category not in names:
                conflicts.append(Conflict(key, f"the file has no category {category!r}"))
                continue
            who = str(annotation.get("annotator") or "")
            answers.append(Answer(key, "", str(names[category]), exported, "", who, given, hashed))
        return Read(answers, conflicts)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a complete COCO file: {error} is missing.") from error


def _file(folder: Path) -> Path:
    """The annotations in a folder: where exports write them, else the only JSON file of `annotations/`."""
    found = next((folder / name for name in (FILE, *_OTHERS) if (folder / name).exists()), None)
    others = sorted((folder / "annotations").glob("*.json"))
    return found or (others[0] if len(others) == 1 else folder / FILE)
