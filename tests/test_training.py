"""`train` and `Model` in Python: loggers, own networks, notes about a training that fails in part."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import labelsieve as ls
from labelsieve.core.findings import Estimate
from labelsieve.core.record import Record
from labelsieve.training.classifier import export_onnx

N, WIDTH = 120, 6


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = np.arange(N) % 3
    x = (rng.normal(0, 2, (3, WIDTH))[y] + rng.normal(size=(N, WIDTH))).astype(np.float32)
    return ls.load(x, labels=np.array(["ant", "bee", "cow"])[y])


class Own(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(WIDTH, 5), nn.Tanh(), nn.Linear(5, classes))

    def forward(self, x):
        return self.layers(x)


def test_a_network_of_the_user(data, tmp_path):
    model = ls.train(data, network=Own, out=tmp_path / "model", epochs=5)
    again = ls.Model.load(tmp_path / "model", Own)
    kept, probs = again.probabilities(data)
    assert kept is data and probs.shape == (N, 3)
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(model.probabilities(data)[1], probs)
    with pytest.raises(ls.UserError, match="'Own' of .* is your own; load the model in Python"):
        ls.Model.load(tmp_path / "model")
    with pytest.raises(ls.UserError, match="do not fit"):
        ls.Model.load(tmp_path / "model", lambda k: nn.Linear(WIDTH, k))


def test_probabilities_are_the_softmax_of_the_standardised_input(data):
    model = ls.train(data, epochs=3)
    x = np.asarray(data.inputs, np.float64)
    x = (x - x.mean(0)) / x.std(0) / np.sqrt(WIDTH)  # the head's own scale, see networks/heads.py
    head = model.nets[0].head
    logits = x @ head.weight.detach().double().numpy().T + head.bias.detach().double().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(model.probabilities(data)[1], shares, atol=1e-5)


def test_features_without_negative_values_are_taken_by_their_roots(data, tmp_path):
    features = np.exp(np.asarray(data.inputs, np.float64)).astype(np.float32)
    positive = ls.load(features, labels=data.labels)
    model = ls.train(positive, epochs=3, out=tmp_path / "model")
    x = np.sqrt(features.astype(np.float64))
    x = (x - x.mean(0)) / x.std(0) / np.sqrt(WIDTH)
    head = model.nets[0].head
    logits = x @ head.weight.detach().double().numpy().T + head.bias.detach().double().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    again = ls.Model.load(tmp_path / "model")
    np.testing.assert_allclose(again.probabilities(positive)[1], shares, atol=1e-5)
    unseen = ls.load(-features, labels=data.labels)  # finite, though the training data had no such values
    assert np.isfinite(again.probabilities(unseen)[1]).all()
    pytest.importorskip("onnx")
    export_onnx(again, tmp_path / "model.onnx")
    session = pytest.importorskip("onnxruntime").InferenceSession(str(tmp_path / "model.onnx"))
    (out,) = session.run(None, {"input": features})
    np.testing.assert_allclose(np.exp(out) / np.exp(out).sum(1, keepdims=True), shares, atol=1e-5)


def test_every_kind_of_logger_gets_every_epoch(data):
    logged = {"log": [], "log_metrics": [], "add_scalar": []}

    class Wandb:
        def log(self, values):
            logged["log"].append(values)

    class Mlflow(Wandb):
        def log_metrics(self, values, step):
            logged["log_metrics"].append((step, values["loss"]))

    class TensorBoard:
        def add_scalar(self, name, value, step):
            logged["add_scalar"].append((name, step, value))

    for logger in (Wandb(), Mlflow(), TensorBoard()):
        ls.train(data, epochs=3, logger=logger)
    losses = [values["loss"] for values in logged["log"]]
    assert len(losses) == 3 and losses[2] < losses[0]
    assert logged["log_metrics"] == list(enumerate(losses, 1))
    assert [(step, value) for name, step, value in logged["add_scalar"] if name == "loss"] == list(enumerate(losses, 1))


def test_progress_shows_loss_and_clean_share(data):
    logged = []
    ls.train(data, method="m-dyr-h", epochs=4, noise=0.1, progress=lambda *what: logged.append(what))
    assert [(done, total) for _, done, total in logged] == [(i, 4) for i in (1, 2, 3, 4)]
    assert all("loss" in stage and "clean" in stage for stage, *_ in logged)


def test_class_collapse_is_noted(data):
    class Stubborn(Own):
        def forward(self, x):
            return super().forward(x) - torch.tensor([0.0, 0.0, 1e4])

    model = ls.train(data, network=Stubborn, epochs=2)
    assert any("none of its training examples as cow" in note for note in model.manifest["notes"])
    assert ls.train(data, epochs=5).manifest["notes"] == []


def test_the_record_serves_the_detectors(data, tmp_path):
    from labelsieve.detectors.aum import aum

    ls.train(data, out=tmp_path / "model", epochs=4)
    record = Record(
        **{name: np.load(tmp_path / "model" / "record" / f"{name}.npy") for name in ("loss", "margin", "p_y", "argmax")}
    )
    assert record.loss.shape == (4, N) and np.isfinite(aum(record).suspicion).all()


def test_the_same_seed_gives_the_same_model(data):
    first, again, other = (
        ls.train(data, method="promix", epochs=3, batch=32, seed=s).probabilities(data)[1] for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-6


def test_training_on_probabilities_is_refused():
    probs = np.full((6, 2), 0.5)
    with pytest.raises(ls.UserError, match="pass the images, texts or features"):
        ls.train(ls.load_probabilities(probs, [0, 1, 0, 1, 0, 1]))


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"epochs": 0}, "number of epochs is 0"),
        ({"batch": 1}, "batch is 1"),
        ({"lr": 0.0}, "learning rate is 0.0"),
        ({"noise": 2}, "share of wrong labels is 2"),
        ({"noise": "much"}, "share of wrong labels is 'much'"),
        ({"seed": -1}, "seed is -1"),
        ({"features": True}, "features already"),
    ],
)
def test_settings_out_of_bounds(data, named, says):
    with pytest.raises(ls.UserError, match=says):
        ls.train(data, **named)


def test_a_given_noise_share_overrides_that_of_the_method(data):
    assert ls.train(data, method="o2u", epochs=1, noise=0.1).manifest["settings"]["noise"] == 0.1
    assert "noise" not in ls.train(data, epochs=1, noise=0.1).manifest["settings"]


def test_a_method_that_needs_the_noise_rate_runs_find_once(data, tmp_path, monkeypatch):
    from labelsieve import pipeline

    wrong = np.arange(N) % 5 == 0
    labels = np.where(wrong, (data.labels + 1) % 3, data.labels)
    noisy, logged = ls.load(np.asarray(data.inputs), labels=labels), []
    found = ls.find(noisy, detectors=("consensus",)).wrong
    assert found.low > 0
    find = pipeline.find

    def once(*args, **kwargs):
        logged.append(1)
        return find(*args, **kwargs)

    def killed(_, done, total):
        if total == 2 and done == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "find", once)
    with pytest.raises(KeyboardInterrupt):
        ls.train(noisy, method="co-teaching", epochs=2, out=tmp_path / "model", progress=killed)
    model = ls.train(noisy, method="co-teaching", epochs=2, out=tmp_path / "model")
    assert len(logged) == 1
    assert model.manifest["settings"]["noise"] == model.manifest["chosen"]["noise"] == pytest.approx(found.count / N)
    assert any(
        note.startswith(f"`find` estimates that {100 * found.count / N:.0f} % of the labels")
        for note in model.manifest["notes"]
    )
    assert not (tmp_path / "model" / "features").exists()
    ls.train(noisy, epochs=2)
    ls.train(noisy, method="co-teaching", epochs=2, noise=0.3)
    assert len(logged) == 1


def test_of_right_labels_next_to_none_is_taken_to_be_wrong(data):
    model = ls.train(data, method="co-teaching", epochs=2)
    assert model.manifest["settings"]["noise"] <= 0.05


def test_the_method_estimates_the_noise_if_find_cannot(data, monkeypatch):
    from labelsieve import pipeline

    def helpless(*args, **kwargs):
        raise ls.UserError("No encoder.")

    monkeypatch.setattr(pipeline, "find", helpless)
    model = ls.train(data, method="co-teaching", epochs=2)
    assert model.manifest["settings"]["noise"] is None and model.manifest["chosen"]["noise"] is not None
    assert any("cannot estimate" in note for note in model.manifest["notes"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"settings": [1]}, "The settings are [1]; they should be a dict of names and values."),
        (
            {"epochs": 3, "settings": {"epochs": 4}},
            "epochs is given twice, as an argument and in the settings; leave one of them out.",
        ),
        ({"noise": 0.1, "method": "o2u", "settings": {"noise": 0.2}}, "noise is given twice"),
        (
            {"network": 5},
            "The network is 5; pass a name, or a function that takes the number of classes and makes a new network.",
        ),
    ],
)
def test_arguments_of_the_wrong_kind(data, arguments, says):
    with pytest.raises(ls.UserError, match=re.escape(says)):
        ls.train(data, **arguments)


class Usual(nn.Module):
    """Features as a module that is not flat, as in VGG."""

    def __init__(self, classes):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
        self.classifier = nn.Linear(16, classes)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    images = rng.integers(0, 90, (120, 16, 16), np.uint8)
    for image, c in zip(images, y, strict=True):
        image[5 * c : 5 * c + 5, 3:12] += 150
    return ls.load(images, labels=np.array(["ant", "bee", "cow"])[y])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_network_whose_features_are_a_module(pictures, precision, tmp_path):
    model = ls.train(pictures, network=Usual, epochs=3, batch=20, precision=precision, out=tmp_path / "model")
    again = ls.Model.load(tmp_path / "model", Usual)
    for one, other in zip(model.probabilities(pictures), again.probabilities(pictures), strict=True):
        if isinstance(one, np.ndarray):
            np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (nn.Linear(WIDTH, 3), "is a finished network; pass a name, or a function"),
        (
            lambda classes: nn.Linear(WIDTH + 1, classes),
            "cannot take inputs of shape (2, 6) (RuntimeError: mat1 and mat2",
        ),
        (
            lambda classes: nn.Linear(WIDTH, classes + 1),
            "returns (2, 4) for inputs of shape (2, 6); it should return logits (2, 3).",
        ),
        (lambda classes: None, "makes a NoneType; it should make a torch.nn.Module"),
        (lambda: nn.Linear(WIDTH, 3), "cannot take inputs of shape (2, 6) (TypeError"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_before_training(data, network, says):
    with pytest.raises(ls.UserError, match=re.escape(says)):
        ls.train(data, network=network, epochs=2)


def test_a_checkpoint_of_a_network_of_another_shape_is_refused(data, tmp_path):
    def network(classes, hidden=8):
        return nn.Sequential(nn.Linear(WIDTH, hidden), nn.Tanh(), nn.Linear(hidden, classes))

    def stop(*_):
        if stop.calls:
            raise KeyboardInterrupt
        stop.calls += 1

    stop.calls = 0
    with pytest.raises(KeyboardInterrupt):
        ls.train(data, network=network, epochs=4, out=tmp_path / "model", progress=stop)
    network.__defaults__ = (9,)
    with pytest.raises(ls.UserError, match="belongs to a network of another shape; choose another folder"):
        ls.train(data, network=network, epochs=4, out=tmp_path / "model")


def test_a_loaded_model_keeps_clean_estimates_and_exclusions(data, tmp_path):
    inputs = np.asarray(data.inputs).copy()
    inputs[7, 0] = np.nan
    holed = ls.load(inputs, labels=np.array(data.classes)[data.labels])
    model = ls.train(holed, method="m-dyr-h", noise=0.2, epochs=5, out=tmp_path / "model")
    again = ls.Model.load(tmp_path / "model")
    np.testing.assert_allclose(again.p_wrong, model.p_wrong)
    assert len(model.p_wrong) == N - 1 and again.excluded == model.excluded and len(again.excluded) == 1
    ls.train(data, out=tmp_path / "other", epochs=2)
    assert ls.Model.load(tmp_path / "other").p_wrong is None and ls.Model.load(tmp_path / "other").excluded == ()


def test_probabilities_of_what_has_no_labels(data, tmp_path):
    model, inputs = ls.train(data, epochs=5), np.asarray(data.inputs)
    _, expected = model.probabilities(data)
    np.savez(tmp_path / "new.npz", features=inputs)
    for source in (inputs, tmp_path / "new.npz"):
        found, probs = model.probabilities(source)
        np.testing.assert_allclose(probs, expected, atol=1e-6)
        assert len(found) == N


def test_findings_can_be_passed_directly(data, tmp_path):
    findings = ls.find(data, out=tmp_path / "run")
    one, other = (ls.train(data, method="o2u", epochs=3, run=those) for those in (findings, tmp_path / "run"))
    assert one.manifest["settings"]["noise"] == other.manifest["settings"]["noise"] is not None
    with pytest.raises(ls.UserError, match="The example '120' is missing from the findings"):
        ls.train(np.random.default_rng(0).normal(size=(124, WIDTH)), labels=["a", "b"] * 62, run=findings)


def test_features_that_do_not_differ_are_refused():
    with pytest.raises(ls.UserError, match="All 20 examples have the same features"):
        ls.train(np.ones((20, 3), np.float32), labels=["a", "b"] * 10)


def test_classes_with_one_example_are_named(data):
    labels = np.array(data.classes, object)[data.labels]
    labels[5] = "dog"
    model = ls.train(np.asarray(data.inputs), labels=labels, epochs=2)
    assert any(note.startswith("Classes with only one example: dog.") for note in model.manifest["notes"])


def stated(data, count, low, high, p_wrong=None):
    """Findings of the data that state this estimate."""
    found = ls.find(data, detectors=["knn_vote"])
    more = {} if p_wrong is None else {"p_wrong": p_wrong, "flagged": p_wrong > 0.5}
    return replace(found, wrong=Estimate(count, low, high), **more)


@pytest.mark.parametrize("low", [0.0, 1.0])
def test_a_method_takes_as_many_labels_to_be_wrong_as_estimated_whatever_the_range(data, low):
    model = ls.train(data, method="o2u", epochs=2, run=stated(data, 0.3 * N, low, 0.5 * N))
    assert model.manifest["settings"]["noise"] == pytest.approx(0.3)


def test_without_what_was_flagged_the_share_is_that_of_the_rest(data):
    p = np.full(N, 0.1)
    p[:30] = 0.9
    model = ls.train(data, method="o2u", epochs=2, run=stated(data, 39.0, 30.0, 50.0, p), drop_flagged=True)
    assert model.manifest["settings"]["noise"] == pytest.approx(0.1) and len(model.p_wrong) == N - 30


class Normalised(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(WIDTH, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, classes))

    def forward(self, x):
        return self.layers(x)


def test_batch_statistics_after_a_short_run_are_those_of_the_data(data):
    net = ls.train(data, network=Normalised, epochs=3, batch=40).nets[0]
    x = np.asarray(data.inputs, np.float64)
    x = torch.from_numpy((x - x.mean(0)) / x.std(0)).float()
    seen = net.layers[0](x).detach()
    torch.testing.assert_close(net.layers[1].running_mean, seen.mean(0), atol=1e-4, rtol=0)
    torch.testing.assert_close(net.layers[1].running_var, seen.var(0), atol=0, rtol=1e-2)
    assert not net.training


@pytest.mark.parametrize("method", ["standard", "m-dyr-h", "dividemix", "co-teaching", "promix"])
def test_a_last_batch_of_one_example_stops_no_batch_normalisation(data, method):
    settings = {"challenge": True} if method == "promix" else {}
    model = ls.train(
        data, method=method, network=Normalised, epochs=3, batch=17, noise=0.2, settings=settings
    )  # 120 = 7 * 17 + 1
    assert np.isfinite(model.probabilities(data)[1]).all()


@pytest.mark.parametrize("between", [torch.nn.Dropout(0.5), torch.nn.Tanh()])
def test_a_network_with_layers_between_features_and_head_is_noted(between):
    class More(torch.nn.Module):
        def __init__(self, classes):
            super().__init__()
            self.between, self.head = between, torch.nn.Linear(6, classes)

        def features(self, x):
            return 3 * x

        def forward(self, x):
            return self.head(self.between(self.features(x)))

    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(40, 6)).astype(np.float32), np.arange(40) % 2
    with pytest.raises(ls.UserError, match=r"'More' has features\(x\) and head, but its forward does not"):
        ls.train(x, labels=labels, network=More, epochs=1)


def test_promix_keeps_the_hard_right_labels_of_a_head(tmp_path):
    """Classes that overlap, a quarter of the labels wrong: a selection of easy examples only is worse than none."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = x - x.mean(0)
    x = (x @ np.linalg.svd(x, full_matrices=False)[2][:16].T).astype(np.float32)
    rows, rng = np.random.default_rng(0).permutation(len(y)), np.random.default_rng(1)
    taught, unseen = rows[:1200], rows[1200:]
    given = np.where(rng.random(1200) < 0.25, (y[taught] + rng.integers(1, 10, 1200)) % 10, y[taught])
    data, test = ls.load(x[taught], labels=given), ls.load(x[unseen], labels=y[unseen])
    right = {
        method: ls.train(data, method=method, out=tmp_path / method, **more).score(test).accuracy
        for method, more in {"standard": {}, "promix": {"noise": 0.25}}.items()
    }
    assert right["promix"] > right["standard"], right


def test_co_teaching_learns_clean_labels_of_few_features_as_well_as_cross_entropy(tmp_path):
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    rows = np.random.default_rng(1).permutation(len(y))
    data, test = (ls.load(x[part].astype(np.float32), labels=y[part]) for part in (rows[:1000], rows[1000:]))
    right = {
        method: ls.train(data, method=method, out=tmp_path / method, **more).score(test).accuracy
        for method, more in {"standard": {}, "co-teaching": {"noise": 0.01}}.items()
    }
    assert right["co-teaching"] > right["standard"] - 0.005, right
