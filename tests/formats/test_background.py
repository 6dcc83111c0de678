"""Crops without a box: where they lie, what a decision on one does, and that they find missing and needless boxes."""

import json
from pathlib import Path

import numpy as np
import pytest
from drawn_boxes import FORMATS, WRITTEN, colour, drawn, write

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.box_formats import NOTHING
from labelsieve.core.errors import UserError
from labelsieve.decide.box_counts import box_counts
from labelsieve.formats.background import decided, is_crop, key


def crops(data):
    return [i for i, one in enumerate(data.ids) if is_crop(one)]


def patched(place, rows, out):
    """The data of `place` after the changes (id, old, new)."""
    run = out.parent / f"{out.name}.csv"
    run.write_text("id,old,new\n" + "".join(f'"{one}",{old},{new}\n' for one, old, new in rows))
    applied = ls.apply(place, patch=run, out=out)
    assert applied.conflicts == ()
    return applied


@pytest.mark.parametrize("name", FORMATS)
def test_crops_have_no_box_in_them_and_a_place_of_their_own(name):
    data = ls.load(WRITTEN / name, background=6)
    rows = crops(data)
    assert data.classes[data.labels[rows[0]]] == NOTHING
    assert {data.classes[c] for c in data.labels[rows]} == {NOTHING} and len(data) == 8 + len(rows) and len(rows) <= 18
    for i in rows:
        left, top, right, bottom = data.inputs[i].pixels(96, 64)
        assert 8 < right - left < 40 and 8 < bottom - top < 40
        others = [data.inputs[j] for j in range(len(data)) if data.groups[j] == data.groups[i] and j not in rows]
        for x, y, x2, y2 in (one.pixels(96, 64) for one in others):
            shared = max(0, min(right, x2) - max(left, x)) * max(0, min(bottom, y2) - max(top, y))
            assert shared <= 0.25 * min((right - left) * (bottom - top), (x2 - x) * (y2 - y))
    again = ls.load(WRITTEN / name, background="6")
    assert again.ids.tolist() == data.ids.tolist() and again.recipe["background"] == "6"


@pytest.mark.parametrize("name", FORMATS)
def test_accepted_crops_become_boxes_and_boxes_on_nothing_go(name, tmp_path):
    data = ls.load(WRITTEN / name, background="auto")
    rows = crops(data)
    box = next(i for i in range(len(data)) if i not in rows)
    new = [i for i in rows if data.groups[i] != data.groups[rows[0]]][0]
    changes = [(data.ids[rows[0]], NOTHING, "disc"), (data.ids[new], NOTHING, "star")]
    changes += [(data.ids[box], data.classes[data.labels[box]], NOTHING)]
    applied = patched(WRITTEN / name, changes, tmp_path / "clean")
    assert "Boxes added: 2." in applied.notes
    again = ls.load(tmp_path / "clean")
    assert len(again) == 8 - 1 + 2 and set(again.classes) == {"square", "disc", "star"}
    wanted = {data.inputs[i].pixels(96, 64) for i in (rows[0], new)}
    found = {again.inputs[i].pixels(96, 64) for i in range(len(again))}
    assert wanted <= found and data.inputs[box].pixels(96, 64) not in found


def test_crops_on_one_object_become_one_box():
    near = [(10, 10, 40, 40), (14, 12, 44, 42), (12, 14, 42, 44)]
    ids = [key("a.png", edges) for edges in (*near, (150, 60, 180, 90))]
    added = decided(dict.fromkeys(ids, "disc") | {"7": NOTHING, "8": "disc", key("b.png", near[0]): NOTHING})
    assert added.boxes == {"7": None, "8": "disc"} and added.notes == ("Boxes added: 2.",)
    assert added.added == {"a.png": [("disc", (12, 12, 42, 42)), ("disc", (150, 60, 180, 90))]}
    assert len(decided({ids[0]: "disc", ids[1]: "square"}).added["a.png"]) == 2


def test_what_is_crowded_left_out_or_without_a_box_is_seen(tmp_path):
    """No crop lies in a crowd; pictures without a box are background, unless nobody annotated them."""
    place, content = drawn(tmp_path / "d", pictures=3)
    notes = [note for note in content["annotations"] if note["image_id"] != 2]
    notes.append({"id": 99, "image_id": 0, "category_id": 1, "bbox": [0, 0, 200, 120], "area": 1, "iscrowd": 1})
    content["annotations"] = notes
    (place / "images" / "003.png").write_bytes((place / "images" / "002.png").read_bytes())
    data = ls.load(write(place, content), background=8)
    assert {data.groups[i] for i in crops(data)} == {"images/001.png", "images/002.png"}
    assert any("2 pictures below" in note and "have no box" in note for note in data.notes)


