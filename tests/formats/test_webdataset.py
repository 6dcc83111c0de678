"""Shards that webdataset writes, through load and apply, and read back by webdataset."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import labelsieve as ls
from labelsieve.core.errors import UserError

wds = pytest.importorskip("webdataset")
DIGITS = load_digits()
IMAGES = (DIGITS.images * 15).astype(np.uint8)
LABELS = DIGITS.target
NUMBERS = ("cls", "cls2", "index", "inx", "id")


@pytest.fixture
def shards(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    with wds.ShardWriter(f"{folder}/shard-%06d.tar", maxcount=100, verbose=0) as writer:
        for i in range(300):
            label = int(LABELS[i])
            about = {"name": f"c{label}", "n": i}
            writer.write({"__key__": f"img{i:05}", "png": IMAGES[i], "cls": label, "json": about})
    return folder


def test_a_folder_one_shard_and_a_range_are_read_in_place(shards):
    data = ls.load(shards)
    assert (len(data), data.kind, data.ids[205], data.classes[3]) == (300, "image", "img00205", "3")
    assert np.array_equal(np.array(Image.open(io.BytesIO(data.inputs[205])).convert("L")), IMAGES[205])
    assert len(ls.load(shards / "shard-000001.tar")) == 100
    assert len(ls.load(f"{shards}/shard-{{000000..000001}}.tar")) == 200
    assert ls.load(shards, label="name").classes[3] == "c3"


def test_webdataset_reads_the_corrected_copy(shards, tmp_path):
    (tmp_path / "p.csv").write_text(f"id,old,new\nimg00003,{LABELS[3]},9\nimg00150,{LABELS[150]},\n")
    ls.apply(shards, patch=tmp_path / "p.csv", out=tmp_path / "clean")
    copy = wds.WebDataset(f"{tmp_path}/clean/shard-{{000000..000002}}.tar", shardshuffle=False)
    samples = list(copy.decode("l8").to_tuple("__key__", "png", "cls", "json"))
    assert len(samples) == 299 and samples[3][2] == 9 and samples[150][0] == "img00151"
    assert np.array_equal(samples[150][1], IMAGES[151]) and samples[3][3] == {"name": f"c{LABELS[3]}", "n": 3}
    name = "shard-000002.tar"
    assert (shards / name).read_bytes() == (tmp_path / "clean" / name).read_bytes()


def test_a_label_in_json_and_class_names_beside_the_shards(shards, tmp_path):
    (tmp_path / "p.csv").write_text(f"id,old,new\nimg00003,c{LABELS[3]},unknown\n")
    ls.apply(shards, label="name", patch=tmp_path / "p.csv", out=tmp_path / "clean")
    copy = wds.WebDataset(f"{tmp_path}/clean/shard-000000.tar", shardshuffle=False).decode().to_tuple("json")
    assert list(copy)[3] == ({"name": "unknown", "n": 3},)
    (shards / "classnames.txt").write_text("".join(f"digit {k}\n" for k in range(10)))
    assert ls.load(shards).classes[3] == "digit 3"
    (tmp_path / "p.csv").write_text(f"id,old,new\nimg00003,digit {LABELS[3]},unknown\n")
    ls.apply(shards, patch=tmp_path / "p.csv", out=tmp_path / "named")
    assert ls.load(tmp_path / "named").classes[10] == "unknown"


@pytest.mark.parametrize("field", NUMBERS)
def test_fields_that_come_back_as_numbers(tmp_path, field):
    with wds.TarWriter(str(tmp_path / "a.tar")) as writer:
        for i in range(50):
            writer.write({"__key__": f"k{i}", "png": IMAGES[i], field: int(LABELS[i])})
    data = ls.load(tmp_path / "a.tar", label=field)
    assert data.classes == tuple("0123456789") and data.labels.tolist() == LABELS[:50].tolist()


def test_keys_that_repeat_and_samples_without_a_label_or_image(tmp_path):
    for shard in range(2):
        with tarfile.open(tmp_path / f"{shard}.tar", "w") as archive:
            for i in range(30):
                files = {f"{i}.cls": str(i % 3).encode()} if i else {}
                files |= {f"{i}.json": json.dumps({"n": i}).encode()}
                files |= {f"{i}.jpg": b"picture"} if i != 1 else {}
                for name, raw in files.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(raw)
                    archive.addfile(member, io.BytesIO(raw))
    data = ls.load(tmp_path)
    assert len(data) == 56 and data.ids[0] == "0/2" and data.ids[28] == "1/2"
    assert {(item.id, item.reason) for item in data.excluded} == {
        (f"{shard}/{key}", reason)
        for shard in (0, 1)
        for key, reason in ((0, "the label is missing"), (1, "it has no image"))
    }
    with pytest.raises(UserError, match="has no field 'kind'; there are"):
        ls.load(tmp_path, label="kind")


def test_another_tar_file_is_told(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("cats/1.jpg"))
    with pytest.raises(UserError, match="is an archive without samples of WebDataset"):
        ls.load(tmp_path / "a.tar")


def test_a_shard_that_is_cut_or_packed_is_told(shards, tmp_path):
    shard = shards / "shard-000001.tar"
    whole = shard.read_bytes()
    for end in (len(whole) // 2, len(whole) // 2 + 300, len(whole) // 2 + 500):
        shard.write_bytes(whole[:end])
        with pytest.raises(UserError, match="shard-000001.tar cannot be read as a tar file: "):
            ls.load(shards)
    for name in shards.iterdir():
        name.rename(name.with_suffix(".tar.gz"))
    with pytest.raises(UserError, match=r"holds packed archives \(shard-000000.tar.gz\); unpack shards of WebDataset"):
        ls.load(shards)


def test_fields_of_several_words_and_labels_written_as_decimals(tmp_path):
    with wds.TarWriter(str(tmp_path / "a.tar"), encoder=False) as writer:
        for i in range(60):
            file = io.BytesIO()
            Image.fromarray(IMAGES[i]).save(file, "png")
            writer.write({"__key__": f"k{i}", "input.png": file.getvalue(), "target.cls": f"{LABELS[i]}.0".encode()})
    data = ls.load(tmp_path / "a.tar")
    assert data.kind == "image" and data.classes[data.labels[3]] == str(LABELS[3])
    (tmp_path / "p.csv").write_text(f"id,old,new\nk3,{LABELS[3]},9\n")
    ls.apply(tmp_path / "a.tar", patch=tmp_path / "p.csv", out=tmp_path / "clean")
    copy = wds.WebDataset(str(tmp_path / "clean/a.tar"), shardshuffle=False)
    assert [sample["target.cls"] for sample in copy][2:5] == [f"{k}.0".encode() for k in (LABELS[2], 9, LABELS[4])]
