"""`labelsieve repair` and `labelsieve spectrum` on saved heads: files, output, errors."""

import json

import numpy as np
import pytest
import torch

from labelsieve.cli.repair import repair
from labelsieve.cli.spectrum import spectrum
from labelsieve.core.errors import UserError
from labelsieve.engine.model_file import load, save
from labelsieve.head_repair.lip import lip
from labelsieve.head_repair.spectrum import compare
from labelsieve.reports.spectrum_page import page

CLASSES = ["ant", "bee", "cow", "<dog>"]


def data(seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=150)
    features = rng.normal(size=(150, 6)) + rng.normal(size=(4, 6))[labels]
    return features.astype(np.float32), labels


@pytest.fixture
def model(tmp_path):
    rng = np.random.default_rng(1)
    weights = {"fc.weight": rng.normal(size=(4, 6)).astype(np.float32), "fc.bias": np.arange(4, dtype=np.float32)}
    save(tmp_path / "model", weights, {"classes": CLASSES, "network": "linear", "features": ["../train.npz"]})
    features, labels = data()
    np.savez(tmp_path / "train.npz", features=features, labels=labels)
    np.savez(tmp_path / "named.npz", features=features, labels=np.array(CLASSES)[labels])
    np.savez(tmp_path / "held.npz", features=data(2)[0], labels=data(2)[1])
    return tmp_path


def test_a_repaired_folder_equals_lip_and_keeps_the_rest(model, capsys):
    repair(model / "model", out=model / "out", keep="0.5")
    before, after = load(model / "model"), load(model / "out")
    expected = lip(before[0]["fc.weight"], *data(), keep=0.5)
    np.testing.assert_array_equal(after[0]["fc.weight"], expected.weight)
    np.testing.assert_array_equal(after[0]["fc.bias"], before[0]["fc.bias"])
    assert after[1]["network"] == "linear" and after[1]["repair"]["keep"] == "0.5"
    assert "2 of 4 components stay" in capsys.readouterr().out


def test_labels_by_name_and_held_out_and_json(model, capsys):
    repair(
        model / "model",
        features=[model / "named.npz"],
        out=model / "a",
        keep="held-out",
        held_out=model / "held.npz",
        json=True,
    )
    (row,) = json.loads(capsys.readouterr().out)["heads"]
    expected = lip(load(model / "model")[0]["fc.weight"], *data(), bias=np.arange(4), keep="held-out", held_out=data(2))
    assert row["kept"] == expected.kept and row["new_values"] == pytest.approx(expected.diagonal.tolist())
    assert len(row["ratio"]) == 4 and row["head"] == "fc.weight"


def test_two_heads_with_their_own_features(model):
    weights = {f"{n}.weight": np.random.default_rng(i).normal(size=(4, 6)) for i, n in enumerate("ab")}
    save(model / "two", weights, {"classes": CLASSES, "heads": ["a", "b"]})
    repair(model / "two", features=[model / "train.npz", model / "held.npz"], out=model / "out", keep="0.5")
    after = load(model / "out")[0]
    for name, seed in (("a.weight", 0), ("b.weight", 2)):
        np.testing.assert_array_equal(after[name], lip(weights[name], *data(seed), keep=0.5).weight)
    with pytest.raises(UserError, match="2 heads and 3 files"):
        repair(model / "two", features=[model / "train.npz"] * 3, out=model / "no")


def test_a_head_larger_than_its_targets_is_noted(model, capsys):
    weights = load(model / "model")[0]
    weights["fc.weight"] = 40 * np.linalg.lstsq(data()[0], np.eye(4)[data()[1]], rcond=None)[0].T
    save(model / "big", weights, {"classes": CLASSES})
    repair(model / "big", features=[model / "train.npz"], out=model / "out", keep="0.5")
    assert "40 times as large" in capsys.readouterr().out
    repair(model / "big", features=[model / "train.npz"], out=model / "out", keep="0.5", scale="head")
    assert "times as large" not in capsys.readouterr().out
    np.testing.assert_allclose(load(model / "out")[0]["fc.weight"], weights["fc.weight"], atol=1e-9)


def test_a_head_smaller_than_its_targets_is_noted(model, capsys):
    weights = {"fc.weight": 0.1 * np.linalg.lstsq(data()[0], np.eye(4)[data()[1]], rcond=None)[0].T}
    save(model / "small", weights, {"classes": CLASSES})
    repair(model / "small", features=[model / "train.npz"], out=model / "out", keep="0.5")
    message = capsys.readouterr().out
    assert "0.1 times as large" in message and "outweigh" in message and "vanish" not in message


def test_empty_components_do_not_affect_the_scale(model, capsys):
    features, labels = data()
    fit = np.linalg.lstsq(features, np.eye(4)[labels], rcond=None)[0]
    u, s, vt = np.linalg.svd(fit, full_matrices=False)
    weights = {"fc.weight": 40 * (u * (s * [1, 0, 0, 0]) @ vt).T}  # three of four components are empty
    save(model / "one", weights, {"classes": CLASSES})
    repair(model / "one", features=[model / "train.npz"], out=model / "out", keep="0.75")
    assert "40 times as large" in capsys.readouterr().out