def test_new_lines_of_yolo_have_the_form_of_the_others(tmp_path):
    from PIL import Image

    for folder in ("images", "labels"):
        (tmp_path / "d" / folder).mkdir(parents=True)
    for i in range(3):
        Image.new("RGB", (100, 50), (i, 9, 9)).save(tmp_path / "d" / "images" / f"{i}.png")
    (tmp_path / "d" / "labels" / "0.txt").write_bytes(b"0 0.1 0.1 0.3 0.1 0.3 0.4 0.1 0.4\r\n")
    (tmp_path / "d" / "labels" / "1.txt").write_text("1 0.5 0.5 0.8 0.5 0.8 0.9 0.5 0.9")
    (tmp_path / "d" / "labels" / "2.txt").write_text("")
    (tmp_path / "d" / "data.yaml").write_text("names: [cat, dog]\nnc: 2\n")
    ids = [key(f"images/{i}.png", (0.5, 0.1, 0.7, 0.4)) for i in range(3)]
    data = ls.load(tmp_path / "d", background=4)
    assert {data.groups[i] for i in crops(data)} == {"images/0.png", "images/1.png", "images/2.png"}
    from labelsieve import formats

    formats.write("yolo", str(tmp_path / "d"), dict.fromkeys(ids, "dog"), tmp_path / "out", {})
    line = "1 0.5 0.1 0.7 0.1 0.7 0.4 0.5 0.4"
    read = [(tmp_path / "out" / "labels" / f"{i}.txt").read_bytes().decode() for i in range(3)]
    assert read[0] == f"0 0.1 0.1 0.3 0.1 0.3 0.4 0.1 0.4\r\n{line}\r\n"
    assert read[1] == f"1 0.5 0.5 0.8 0.5 0.8 0.9 0.5 0.9\n{line}\n" and read[2] == f"{line}\n"
    (tmp_path / "d" / "data.yaml").write_text("names: [cat, dog]\nkpt_shape: [2, 3]\n")
    formats.write("yolo", str(tmp_path / "d"), {ids[2]: "dog"}, tmp_path / "pose", {})
    assert (tmp_path / "pose" / "labels" / "2.txt").read_text() == "1 0.6 0.25 0.2 0.3 0 0 0 0 0 0\n"


def test_missing_and_needless_boxes_are_found_and_applied(tmp_path):
    pytest.importorskip("onnxruntime")
    place, content = drawn(tmp_path / "d", pictures=40, each=3)
    gone = [note for note in content["annotations"] if note["id"] in (8, 50, 90)]
    content["annotations"] = [note for note in content["annotations"] if note not in gone]
    for note in content["annotations"]:
        if note["id"] in (31, 76):  # moved to where nothing is
            note["bbox"] = [160, 40, 30, 30]
    write(place, content)
    found = ls.find(place, out=tmp_path / "run.sieve", side=64, background=40)
    first = {found.ids[i] for i in found.order()[:30]}
    assert {"31", "76"} <= first
    names = np.array(found.classes, object)
    given = {one: names[found.given[list(found.ids).index(one)]] for one in ("31", "76")}
    changes = [(one, label, NOTHING) for one, label in given.items()]
    assert all(names[found.other[list(found.ids).index(one)]] == NOTHING for one in ("31", "76"))
    for note in gone:
        picture = f"images/{note['image_id']:03}.png@"
        hits = [i for i in found.order()[:30] if found.ids[i].startswith(picture)]
        assert hits and names[found.other[hits[0]]] == ("square", "disc")[note["category_id"] - 1]
        changes.append((found.ids[hits[0]], NOTHING, names[found.other[hits[0]]]))
    applied = patched(tmp_path / "run.sieve", changes, tmp_path / "clean")
    assert "Boxes added: 3." in applied.notes
    left = json.loads((tmp_path / "clean" / "instances.json").read_text())
    assert len({note["id"] for note in left["annotations"]}) == len(left["annotations"])
    assert not {31, 76} & {note["id"] for note in left["annotations"]}
    for note in gone:
        x, y, side, _ = note["bbox"]
        new = [one["bbox"] for one in left["annotations"] if one["id"] > 120 and one["image_id"] == note["image_id"]]
        assert any(abs(a - x) < 0.7 * side and abs(b - y) < 0.7 * side for a, b, *_ in new)
    pycocotools = pytest.importorskip("pycocotools.coco")
    real = pycocotools.COCO(str(tmp_path / "clean" / "instances.json"))
    assert len(real.getAnnIds()) == len(left["annotations"])


def test_wrong_numbers_and_data_without_boxes_are_refused(tmp_path):
    place, content = drawn(tmp_path / "d", pictures=2)
    for wrong in (-1, "many", 10_001, 2.5, True):
        with pytest.raises(UserError, match="background=8 is"):
            ls.load(place, background=wrong)
    with pytest.raises(UserError, match="for data with boxes"):
        ls.load(["a", "b"], labels=["x", "y"], background=3)
    assert len(ls.load(["a", "b"], labels=["x", "y"], background="auto")) == 2
    content["categories"][0]["name"] = NOTHING
    with pytest.raises(UserError, match="has a class '\\(nothing\\)'"):
        ls.load(write(place, content), background=3)
    assert colour(ls.load(Path(place)).inputs[1]) == "disc"


def test_the_boxes_are_counted_alone_in_the_terminal_the_report_and_the_overview(tmp_path, capsys):
    """The count of wrong labels is the sum of the boxes and of the crops without a box; other data have one count."""

    place, content = drawn(tmp_path / "d", pictures=12)
    content["annotations"][5]["category_id"] = 1
    write(place, content)
    out = tmp_path / "run.sieve"
    assert main(["find", str(place), "-o", str(out), "--side", "64", "--detectors", "gce"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    found = ls.open_run(out).findings
    crop = np.array([is_crop(one) for one in found.ids])
    assert f"48 boxes and {crop.sum()} crops without a box, 3 classes" in told
    assert f"Boxes alone: about {found.p_wrong[~crop].sum():,.0f} of 48 are wrong (" in told
    ls.report(out)
    assert "of 48 are wrong (" in (out / "report.html").read_text(encoding="utf-8")
    counts = box_counts(found)
    assert counts.boxes + counts.crops == len(found) and counts.crops == crop.sum()
    assert counts.wrong + counts.overlooked == pytest.approx(found.p_wrong.sum())
    assert box_counts(ls.find(np.eye(4)[[0, 1] * 20], labels=[0, 1] * 20, detectors=["gce"])) is None
