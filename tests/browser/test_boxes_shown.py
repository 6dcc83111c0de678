"""A box on the page, in Chromium: in its whole picture with an outline, and alone."""

import json

import numpy as np
import pytest
from PIL import Image
from waiting import eventually, shown

import labelsieve as ls

pytestmark = pytest.mark.browser
YELLOW = (255, 212, 0)


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Thirty pictures of 300 x 200 with a grey and a blue box each, and probabilities that doubt one label."""
    place, notes = tmp_path_factory.mktemp("street"), []
    for i in range(30):
        image = Image.new("RGB", (300, 200), "white")
        for k, colour in enumerate(("grey", "blue")):
            box = (20 + 140 * k, 60, 80 + 140 * k, 100)
            image.paste(colour, box)
            bbox = [box[0], box[1], 60, 40]
            notes.append({"id": len(notes), "image_id": i, "category_id": k, "bbox": bbox, "area": 2400, "iscrowd": 0})
        image.save(place / f"{i:02}.png")
    images = [{"id": i, "file_name": f"{i:02}.png", "width": 300, "height": 200} for i in range(30)]
    categories = [{"id": 0, "name": "grey"}, {"id": 1, "name": "blue"}]
    probs = np.eye(2)[[note["category_id"] for note in notes]] * 0.9 + 0.05
    notes[6]["category_id"] = 1
    content = {"images": images, "annotations": notes, "categories": categories}
    (place / "instances.json").write_text(json.dumps(content))
    ls.find(place, probs=probs, out=place.parent / "street.sieve")
    return place.parent / "street.sieve"


def pixel(page, x, y):
    """The colour of the shown picture at a point of it."""
    draw = """([x, y]) => { const image = document.querySelector('.lens img'), c = document.createElement('canvas')
        c.width = image.naturalWidth; c.height = image.naturalHeight; const d = c.getContext('2d')
        d.drawImage(image, 0, 0); return [c.width, c.height, ...d.getImageData(x, y, 1, 1).data.slice(0, 3)] }"""
    return page.evaluate(draw, [x, y])


def near(colour, other):
    return max(abs(a - b) for a, b in zip(colour, other, strict=True)) < 90


def test_v_changes_between_the_whole_picture_and_the_box(serve, open_page, street):
    page = open_page(f"{serve(street).url}/focus")
    assert shown(page) == "6"
    eventually(lambda: pixel(page, 0, 0)[:2] == [300, 200])
    assert near(pixel(page, 50, 59)[2:], YELLOW) and near(pixel(page, 50, 80)[2:], (128, 128, 128))
    assert near(pixel(page, 190, 59)[2:], (255, 255, 255))
    page.keyboard.press("v")
    eventually(lambda: pixel(page, 0, 0)[:2] == [72, 48])
    page.get_by_role("button", name="In the whole picture").click()
    eventually(lambda: pixel(page, 0, 0)[:2] == [300, 200])
