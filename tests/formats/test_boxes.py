"""Boxes through load, find and apply. `written_boxes/` was written by Datumaro 1.13.12 (coco, yolo_1_1, voc, cvat) and
supervision 0.31.2 (coco_flat, yolo, voc_flat), from the same three pictures; both packages and pycocotools 2.0.11 read
the corrected copies of them."""

import json
import re
import shutil

import numpy as np
import pytest
from drawn_boxes import FORMATS, WRITTEN, colour, drawn, write
from PIL import Image

import labelsieve as ls
from labelsieve.core.errors import UserError
from labelsieve.core.input_parts import groups, part
from labelsieve.core.read_many import read_many
from labelsieve.encode.decode_image import DecodeError, decode, picture, whole


def labels(data):
    return {key: data.classes[c] for key, c in zip(data.ids, data.labels, strict=True)}


@pytest.mark.parametrize("name", FORMATS)
def test_what_real_tools_write_is_read_as_the_same_boxes(name):
    data = ls.load(WRITTEN / name)
    assert data.recipe["format"] == FORMATS[name]
    assert (len(data), data.kind, set(data.classes)) == (8, "image", {"square", "disc"})
    assert len(set(data.groups)) == 3
    for i in range(8):
        crop = data.inputs[i]
        assert colour(crop) == data.classes[data.labels[i]]
        left, top, right, bottom = crop.pixels(96, 64)
        assert 14 <= right - left <= 25 and 14 <= bottom - top <= 25


@pytest.mark.parametrize("name", FORMATS)
def test_apply_changes_the_class_and_nothing_else(name, tmp_path):
    data = ls.load(WRITTEN / name)
    before, ids = labels(data), data.ids.tolist()
    other = {"disc": "square", "square": "disc"}[before[ids[0]]]
    rows = [f"{ids[0]},{before[ids[0]]},{other}", f"{ids[3]},{before[ids[3]]},", f"{ids[4]},{before[ids[4]]},star"]
    (tmp_path / "patch.csv").write_text("id,old,new\n" + "\n".join(rows) + "\n")
    applied = ls.apply(WRITTEN / name, patch=tmp_path / "patch.csv", out=tmp_path / "clean")
    assert (applied.relabelled, applied.left_out) == (2, 1)
    again = ls.load(tmp_path / "clean")
    now = [again.classes[c] for c in again.labels]
    expected = [before[key] for key in ids]
    expected[0], expected[4] = other, "star"
    assert now == [*expected[:3], *expected[4:]]
    same = [path for path in WRITTEN.joinpath(name).rglob("*") if path.suffix == ".png"]
    for path in same:
        assert (tmp_path / "clean" / path.relative_to(WRITTEN / name)).read_bytes() == path.read_bytes()


def test_changed_files_differ_by_the_changed_lines_only(tmp_path):
    """Bytes of XML and of text files, values of JSON."""
    for name in FORMATS:
        data = ls.load(WRITTEN / name)
        key = data.ids[1]
        old = labels(data)[key]
        new = {"disc": "square", "square": "disc"}[old]
        (tmp_path / "patch.csv").write_text(f"id,old,new\n{key},{old},{new}\n")
        ls.apply(WRITTEN / name, patch=tmp_path / "patch.csv", out=tmp_path / name)
        different = 0
        for path in WRITTEN.joinpath(name).rglob("*"):
            copy = tmp_path / name / path.relative_to(WRITTEN / name)
            if path.is_dir() or path.read_bytes() == copy.read_bytes():
                continue
            if path.suffix == ".json":
                one, two = json.loads(path.read_text()), json.loads(copy.read_text())
                pairs = zip(one.pop("annotations"), two.pop("annotations"), strict=True)
                assert one == two
            else:
                pairs = zip(path.read_bytes().split(b"\n"), copy.read_bytes().split(b"\n"), strict=True)
            different += sum(a != b for a, b in pairs)
        assert different == 1, name


