"""labelsieve compare, from the command line."""

import json

import numpy as np
import pytest
from PIL import Image

from labelsieve.cli.compare import compare
from labelsieve.core.errors import UserError


def write(path, n, noise, seed, classes=3, width=8):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    features = np.random.default_rng(9).normal(0, 2, (classes, width))[labels] + rng.normal(0, 1, (n, width))
    given = np.where(rng.random(n) < noise, rng.integers(0, classes, n), labels)
    np.savez(path, features=features.astype(np.float32), labels=given)
    return str(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return write(folder / "train.npz", 300, 0.3, 0), write(folder / "test.npz", 150, 0.0, 1), folder


def test_table_and_size_of_the_test_data(data, capsys):
    train, test, _ = data
    assert compare(train, test=test, seeds=2, epochs=2) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("standard", "gce", "blurry", "piecewise-zero", "elr"))
    assert "300 examples, 2 seeds" in out and "150 labels of --test" in out and "one sweep" in out


def test_json(data, capsys):
    train, test, _ = data
    assert compare(train, test=test, methods="gce,mixup", seeds=3, json=True) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["trained_on"], result["tested_on"], result["held_out"]) == (300, 150, False)
    rows = {row["method"]: row for row in result["rows"]}
    assert set(rows) == {"gce", "mixup"}
    for row in rows.values():
        assert (
            len(row["each"]) == 3 and row["accuracy"] == pytest.approx(np.mean(row["each"])) and row["accuracy"] > 0.8
        )
        assert row["margin"] == pytest.approx(4.303 * np.std(row["each"], ddof=1) / 3**0.5)
    assert result["rows"][0]["accuracy"] >= result["rows"][1]["accuracy"]


def test_without_test_data_a_note_says_that_labels_may_be_wrong(data, capsys):
    train, _, _ = data
    assert compare(train, methods="standard", seeds=1, epochs=1) == 0
    out = capsys.readouterr().out
    assert (
        "239 examples, 1 seed per method" in out
        and "61 given labels held out from training, which may be wrong too" in out
    )
    assert "With 61 other labels, all accuracies may shift together by up to 0.13." in out


def test_too_few_labels_to_measure_accuracy(tmp_path):
    path = write(tmp_path / "few.npz", 9, 0.0, 0)
    with pytest.raises(
        UserError, match="few.npz has 9 examples, and 3 of them can be held out. That is too few to compare methods"
    ):
        compare(path)


def test_about_a_fifth_of_each_class_is_held_out(tmp_path, capsys):
    sizes = [2, 3, 7, 8, 50]
    labels = np.repeat(np.arange(5), sizes)
    np.savez(tmp_path / "sizes.npz", features=np.random.default_rng(0).normal(size=(70, 4)), labels=labels)
    assert compare(str(tmp_path / "sizes.npz"), methods="standard", seeds=1, epochs=1, json=True) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["trained_on"], result["tested_on"]) == (56, 0 + 1 + 1 + 2 + 10)


def test_test_data_of_another_kind_are_refused_before_anything_is_encoded(data, tmp_path, monkeypatch):
    from labelsieve.encode import arrays

    for name in ("a/1.png", "b/1.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (32, 32)).save(tmp_path / name)
    monkeypatch.setattr(arrays, "features", lambda *_, **__: pytest.fail("it encodes"))
    with pytest.raises(
        UserError, match=r"train.npz holds features, but .* holds images; the test data must be of the same kind"
    ):
        compare(str(tmp_path), test=data[0])


def test_mistakes_are_one_sentence(data):
    train, _, folder = data
    other = write(folder / "other.npz", 40, 0.0, 1, classes=4)
    narrow = write(folder / "narrow.npz", 40, 0.0, 1, width=5)
    for named, message in (
        ({"methods": "magic"}, "no method 'magic'"),
        ({"test": other}, "class '3'"),
        ({"test": narrow}, "5 features"),
    ):
        with pytest.raises(UserError, match=message):
            compare(train, **named)


def test_methods_that_need_the_noise_rate_get_the_estimate_of_find(data, capsys):
    train, test, _ = data
    assert compare(train, test=test, methods="standard,co-teaching", seeds=1, epochs=2, json=True) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["noise"] == pytest.approx(0.2, abs=0.08)  # of 0.3 drawn anew, a third came out right
    rows = {row["method"]: row["settings"] for row in result["rows"]}
    assert rows["co-teaching"]["noise"] == result["noise"] and "noise" not in rows["standard"]
    assert compare(train, test=test, methods="co-teaching", seeds=1, epochs=2) == 0
    assert f"{result['noise']:.0%} of the labels are wrong" in " ".join(capsys.readouterr().out.split())
    assert compare(train, test=test, methods="standard", seeds=1, epochs=1, json=True) == 0
    assert json.loads(capsys.readouterr().out)["noise"] is None


def test_a_class_without_selected_examples_is_named(tmp_path):
    rng = np.random.default_rng(0)
    names = np.array(["left", "right"])[np.arange(600) % 2].astype("<U8")
    features = np.where(names == "left", -2, 2)[:, None] + rng.normal(0, 1, (600, 8))
    wrong = rng.permutation(600)[:180]
    names[wrong] = np.where(names[wrong] == "left", "right", "left")
    names[wrong[:3]] = "rare"  # all of this class is wrong, so it goes first
    path = tmp_path / "rare.npz"
    np.savez(path, features=features.astype(np.float32), labels=names)
    with pytest.raises(UserError, match="'rare'"):
        compare(str(path), test=str(path), methods="o2u", seeds=1)
