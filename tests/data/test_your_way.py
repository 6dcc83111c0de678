"""Files as people have them: what is not read is refused with the row of the table "Your format, your way" that says
where to go; what is read keeps its labels and ids."""

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.core.errors import UserError
from labelsieve.data import load
from labelsieve.data.doors import DOORS, TEXTS, TOOLS

PAGE = Path(__file__).parents[2] / "docs/ways-in.md"


def by_id(data):
    return {key: data.classes[label] for key, label in zip(data.ids, data.labels, strict=True)}


def refusal(source, **named):
    with pytest.raises(UserError) as error:
        load(source, **named)
    return error.value.for_command_line()


def test_every_way_is_a_row_of_the_table():
    table = PAGE.read_text(encoding="utf-8").partition("## Your format, your way")[2].partition("\n\nA corrected")[0]
    for way in (TEXTS, TOOLS, *(way for _, way in DOORS.values())):
        assert way in table


@pytest.mark.parametrize(("suffixes", "told"), DOORS.items())
def test_a_file_that_is_not_read_names_its_way(tmp_path, suffixes, told):
    what, way = told
    for suffix in suffixes:
        path = tmp_path / f"data{suffix}"
        path.write_bytes(b"x")
        message = refusal(path)
        assert f"{path} is {what}. Your way: " in message
        assert re.split("FILE|FOLDER", way)[0] in message and "FILE" not in message


def test_folders_of_other_files_name_their_way(tmp_path):
    for folder, name, said in (
        ("news", "1", TEXTS), ("reviews", "1.txt", TEXTS), ("wav", "1.wav", "sounds"), ("x", "1.npy", "array"),
    ):  # fmt: skip
        for place in (folder, f"{folder}/train", f"{folder}/test"):
            for label in ("neg", "pos"):
                (tmp_path / place / label).mkdir(parents=True, exist_ok=True)
                (tmp_path / place / label / name).write_bytes(b"x")
        assert said in refusal(tmp_path / folder) and said in refusal(tmp_path / folder / "train")
    for i in range(4):
        (tmp_path / f"photo{i}.jpg").write_bytes(b"x")
        (tmp_path / f"photo{i}.json").write_text('{"shapes": []}')
    for folder in ("news", "reviews", "wav", "x"):
        (tmp_path / folder).rename(tmp_path.parent / f"{tmp_path.name}-{folder}")
    assert TOOLS in refusal(tmp_path)
    assert "a single image; name the folder" in refusal(tmp_path / "photo0.jpg")


