"""Boxes from find to the corrected copy, with the review between them in Chromium, by keys as a person presses them."""

import json

import numpy as np
import pytest
from drawn_boxes import drawn, write
from waiting import eventually, shown

import labelsieve as ls
from labelsieve.core.box_formats import NOTHING

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Drawn squares and discs: box 5 has the other class, box 8 lies on nothing, box 11 was removed."""
    pytest.importorskip("onnxruntime")
    place, content = drawn(tmp_path_factory.mktemp("boxes") / "street", pictures=30, each=3)
    notes = {note["id"]: note for note in content["annotations"]}
    notes[5]["category_id"] = 3 - notes[5]["category_id"]
    notes[8]["bbox"] = [165, 45, 30, 30]
    content["annotations"].remove(notes[11])
    write(place, content)
    gone, picture = notes[11], f"images/{notes[11]['image_id']:03}.png"
    data = ls.load(place, background=60)
    x, y, side, _ = gone["bbox"]
    names = np.array(data.classes, object)
    probs = np.full((len(data), 3), 0.02)
    truth = names[data.labels].copy()
    five, eight = (int(np.flatnonzero(data.ids == key)[0]) for key in ("5", "8"))
    truth[five], truth[eight] = {"square": "disc", "disc": "square"}[truth[five]], NOTHING
    near = [i for i in range(len(data)) if data.groups[i] == picture and "@" in data.ids[i]]
    middle = {i: np.array(data.inputs[i].box).reshape(2, 2).mean(0) for i in near}
    best = min(near, key=lambda i: np.abs(middle[i] - [x + side / 2, y + side / 2]).sum())
    truth[best] = ("square", "disc")[gone["category_id"] - 1]
    probs[np.arange(len(data)), [list(names).index(one) for one in truth]] = 0.96
    run = place.parent / "street.sieve"
    ls.find(place, background=60, probs=probs, out=run)
    return run, str(data.ids[best]), truth[best], tuple(middle[best])


def test_keys_swap_a_class_remove_a_box_and_add_one(serve, open_page, street, tmp_path):
    run, crop, label, middle = street
    server = serve(run)
    page = open_page(f"{server.url}/focus")
    asked = {}
    for _ in range(3):
        now = shown(page)
        asked[now] = " ".join(page.locator(".question").all_inner_texts())
        page.keyboard.press("w")
        eventually(lambda now=now: shown(page) != now)
    assert set(asked) == {"5", "8", crop}
    assert asked["5"] == "" and "Is nothing here?" in asked["8"] and f"Is there a {label} here?" in asked[crop]
    eventually(lambda: len(server.rows()) == 3)
    done = ls.apply(server.run, out=tmp_path / "clean")
    assert "Boxes added: 1." in done.notes and not done.conflicts
    old = {
        note["id"]: note for note in json.loads((run.parent / "street" / "instances.json").read_text())["annotations"]
    }
    new = {note["id"]: note for note in json.loads((tmp_path / "clean" / "instances.json").read_text())["annotations"]}
    assert 8 not in new and new[5]["category_id"] == 3 - old[5]["category_id"]
    (added,) = set(new) - set(old)
    left, top, width, height = new[added]["bbox"]
    assert (left + width / 2, top + height / 2) == middle
    assert all(new[key] == old[key] for key in old if key not in (5, 8))
    coco = pytest.importorskip("pycocotools.coco").COCO(str(tmp_path / "clean" / "instances.json"))
    assert sorted(coco.getAnnIds()) == sorted(new)
