"""Boxes for the tests: what real tools wrote, and drawn squares and discs in COCO."""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from labelsieve.encode.decode_image import picture

WRITTEN = Path(__file__).parent / "written_boxes"
FORMATS = {
    "coco": "coco-boxes",
    "coco_flat": "coco-boxes",
    "yolo": "yolo",
    "yolo_1_1": "yolo",
    "voc": "voc",
    "voc_flat": "voc",
    "cvat": "cvat",
}
RED, BLUE = (200, 30, 30), (30, 30, 200)


def colour(crop):
    """The class of a drawn object by the colour in its middle."""
    image = picture(crop, 1).image
    red, _, blue = image.getpixel((image.width // 2, image.height // 2))
    return "disc" if red > blue else "square"


def drawn(root, pictures=36, each=4, seed=0):
    """COCO of squares and discs; returns its folder and its content."""
    rng, images, notes = np.random.default_rng(seed), [], []
    (root / "images").mkdir(parents=True)
    for i in range(pictures):
        image = Image.new("RGB", (200, 120), tuple(rng.integers(190, 255, 3).tolist()))
        draw = ImageDraw.Draw(image)
        for j in range(each):
            x, y, side, disc = 8 + 48 * j, *rng.integers(5, 70, 1).tolist(), *rng.integers(24, 38, 1).tolist(), j % 2
            (draw.ellipse if disc else draw.rectangle)((x, y, x + side, y + side), fill=RED if disc else BLUE)
            box = {"id": len(notes) + 1, "image_id": i, "category_id": disc + 1, "bbox": [x, y, side, side]}
            notes.append(box | {"area": side * side, "iscrowd": 0})
        image.save(root / "images" / f"{i:03}.png")
        images.append({"id": i, "file_name": f"{i:03}.png", "width": 200, "height": 120})
    content = {"images": images, "annotations": notes}
    content["categories"] = [{"id": 1, "name": "square"}, {"id": 2, "name": "disc"}]
    return write(root, content), content


def write(root, content):
    (root / "instances.json").write_text(json.dumps(content))
    return root