def test_boxes_of_one_picture_share_its_bytes_and_its_pixels(tmp_path):
    place, _ = drawn(tmp_path / "d", pictures=3)
    data = ls.load(place)
    crops = list(read_many(data.inputs, range(len(data))))
    assert len({id(crop.whole) for crop in crops}) == 3
    assert whole(crops[0]) is whole(crops[1]) and whole(crops[4]) is not whole(crops[0])
    chosen = np.array([9, 2, 10])
    some = part(data.inputs, chosen)
    again = list(read_many(some, range(3)))
    for i, crop in zip(chosen, again, strict=True):
        assert (decode(crop, 32).pixels == decode(crops[i], 32).pixels).all()
    assert groups(data.inputs).tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_a_crop_has_a_margin_and_is_clipped(tmp_path):
    place, content = drawn(tmp_path / "d", pictures=1)
    content["annotations"][0]["bbox"] = [150, 100, 40, 40]
    content["annotations"][1]["bbox"] = [50, 40, 20, 40]
    crops = ls.load(write(place, content)).inputs
    assert picture(crops[0], 1).image.size == (194 - 146, 120 - 96)
    assert picture(crops[1], 1).image.size == (24, 48)


def test_swapped_classes_come_first(tmp_path):
    pytest.importorskip("onnxruntime")
    place, content = drawn(tmp_path / "d")
    wrong = [7, 60, 101]
    for i in wrong:
        content["annotations"][i]["category_id"] = 3 - content["annotations"][i]["category_id"]
    found = ls.find(write(place, content), out=tmp_path / "run.sieve", side=64)
    assert set(found.ids[np.argsort(found.rank)[:3]]) == {str(i + 1) for i in wrong}
    run = ls.open_run(tmp_path / "run.sieve")
    assert run.findings.examples.show([0])[0].picture.startswith("data:image/jpeg")
    assert "144 boxes in 36 pictures" in " ".join(found.notes)


def test_boxes_that_are_no_single_object_are_listed(tmp_path):
    place, content = drawn(tmp_path / "d", pictures=3)
    notes = content["annotations"]
    notes[0]["iscrowd"], notes[1]["bbox"], notes[2]["bbox"][2] = 1, [], 0
    notes[3]["image_id"], notes[4]["category_id"] = 99, 77
    content["images"].append({"id": 50, "file_name": "gone.png", "width": 200, "height": 120})
    notes[5]["image_id"], notes[6]["id"] = 50, 8
    data = ls.load(write(place, content))
    reasons = {item.id: item.reason for item in data.excluded}
    assert reasons["1"].startswith("it marks a crowd") and reasons["2"] == "it has no bbox"
    assert reasons["3"] == "its box has no area" and "no image 99" in reasons["4"]
    assert reasons["5"] == "the label is missing" and "gone.png" in reasons["6"]
    assert "two annotations with this id" in reasons["8"] and len(data) == 5


def test_a_picture_of_another_size_is_not_cut_and_a_scaled_one_is(tmp_path):
    place, content = drawn(tmp_path / "d", pictures=2)
    content["images"][0]["height"] = 300
    content["images"][1] |= {"width": 400, "height": 240}
    for note in content["annotations"][4:]:
        note["bbox"] = [2 * value for value in note["bbox"]]
    data = ls.load(write(place, content))
    with pytest.raises(DecodeError, match="200 x 120 pixels, but its annotations were made for 200 x 300"):
        picture(data.inputs[0], 1)
    assert [colour(data.inputs[i]) for i in (4, 5, 6, 7)] == ["square", "disc", "square", "disc"]