def test_the_folder_to_name_is_the_one_with_the_class_folders(tmp_path):
    for name in ("seg_train/seg_train/sea/1.jpg", "seg_train/seg_train/wood/2.jpg", "seg_test/seg_test/sea/3.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert f"or {tmp_path}/seg_train/seg_train instead" in refusal(tmp_path)


def test_numbers_that_lost_their_zeros_find_their_pictures(tmp_path):
    for i in range(12):
        (tmp_path / f"{i:03d}.jpg").write_bytes(b"x")
    rows = [(i * 5) % 12 for i in range(12)]
    table = tmp_path.parent / f"{tmp_path.name}.csv"
    table.write_text("Id,class\n" + "".join(f"{i},{('cat', 'dog')[i % 2]}\n" for i in rows))
    data = load(tmp_path, labels=table)
    assert by_id(data) == {f"{i:03d}.jpg": ("cat", "dog")[i % 2] for i in range(12)}
    assert any("the numbers in the ids, without zeros in front" in note for note in data.notes)
    lines = tmp_path.parent / f"{tmp_path.name}.txt"
    lines.write_text("".join(f"{i:03d}.jpg,cat\n" for i in rows))
    assert "name the file .csv" in refusal(tmp_path, labels=lines)


def test_decimal_commas_between_semicolons_are_numbers_and_stay_in_the_copy(tmp_path):
    rng = np.random.default_rng(0)
    rows = [(i, ("u", "v")[i % 2], rng.normal(4 * (i % 2), 1, 3)) for i in range(40)]
    text = "Nr;Länge;Breite;Höhe;Klasse\r\n"
    text += "".join(f"{i};{';'.join(f'{v:.2f}'.replace('.', ',') for v in x)};{label}\r\n" for i, label, x in rows)
    path = tmp_path / "maße.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    findings = ls.find(path, label="Klasse", id="Nr", out=tmp_path / "run", progress=False)
    data = load(path, label="Klasse", id="Nr")
    np.testing.assert_allclose(data.inputs, [np.round(x, 2) for *_, x in rows])
    assert any("a comma is read as a decimal point" in note for note in findings.notes)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("labelsieve_id,decision,label\n7,relabel,u\n")
    ls.import_decisions(tmp_path / "run", sheet, from_="csv", reviewer="Ann")
    ls.apply(tmp_path / "run", out=tmp_path / "clean")
    old, new = text.splitlines(), (tmp_path / "clean/maße.csv").read_text("utf-8-sig").splitlines()
    assert new[0].startswith(old[0]) and new[8].startswith(old[8][:-1] + "u;") and new[9].startswith(old[9])


@pytest.mark.parametrize("orient", ["split", "records", "index", "columns", "table"])
def test_every_layout_of_pandas_keeps_its_index(tmp_path, orient):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"body": [f"text {i}" for i in range(9)], "topic": ["a", "b", "c"] * 3})
    frame.index = [f"k{i}" for i in range(9)]
    frame.to_json(tmp_path / "t.json", orient=orient)
    data = load(tmp_path / "t.json", text="body", label="topic")
    assert list(by_id(data).values()) == ["a", "b", "c"] * 3
    if orient != "records":  # which has no index
        found = (
            data.ids.tolist()
            if orient != "table"
            else load(tmp_path / "t.json", text="body", label="topic", id="index").ids.tolist()
        )
        assert found == [f"k{i}" for i in range(9)]


def test_several_labels_in_one_cell_are_none(tmp_path):
    path = tmp_path / "t.jsonl"
    cells = ["Mass", "Nodule", "Mass|Nodule", "Nodule; Mass", "Washington, DC", "Mass", "Nodule"]
    path.write_text("".join(json.dumps({"text": f"t{i}", "label": cell}) + "\n" for i, cell in enumerate(cells)))
    data = load(path)
    assert [item.id for item in data.excluded] == ["2", "3"] and data.classes == ("Mass", "Nodule", "Washington, DC")


def test_a_table_without_a_line_of_names_is_told(tmp_path):
    (tmp_path / "t.csv").write_text("3.1,0.2,setosa\n" * 5)
    assert "If '3.1' is data, write a line of column names above it." in refusal(tmp_path / "t.csv")
    (tmp_path / "u.csv").write_text("a,b\n1,2\n")
    assert "column names" not in refusal(tmp_path / "u.csv")


def test_the_copy_of_an_archive_keeps_the_names_of_its_files(tmp_path):
    from PIL import Image

    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for i in range(12):
            Image.new("RGB", (8, 8), (20 * i, 0, 0)).save(tmp_path / "one.png")
            archive.write(tmp_path / "one.png", f"photos/{('cat', 'dog')[i % 2]}/{i}.png")
    source = f"zip://photos::{tmp_path}/p.zip"
    assert f"find zip://{tmp_path}/p.zip" not in refusal(tmp_path / "p.zip")
    patch = tmp_path / "patch.csv"
    patch.write_text("id,old,new\ncat/4.png,cat,dog\n")
    ls.apply(source, patch=patch, out=tmp_path / "clean")
    copied = {str(path.relative_to(tmp_path / "clean")) for path in (tmp_path / "clean").rglob("*.png")}
    assert copied == {f"{('cat', 'dog')[i % 2]}/{i}.png" for i in range(12) if i != 4} | {"dog/4.png"}


