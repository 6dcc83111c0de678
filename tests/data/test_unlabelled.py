"""Inputs without labels, from every way in."""

import numpy as np
import pytest
from PIL import Image

from labelsieve.core.errors import UserError
from labelsieve.data import load_inputs


def test_a_folder_with_or_without_class_folders(tmp_path):
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / "classed" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16)).save(tmp_path / "classed" / name)
    (tmp_path / "flat").mkdir()
    for name in ("1.png", "2.png"):
        Image.new("L", (16, 16)).save(tmp_path / "flat" / name)
    assert load_inputs(tmp_path / "classed").ids.tolist() == ["a/1.png", "b/2.png"]
    flat = load_inputs(tmp_path / "flat")
    assert sorted(key.split("/")[-1] for key in flat.ids) == ["1.png", "2.png"] and flat.kind == "image"


def test_a_table_with_an_unusable_row(tmp_path):
    (tmp_path / "t.csv").write_text("key,body\nk1,one text\nk2,\nk3,another text\n")
    data = load_inputs(tmp_path / "t.csv", text="body", id="key")
    assert data.ids.tolist() == ["k1", "k3"] and [data.inputs[i] for i in range(2)] == ["one text", "another text"]
    assert [item.id for item in data.excluded] == ["k2"]


def test_features_with_and_without_labels(tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.savez(tmp_path / "bare.npz", features=x)
    np.savez(tmp_path / "full.npz", features=x, labels=["only one"] * 5)
    for name in ("bare", "full"):
        np.testing.assert_array_equal(load_inputs(tmp_path / f"{name}.npz").inputs, x)
    np.testing.assert_array_equal(load_inputs(x).inputs, x)


def test_repeated_ids_and_unusable_data_are_refused(tmp_path):
    (tmp_path / "twice.csv").write_text("key,body\nk1,one text\nk1,another\n")
    with pytest.raises(UserError, match="k1"):
        load_inputs(tmp_path / "twice.csv", text="body", id="key")
    (tmp_path / "empty.csv").write_text("key,body\nk1,\nk2,\n")
    with pytest.raises(UserError, match="holds no text"):
        load_inputs(tmp_path / "empty.csv", text="body", id="key")