@pytest.mark.parametrize("upright", [True, False])
def test_a_turned_picture_is_cut_as_its_annotations_see_it(tmp_path, upright):
    place, content = drawn(tmp_path / "d", pictures=2)
    path = place / "images" / "000.jpg"
    image = Image.open(place / "images" / "000.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to see it upright
    (image.rotate(90, expand=True) if upright else image).save(path, exif=exif, quality=95)
    (place / "images" / "000.png").unlink()
    content["images"][0]["file_name"] = "000.jpg"
    data = ls.load(write(place, content))
    assert [colour(data.inputs[i]) for i in range(4)] == ["square", "disc", "square", "disc"]


def test_splits_with_equal_names_and_ids_are_told_apart(tmp_path):
    for split in ("train", "valid"):
        place, _ = drawn(tmp_path / split, pictures=2, seed=len(split))
        for file in (place / "images").iterdir():
            shutil.move(file, place / file.name)
        (place / "images").rmdir()
        (place / "instances.json").rename(place / "_annotations.coco.json")
    data = ls.load(tmp_path)
    assert len(data) == 16 and data.ids[0] == "train/1" and data.ids[8] == "valid/1"
    assert [colour(crop) for crop in read_many(data.inputs, range(16))] == [data.classes[c] for c in data.labels]
    assert data.groups[0] == "train/000.png" and data.groups[8] == "valid/000.png"


def test_one_box_per_picture_is_still_the_label_of_the_picture(tmp_path):
    _, content = drawn(tmp_path / "d", pictures=4)
    content["annotations"] = content["annotations"][::5]
    for file in (tmp_path / "d" / "images").iterdir():
        shutil.move(file, tmp_path / "d" / file.name)
    (tmp_path / "d" / "images").rmdir()
    (tmp_path / "d" / "instances.json").rename(tmp_path / "d" / "_annotations.coco.json")
    (tmp_path / "d" / "_annotations.coco.json").write_text(json.dumps(content))
    data = ls.load(tmp_path / "d")
    assert data.ids[0] == "000.png" and data.recipe["format"] == "coco-labels"
    boxes = ls.load(tmp_path / "d", format="coco-boxes")
    assert boxes.ids[0] == "1" and boxes.recipe["format"] == "coco-boxes"


def test_of_several_files_in_one_folder_the_instances_are_read(tmp_path):
    place, content = drawn(tmp_path / "d", pictures=4)
    (place / "annotations").mkdir()
    (place / "instances.json").rename(place / "annotations" / "instances_val2017.json")
    (place / "annotations" / "person_keypoints_val2017.json").write_text(json.dumps(content))
    (place / "annotations" / "captions_val2017.json").write_text(json.dumps({"images": [], "annotations": []}))
    assert ls.load(place).ids.tolist() == [str(i + 1) for i in range(16)]
    alone = ls.load(place / "annotations" / "person_keypoints_val2017.json")
    assert len(alone) == 16 and colour(alone.inputs[1]) == "disc"


def test_lines_of_yolo_with_polygons_and_without_names(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for i in range(2):
        Image.new("RGB", (100, 50), (i, 9, 9)).save(tmp_path / "images" / f"{i}.png")
    (tmp_path / "labels" / "0.txt").write_text("0 0.5 0.5 0.2 0.4\n\n1 0.1 0.2 0.5 0.2 0.5 0.8 0.1 0.8\n3 x\n")
    (tmp_path / "labels" / "1.txt").write_text("1 0.5 0.5 0.2 0.4 0.9\n0 0.2 0.2 0.1 0.1")
    data = ls.load(tmp_path)
    assert labels(data)["images/0.png#1"] == "0" and "its numbers" not in " ".join(data.notes)
    assert data.inputs[0].pixels(100, 50) == (40, 15, 60, 35)
    assert data.inputs[1].pixels(100, 50) == (10, 10, 50, 40)
    assert [(item.id, item.reason) for item in data.excluded] == [
        ("images/0.png#4", "line 4 of labels/0.txt is not a class and a box")
    ]
    (tmp_path / "patch.csv").write_text("id,old,new\nimages/1.png#2,0,cow\n")
    with pytest.raises(UserError, match="no names of classes, so 'cow' cannot be one"):
        ls.apply(tmp_path, patch=tmp_path / "patch.csv", out=tmp_path.parent / "out")


def test_a_turned_box_of_cvat_is_the_upright_one_around_it_and_other_shapes_stay(tmp_path):
    shutil.copytree(WRITTEN / "cvat", tmp_path / "c")
    file = tmp_path / "c" / "default.xml"
    text = file.read_text().replace('z_order="0"', 'z_order="0" rotation="90"', 1)
    polygon = '<polygon label="disc" points="1,1;9,9;1,9"></polygon>\n'
    file.write_text(text.replace("    <box", f"    {polygon}    <box", 1))
    data = ls.load(tmp_path / "c")
    assert len(data) == 8 and "Not read, but kept: 1 polygon." in data.notes
    upright = ls.load(WRITTEN / "cvat").inputs[0].pixels(96, 64)
    turned = data.inputs[0].pixels(96, 64)
    assert upright[2] - upright[0] == turned[3] - turned[1]
    (tmp_path / "patch.csv").write_text(f"id,old,new\n{data.ids[0]},{labels(data)[data.ids[0]]},\n")
    ls.apply(tmp_path / "c", patch=tmp_path / "patch.csv", out=tmp_path / "clean")
    assert polygon in (tmp_path / "clean" / "default.xml").read_text()


def test_damaged_files_are_named(tmp_path):
    (tmp_path / "annotations.xml").write_text("<annotations>\n<version>1.1</version><box ")
    with pytest.raises(UserError, match=r"annotations\.xml is not well-formed XML: .*line 2"):
        ls.load(tmp_path, format="cvat")
    (tmp_path / "a.json").write_text('{"images": [')
    with pytest.raises(UserError, match=r"a\.json is not JSON"):
        ls.load(tmp_path / "a.json", format="coco-boxes")
    with pytest.raises(UserError, match="no text files of YOLO"):
        ls.load(tmp_path, format="yolo")


def test_boxes_in_the_wrong_unit_are_refused_and_those_beyond_the_edge_are_told(tmp_path):
    place, content = drawn(tmp_path / "d", pictures=3)
    for note in content["annotations"]:
        note["bbox"] = [0.1, 0.2, 0.3, 0.01 * (note["id"] % 4 + 1)]
    with pytest.raises(UserError, match="look like parts of the picture .* in pixels"):
        ls.load(write(place, content))
    for note in content["annotations"]:
        note["bbox"] = [10 + note["id"] % 4, 20, 195, 110]  # left, top, right, bottom, not width and height
    notes = " ".join(ls.load(write(place, content)).notes)
    assert "12 boxes reach beyond the edge of the picture" in notes and "Are the last two numbers" in notes
    shutil.copytree(WRITTEN / "yolo", tmp_path / "yolo")
    for file in (tmp_path / "yolo" / "labels").rglob("*.txt"):
        file.write_text("0 40 30 20 20\n1 20 20 10 10\n")
    with pytest.raises(UserError, match="look like pixels .* in parts of the picture"):
        ls.load(tmp_path / "yolo")


def test_odd_boxes_are_left_out_with_a_reason_or_cut(tmp_path):
    """Outside, mirrored, thin, not numbers; thousands in one picture."""
    place, content = drawn(tmp_path / "d", pictures=3)
    odd = [[300, 10, 20, 20], [50, 50, -20, -20], [10, 10, 0.2, 30], ["a", 1, 2, 3], [-30, -30, 60, 60]]
    for note, box in zip(content["annotations"], odd, strict=False):
        note["bbox"] = box
    many = [note | {"id": 1000 + i, "image_id": 2} for i, note in enumerate(content["annotations"][5:6] * 5000)]
    content["annotations"] += many
    data = ls.load(write(place, content), background=3)
    reasons = {item.id: item.reason for item in data.excluded}
    assert reasons["2"] == "its box has no area" and reasons["4"] == "its box is not made of numbers"
    crops = dict(zip(data.ids, data.inputs, strict=True))
    assert picture(crops["3"], 1).image.size[0] >= 1 and crops["5"].pixels(200, 120) == (0, 0, 30, 30)
    with pytest.raises(DecodeError, match="outside"):
        picture(crops["1"], 1)
    assert len(data) == 5012 - 2 + sum("@" in one for one in data.ids)


def test_a_picture_of_cvat_without_boxes_gets_one(tmp_path):
    shutil.copytree(WRITTEN / "cvat", tmp_path / "c")
    file = tmp_path / "c" / "default.xml"
    data = ls.load(tmp_path / "c")
    name = data.groups[0].rpartition("/")[2]
    head = re.search(rf'<image [^>]*name="[^"]*{name}"[^>]*>', file.read_text())[0]
    text = re.sub(re.escape(head) + ".*?</image>", head[:-1] + "/>", file.read_text(), flags=re.DOTALL)
    file.write_text(text)
    data = ls.load(tmp_path / "c", background="auto")
    key = next(one for one in data.ids if name in one and "@" in one)
    (tmp_path / "patch.csv").write_text(f'id,old,new\n"{key}",(nothing),disc\n')
    ls.apply(tmp_path / "c", patch=tmp_path / "patch.csv", out=tmp_path / "clean")
    again = ls.load(tmp_path / "clean")
    assert sum(name in one for one in again.ids) == 1 and len(again) == 1 + sum("@" not in one for one in data.ids)