def test_deeper_images_of_class_folders_are_all_counted(tmp_path):
    for name in ("cat/1.jpg", "cat/more/deep/2.jpg", "cat/more/deep/3.jpg", "dog/4.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert {item.id for item in load(tmp_path).excluded} == {"cat/more/deep/2.jpg", "cat/more/deep/3.jpg"}


def test_votes_in_a_folder_name_their_table(tmp_path):
    (tmp_path / "cat").mkdir()
    assert "a folder, which holds no votes; name their table with --votes FILE" in refusal(tmp_path, annotator="who")


def test_a_list_of_paths_is_images_not_texts(tmp_path):
    import pandas as pd
    from PIL import Image

    paths = [tmp_path / f"{i}.png" for i in range(20)]
    for i, path in enumerate(paths):
        Image.new("RGB", (40, 40), ((200, 20, 20), (20, 20, 200))[i % 2]).save(path)
    labels = ["red", "blue"] * 10
    for given in (paths, [str(path) for path in paths], np.array(list(map(str, paths))), pd.Series(map(str, paths))):
        data = load(given, labels=labels)
        assert data.kind == "image" and data.inputs[3] == paths[3].read_bytes()
    assert load([*paths[1:], tmp_path / "gone.png"], labels=labels).excluded[0].reason.startswith("there is no file")
    assert load([f"see {path.name} please" for path in paths], labels=labels).kind == "text"
    ls.find(paths, labels=labels, out=tmp_path / "run", progress=False)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("labelsieve_id,decision,label\n3,relabel,red\n")
    ls.import_decisions(tmp_path / "run", sheet, from_="csv", reviewer="Ann")
    ls.apply(tmp_path / "run", out=tmp_path / "clean")
    copy = pd.read_parquet(tmp_path / "clean/pictures.parquet")
    assert copy["label"].tolist() == [*labels[:3], "red", *labels[4:]] and copy["image"][3] == paths[3].read_bytes()


def test_bytes_are_texts_and_refusals_speak_plainly():
    texts = [f"text {i}".encode() for i in range(8)]
    assert load(texts, labels=["a", "b"] * 4).inputs[0] == "text 0"
    assert load(np.array(texts), labels=["a", "b"] * 4).inputs[7] == "text 7"
    for values, said in (
        ([("text", "a"), ("more", "b")], "A list of texts cannot be read.*pandas.DataFrame"),
        ({"text": ["a", "b"]}, "A dict cannot be read.*pandas.DataFrame"),
        (np.zeros((4, 3, 32, 32), np.uint8), r"transpose\(0, 2, 3, 1\)"),
        (np.zeros((4, 32, 32, 3), np.float32), r"astype\('uint8'\)"),
    ):
        with pytest.raises(UserError, match=said):
            load(values, labels=["a", "b"] * 2)


def test_row_numbers_called_idx_are_no_features(tmp_path):
    pd = pytest.importorskip("pandas")
    pairs = {"sentence1": ["a b", "c d"] * 5, "sentence2": ["x", "y"] * 5, "label": ["no", "yes"] * 5, "idx": range(10)}
    with pytest.raises(UserError, match="not clear which column .* is the input"):
        load(pd.DataFrame(pairs))
    assert load(pd.DataFrame(pairs), text="sentence1").kind == "text"


def test_a_quotation_mark_that_nobody_closes_loses_no_rows(tmp_path):
    rows = [("\" it 's " if i % 5 == 0 else "") + f"text {i}\t{('bad', 'good')[i % 2]}" for i in range(20)]
    path = tmp_path / "train.tsv"
    path.write_text("sentence\tlabel\n" + "\n".join(rows) + "\n")
    assert "in row 0 (from 0), runs over several rows, because a quotation mark opens it" in refusal(path)
    path.write_text(
        "sentence\tlabel\n"
        + "\n".join(row.replace('" ', '""" ').replace("\t", '"\t') if '"' in row else row for row in rows)
    )
    assert len(load(path)) == 20
