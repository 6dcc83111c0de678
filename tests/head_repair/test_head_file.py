"""Saved heads of every kind: found, repaired, written back; what could run code or is damaged is refused."""

import pickle

import numpy as np
import pytest
import safetensors.numpy
import torch

from labelsieve.core.errors import UserError
from labelsieve.engine.model_file import load, save
from labelsieve.head_repair.head_file import read_model, write_model


def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))


@pytest.fixture
def files(tmp_path):
    state = net().state_dict()
    torch.save(state, tmp_path / "plain.pt")
    torch.save({"epoch": 3, "state_dict": state, "lr": [0.1]}, tmp_path / "lightning.ckpt")
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    save(tmp_path / "model", arrays, {"classes": ["a", "b", "c"], "head": "2"})
    np.savez(tmp_path / "head.npz", W=arrays["2.weight"], b=arrays["2.bias"])
    safetensors.numpy.save_file(arrays, tmp_path / "net.safetensors")
    return tmp_path


@pytest.mark.parametrize("name", ["plain.pt", "lightning.ckpt", "model", "head.npz", "net.safetensors"])
def test_the_head_and_its_bias_are_found(files, name):
    saved = read_model(files / name)
    (head,) = saved.heads(n_classes=3)
    layer = net()[2]
    np.testing.assert_array_equal(saved.arrays[head], layer.weight.detach())
    np.testing.assert_array_equal(saved.arrays[saved.bias(head)], layer.bias.detach())


def test_the_last_matrix_of_a_state_dict_is_the_head_others_must_be_named(files):
    assert read_model(files / "plain.pt").heads() == ("2.weight",)
    with pytest.raises(UserError, match="head=: "):
        read_model(files / "net.safetensors").heads()
    assert read_model(files / "net.safetensors").heads(("0", "2.weight")) == ("0.weight", "2.weight")
    with pytest.raises(UserError, match=r"no matrix 'fc'.*0\.weight \(4, 5\)"):
        read_model(files / "plain.pt").heads(("fc",))
    with pytest.raises(UserError, match="with 7 rows"):
        read_model(files / "plain.pt").heads(n_classes=7)


def test_two_heads_by_the_manifest(tmp_path):
    arrays = {f"net{i}.fc.weight": np.full((2, 3), float(i)) for i in (1, 2)}
    save(tmp_path / "m", arrays, {"heads": ["net1.fc", "net2.fc"]})
    assert read_model(tmp_path / "m").heads() == ("net1.fc.weight", "net2.fc.weight")


@pytest.mark.parametrize("source", ["plain.pt", "lightning.ckpt", "model", "head.npz", "net.safetensors"])
@pytest.mark.parametrize("out", ["out.npz", "out.pt", "out"])
def test_written_models_hold_the_change_and_all_the_rest(files, source, out):
    saved = read_model(files / source)
    (head,) = saved.heads(n_classes=3)
    write_model(files / out, saved, {head: saved.arrays[head] + 1}, {**saved.manifest, "repair": {}})
    back = read_model(files / out)
    for name, array in saved.arrays.items():
        np.testing.assert_array_equal(back.arrays[name], array + (name == head))


def test_a_lightning_checkpoint_keeps_its_other_entries_and_types(files):
    half = {"epoch": 3, "state_dict": {"fc.weight": torch.ones(2, 3, dtype=torch.bfloat16)}}
    torch.save(half, files / "half.ckpt")
    saved = read_model(files / "half.ckpt")
    write_model(files / "new.ckpt", saved, {"fc.weight": np.full((2, 3), 2, np.float32)}, {})
    loaded = torch.load(files / "new.ckpt", weights_only=True)
    assert loaded["epoch"] == 3 and loaded["state_dict"]["fc.weight"].dtype == torch.bfloat16
    assert (loaded["state_dict"]["fc.weight"] == 2).all()


def test_nothing_that_was_there_is_overwritten_but_an_earlier_repair(files):
    saved = read_model(files / "model")
    for taken in ("model", "head.npz", "plain.pt"):
        with pytest.raises(UserError, match="already exists"):
            write_model(files / taken, saved, {}, {"repair": {}})
    for keep in ("first", "second"):
        write_model(files / "out", saved, {}, {"repair": {"keep": keep}})
    assert load(files / "out")[1]["repair"]["keep"] == "second"


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("code was run",))


def test_what_could_run_code_is_refused(tmp_path):
    for name in ("m.pkl", "m.joblib", "m.pickle"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
        with pytest.raises(UserError, match="pickle"):
            read_model(tmp_path / name)
    torch.save({"model": Trap(), "w": torch.ones(2)}, tmp_path / "trap.pt")
    with pytest.raises(UserError, match=r"state_dict\(\)"):
        read_model(tmp_path / "trap.pt")
    torch.save(net(), tmp_path / "whole.pt")
    with pytest.raises(UserError, match=r"state_dict\(\)"):
        read_model(tmp_path / "whole.pt")
    np.savez(tmp_path / "o.npz", W=np.array([Trap()], object))
    with pytest.raises(UserError, match="plain arrays"):
        read_model(tmp_path / "o.npz")


@pytest.mark.parametrize("name", ["plain.pt", "lightning.ckpt", "head.npz", "net.safetensors"])
@pytest.mark.parametrize("keep", [0, 10, 200, -30])
def test_truncated_files_are_told(files, name, keep):
    path = files / name
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=name):
        read_model(path)


def test_other_things_are_told(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_model(tmp_path / "no.pt")
    (tmp_path / "m.onnx").write_bytes(b"x")
    with pytest.raises(UserError, match="not a supported model"):
        read_model(tmp_path / "m.onnx")
    torch.save({"epoch": 3}, tmp_path / "e.pt")
    with pytest.raises(UserError, match="no state dict"):
        read_model(tmp_path / "e.pt")
    np.savez(tmp_path / "v.npz", W=np.zeros(3))
    with pytest.raises(UserError, match="could be the head"):
        read_model(tmp_path / "v.npz").heads()
