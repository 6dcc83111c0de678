"""Shards that mosaicml-streaming wrote, through load and apply; it reads the copy back where it is installed."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelsieve as ls
from labelsieve.core.errors import UserError

FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize("name", ["mds", "mds_zstd"])
def test_splits_are_read_and_written_back(name, tmp_path):
    data = ls.load(FILES / name)
    assert (len(data), data.kind, data.classes) == (80, "image", ("0", "1", "2"))
    assert data.ids[0] == "train0" and data.ids[79] == "val39"
    for row in (0, 41, 79):  # the picture says what the label is
        assert int(np.array(Image.open(io.BytesIO(data.inputs[row]))).mean(axis=1).argmax()) // 2 == data.labels[row]
    (tmp_path / "p.csv").write_text("id,old,new\ntrain3,0,9\nval5,2,\n")
    ls.apply(FILES / name, patch=tmp_path / "p.csv", out=tmp_path / "clean")
    again = ls.load(tmp_path / "clean")
    assert len(again) == 79 and again.classes[again.labels[3]] == "9" and again.inputs[45] == data.inputs[46]
    index = json.loads((tmp_path / "clean/val/index.json").read_text())
    assert [shard["samples"] for shard in index["shards"]] == [24, 15]
    untouched = index["shards"][1]["zip_data" if name == "mds_zstd" else "raw_data"]["basename"]
    assert (tmp_path / "clean/val" / untouched).read_bytes() == (FILES / name / "val" / untouched).read_bytes()
    streaming = pytest.importorskip("streaming")
    copy = streaming.StreamingDataset(local=str(tmp_path / "clean/train"), shuffle=False, batch_size=1)
    assert len(copy) == 40 and copy[3]["label"] == 9 and copy[4]["name"] == "train4"


def test_vectors_and_texts_are_chosen_where_there_is_no_image(tmp_path):
    def column(name):
        shutil.copytree(FILES / "mds/train", tmp_path / name)
        path = tmp_path / name / "index.json"
        index = json.loads(path.read_text())
        for shard in index["shards"]:
            shard["column_encodings"][0] = name
        path.write_text(json.dumps(index))
        return tmp_path / name

    with pytest.raises(UserError, match="no column 'kind'; there are image, label, name, v"):
        ls.load(FILES / "mds", label="kind")
    vectors = ls.load(column("pkl"))  # pickles are never opened
    assert vectors.kind == "features" and vectors.inputs[5].tolist() == [5, 6, 7]


def test_a_damaged_shard_is_told(tmp_path):
    shutil.copytree(FILES / "mds/train", tmp_path / "d")
    shard = tmp_path / "d/shard.00001.mds"
    shard.write_bytes(shard.read_bytes()[:-3])
    with pytest.raises(UserError, match=r"shard.00001.mds is damaged: it has [\d,]+ bytes, but the index tells of"):
        ls.load(tmp_path / "d")
    shutil.rmtree(tmp_path / "d")
    shutil.copytree(FILES / "mds/train", tmp_path / "d")
    shard.write_bytes(b"\xff" * 8 + shard.read_bytes()[8:])
    with pytest.raises(UserError, match="shard.00001.mds is damaged: its samples are not where it says"):
        ls.load(tmp_path / "d")


def test_an_index_that_is_none_is_told(tmp_path):
    shutil.copytree(FILES / "mds", tmp_path / "d")
    (tmp_path / "d/train/index.json").write_text('{"shards": [{"format": "mds"}]}')
    with pytest.raises(UserError, match="train/index.json is not an index of MDS"):
        ls.load(tmp_path / "d")