def test_a_head_that_contradicts_the_labels_is_noted(model, capsys):
    weights = {"fc.weight": -40 * np.linalg.lstsq(data()[0], np.eye(4)[data()[1]], rcond=None)[0].T}
    save(model / "other", weights, {"classes": CLASSES})
    repair(model / "other", features=[model / "train.npz"], out=model / "out", keep="0.5")
    message = capsys.readouterr().out
    assert "contradicts the labels" in message and "times as large" not in message


def test_missing_inputs_of_the_head_are_named(model):
    (model / "train.npz").unlink()
    with pytest.raises(
        UserError, match=r"train\.npz, the inputs of the head, is missing; restore it, or pass features="
    ):
        repair(model / "model", out=model / "out")


def test_a_state_dict_is_repaired(model):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 6), torch.nn.Linear(6, 4))
    torch.save(net.state_dict(), model / "net.pt")
    repair(model / "net.pt", features=[model / "train.npz"], out=model / "new.pt", keep="0.5")
    state = torch.load(model / "new.pt", weights_only=True)
    expected = lip(net[1].weight.detach().numpy(), *data(), keep=0.5).weight
    np.testing.assert_array_equal(state["1.weight"], expected)
    assert torch.equal(state["0.weight"], net[0].weight)


@pytest.mark.parametrize(
    ("arrays", "what"),
    [
        ({"features": np.zeros((3, 6))}, "features and labels; it holds: features"),
        (
            {"features": np.zeros((3, 6)), "labels": np.array(["ant", "bee", "gnu"])},
            "'gnu' is not a class of the model",
        ),
        ({"features": np.zeros((3, 6)), "labels": np.arange(4)}, "one per row"),
        ({"features": np.zeros((3, 5)), "labels": np.arange(3)}, "takes 6 features"),
        ({"features": np.zeros((3, 6)), "labels": np.array([0, 1, 4])}, "has 4 classes"),
    ],
)
def test_features_that_do_not_fit_are_an_error_and_nothing_is_written(model, arrays, what):
    np.savez(model / "bad.npz", **arrays)
    with pytest.raises(UserError, match=what):
        repair(model / "model", features=[model / "bad.npz"], out=model / "out")
    assert not (model / "out").exists()


def test_a_model_without_features_needs_the_option(model):
    np.savez(model / "head.npz", W=np.ones((4, 6)))
    with pytest.raises(UserError, match="features="):
        repair(model / "head.npz", out=model / "out")


def test_spectrum_prints_writes_and_lists(model, capsys):
    repair(model / "model", out=model / "out", keep="0.5")
    spectrum(model / "model", model / "out", out=model / "s.html", k=2)
    printed = capsys.readouterr().out
    assert "The 2 leading directions share" in printed and "Effective rank" in printed
    html = (model / "s.html").read_text(encoding="utf-8")
    assert html.count("<svg") == 3 and "http" not in html and "<script" not in html
    spectrum(model / "model", model / "out", k=2, json=True)
    result = json.loads(capsys.readouterr().out)
    first, second = (load(model / name)[0]["fc.weight"] for name in ("model", "out"))
    expected = compare(first, second, k=2)
    assert result["features"]["angles"] == pytest.approx(expected.features.angles.tolist())
    assert np.shape(result["features"]["phi"]) == (4, 4)


def test_only_an_earlier_page_is_overwritten(model):
    (model / "mine.html").write_text("<!doctype html><html><title>My thesis</title></html>")
    with pytest.raises(UserError, match="mine.html already exists and was not written by `labelsieve spectrum`"):
        spectrum(model / "model", model / "model", out=model / "mine.html")
    assert "thesis" in (model / "mine.html").read_text()
    for k in (1, 2):
        spectrum(model / "model", model / "model", out=model / "s.html", k=k)
    assert "the 2 leading" in (model / "s.html").read_text()


def test_heads_that_cannot_be_compared_are_an_error(model):
    save(model / "other", load(model / "model")[0], {"classes": CLASSES[::-1]})
    with pytest.raises(UserError, match="different classes"):
        spectrum(model / "model", model / "other")
    np.savez(model / "small.npz", W=np.ones((4, 5)))
    with pytest.raises(UserError, match="the same shape"):
        spectrum(model / "model", model / "small.npz")


def test_the_page_escapes_names_and_stays_small_for_many_classes():
    rng = np.random.default_rng(0)
    head = rng.normal(size=(300, 310))
    html = page(compare(head, head + rng.normal(size=head.shape)), "<script>alert(1)</script>", 'a"b')
    assert "<script" not in html and len(html) < 1_000_000
    flat = page(compare(np.eye(1), 100 * np.eye(1)), "a", "b")
    assert "none (no gap)" in page(compare(np.eye(3), 100 * np.eye(3), k=1), "a", "b") and "nan" not in flat
