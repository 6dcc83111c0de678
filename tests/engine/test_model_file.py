"""A model folder: what goes in comes out, other programs read it, and damage is told in one sentence."""

import json
import os

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from labelsieve.core.errors import UserError
from labelsieve.engine.model_file import load, read_safetensors, save, write_safetensors

DTYPES = ["<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "i1", "u1", "?", ">f4"]
tensor = st.sampled_from(DTYPES).flatmap(
    lambda d: arrays.arrays(d, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
MANIFEST = {
    "network": "linear",
    "classes": ["cat", "große Katze", "\ud83d"],
    "head": "head.weight",
    "settings": {"seed": 0},
}


def weights():
    return {"head.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "head.bias": np.zeros(2), "step": np.array(7)}


@given(st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda s: s != "__metadata__"), tensor, max_size=5))
@settings(max_examples=60, deadline=None)
def test_arrays_come_back_as_they_were(tmp_path_factory, given_arrays):
    path = tmp_path_factory.mktemp("m") / "w.safetensors"
    write_safetensors(path, given_arrays, {})
    back, metadata = read_safetensors(path)
    assert back.keys() == given_arrays.keys() and metadata == {}
    for name, array in given_arrays.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype.newbyteorder("<") and back[name].shape == array.shape


def test_model_comes_back_with_its_manifest(tmp_path):
    save(tmp_path / "model", weights(), MANIFEST)
    back, manifest = load(tmp_path / "model")
    assert manifest == MANIFEST and json.loads((tmp_path / "model" / "model.json").read_text()) == MANIFEST
    for name, array in weights().items():
        np.testing.assert_array_equal(back[name], array)
    assert sorted(os.listdir(tmp_path / "model")) == ["model.json", "weights.safetensors"]


def test_a_file_written_before_the_package_was_used_still_reads(tmp_path):
    """Byte for byte what Labelsieve wrote by itself: header, spaces up to a multiple of eight, the widest numbers
    first."""
    manifest = json.dumps(MANIFEST, ensure_ascii=True)
    entries = {
        "head.bias": {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]},
        "step": {"dtype": "I64", "shape": [], "data_offsets": [16, 24]},
        "head.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [24, 48]},
    }
    header = json.dumps({"__metadata__": {"labelsieve": manifest}, **entries}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    numbers = b"".join(weights()[name].tobytes() for name in entries)
    (tmp_path / "weights.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + numbers)
    back, manifest = load(tmp_path)
    assert manifest == MANIFEST
    for name, array in weights().items():
        np.testing.assert_array_equal(back[name], array)


def test_what_other_programs_wrote_is_read_bfloat16_too(tmp_path):
    half = torch.randn(3, 2, generator=torch.Generator().manual_seed(0)).bfloat16()
    safetensors.torch.save_file({"w": half, "n": torch.arange(3)}, tmp_path / "t.safetensors", {"format": "pt"})
    ours, metadata = read_safetensors(tmp_path / "t.safetensors")
    np.testing.assert_array_equal(ours["w"], half.float().numpy())
    assert ours["n"].tolist() == [0, 1, 2] and metadata == {"format": "pt"}


@pytest.mark.parametrize("cut", [0, 4, 8, 40, -9, -1])
def test_a_truncated_file_is_told(tmp_path, cut):
    save(tmp_path, weights(), MANIFEST)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match=r"weights\.safetensors is cut short, damaged, or not a safetensors file"):
        load(tmp_path)


@given(st.binary(max_size=200).filter(lambda b: b.strip() != b"{}"))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_an_error_and_no_crash(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("m") / "junk"
    for text in (junk, (len(junk)).to_bytes(8, "little") + junk):
        path.write_bytes(text)
        with pytest.raises(UserError, match="junk"):
            read_safetensors(path)


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}, "damaged"),
        ({"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]}, "damaged"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [-4, 4]}, "damaged"),
        ({"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}, "cut short"),
        ({"dtype": "F8_E4M3", "shape": [16], "data_offsets": [0, 16]}, "F8_E4M3"),
        ({"dtype": ["F32"], "shape": [2], "data_offsets": [0, 8]}, "damaged"),
        ({"shape": [2]}, "damaged"),
        ([1, 2], "damaged"),
    ],
)
def test_a_damaged_header_is_told(tmp_path, entry, what):
    text = json.dumps({"w": entry}).encode()
    (tmp_path / "w").write_bytes(len(text).to_bytes(8, "little") + text + bytes(16))
    with pytest.raises(UserError, match=what):
        read_safetensors(tmp_path / "w")


def test_folders_that_are_no_models_are_told(tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no weights"):
        load(tmp_path)
    safetensors.numpy.save_file(weights(), tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match="another program"):
        load(tmp_path)
    (tmp_path / "model.json").write_text("[1]")
    with pytest.raises(UserError, match="not a JSON object"):
        load(tmp_path)


def test_a_failed_write_leaves_the_earlier_model_whole(tmp_path, monkeypatch):
    save(tmp_path, weights(), MANIFEST)
    with pytest.raises(safetensors.SafetensorError, match="complex"):
        save(tmp_path, {"w": np.zeros(2, complex)}, {})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("labelsieve.core.files.os.replace", full)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, {"head.weight": np.ones((2, 3))}, {"classes": []})
    assert load(tmp_path)[1] == MANIFEST and sorted(os.listdir(tmp_path)) == ["model.json", "weights.safetensors"]


def test_weights_replaced_without_their_copy_of_the_manifest_still_agree(tmp_path):
    save(tmp_path, weights(), MANIFEST)
    old = (tmp_path / "model.json").read_bytes()
    save(tmp_path, weights(), {**MANIFEST, "network": "two"})
    (tmp_path / "model.json").write_bytes(old)  # as a kill between the two renames leaves it
    assert load(tmp_path)[1]["network"] == "two"


def test_a_training_that_has_not_finished_is_no_model_yet(tmp_path):
    (tmp_path / "model.json").write_text('{"finished": false}')
    with pytest.raises(UserError, match="has not finished; run the same `labelsieve train` command again"):
        load(tmp_path)
