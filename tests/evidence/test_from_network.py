"""Evidence from a network: what each part has seen, its shapes, its seed; and that it finds planted errors."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.dataset import Dataset
from labelsieve.core.errors import UserError
from labelsieve.data.noise import inject
from labelsieve.engine.samples import Samples
from labelsieve.evidence import from_network
from labelsieve.networks import network

WANTED = {"labels", "n_classes", "probs", "probs_gce", "neighbours", "record", "cyclic_record", "threshold_records"}
STAGES = [("network", 6), *((f"network {f} of 3", 3) for f in (1, 2, 3))]


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(from_network, "passes", lambda n: (3, 20))
    torch.set_num_threads(1)


def squares(n=90, classes=3, seed=0):
    """Bright squares, one place a class, in noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    images = rng.integers(0, 90, (n, 1, 16, 16), np.uint8)
    for image, c in zip(images, labels, strict=True):
        image[0, 5 * c : 5 * c + 5, 3:12] += 150
    return images, labels


def gathered(labels, images, wanted=WANTED, **more):
    samples = Samples.of(torch.from_numpy(images), torch.from_numpy(labels), 3)
    return from_network.gather(wanted, samples, network("small-cnn", images=True, width=1), **more)


def test_shapes_and_no_threshold_records(short, tmp_path):
    images, labels = squares()
    evidence = gathered(labels, images, folder=tmp_path)
    assert evidence.probs.shape == evidence.probs_gce.shape == (90, 3)
    np.testing.assert_allclose(evidence.probs.sum(1), 1, rtol=1e-4)
    assert evidence.record.loss.shape == evidence.cyclic_record.loss.shape == (3, 90)
    assert np.isfinite(evidence.record.loss).all() and np.isfinite(evidence.cyclic_record.loss).all()
    assert evidence.threshold_records is None and evidence.probs_blurry is None
    assert {"neighbours.npy", "record", "cyclic_record"} <= {path.name for path in tmp_path.iterdir()}


def test_the_judge_of_an_example_never_saw_its_label(short, monkeypatch):
    images, labels = squares()
    fold = np.arange(90) // 3 % 3
    monkeypatch.setattr(from_network, "assign", lambda labels, folds, **_: fold)
    other = labels.copy()
    other[0] = 1 - labels[0]
    first, again = (gathered(given, images, {"probs", "neighbours"}) for given in (labels, other))
    mine = fold == fold[0]
    np.testing.assert_array_equal(first.probs[mine], again.probs[mine])
    np.testing.assert_array_equal(first.neighbours.similarity[mine], again.neighbours.similarity[mine])
    assert (first.probs[~mine] != again.probs[~mine]).any(), "the others' judges did see it"


def test_neighbours_are_of_the_same_fold(short):
    images, labels = squares()
    evidence = gathered(labels, images, {"neighbours"})
    fold = from_network.assign(labels, 3, seed=0)
    assert (fold[evidence.neighbours.index] == fold[:, None]).all()
    assert (evidence.neighbours.index != np.arange(90)[:, None]).all()


def test_the_seed_decides(short):
    images, labels = squares()
    one, two, other = (gathered(labels, images, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.record.loss, two.record.loss)
    np.testing.assert_array_equal(one.probs, two.probs)
    assert (one.probs != other.probs).any()


@pytest.mark.parametrize(
    ("network", "epoch"), [("network", 2), ("network", 6), ("network 2 of 3", 1), ("network 3 of 3", 3)]
)
def test_a_killed_run_goes_on(short, tmp_path, network, epoch):
    images, labels = squares()
    whole, told = gathered(labels, images), []

    def tell(*news):
        told.append(news)
        if news == (network, epoch, 6 if network == "network" else 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gathered(labels, images, folder=tmp_path, content="squares", progress=tell)
    before = told[:-1]  # the epoch in which it was killed had not been saved
    told.clear()
    resumed = gathered(labels, images, folder=tmp_path, content="squares", progress=lambda *news: told.append(news))
    assert [*before, *told] == [(name, done + 1, all) for name, all in STAGES for done in range(all)]
    np.testing.assert_array_equal(resumed.record.loss, whole.record.loss)
    np.testing.assert_array_equal(resumed.cyclic_record.margin, whole.cyclic_record.margin)
    np.testing.assert_array_equal(resumed.probs, whole.probs)
    np.testing.assert_array_equal(resumed.neighbours.index, whole.neighbours.index)


def test_what_was_kept_of_other_images_is_not_taken(short, tmp_path):
    images, labels = squares()
    gathered(labels, images, {"record"}, folder=tmp_path, content="others")
    told = []
    gathered(labels, images, {"record"}, folder=tmp_path, content="squares", progress=lambda *news: told.append(news))
    assert len(told) == 6


def dataset(images, labels, classes="abc", kind="image"):
    return Dataset(np.array([str(i) for i in range(len(labels))], object), labels, tuple(classes), images, kind, "toy")


def test_every_detector_runs_and_the_run_says_so(short, tmp_path):
    images, labels = squares()
    findings = ls.find(dataset(images[:, 0], labels), out=tmp_path / "toy.sieve", from_network="small-cnn")
    assert not list((tmp_path / "toy.sieve").rglob("checkpoint.pt")), "what only a killed run would need is gone"
    assert set(findings.scores) == set(
        ls.find(dataset(images.reshape(90, -1).astype(np.float32), labels, kind="features")).scores
    )
    assert findings.settings["network"] == "small-cnn" and findings.settings["encoder"] is None
    assert any("never saw its label" in note for note in findings.notes)


@pytest.mark.parametrize(
    ("kind", "more", "sentence"),
    [
        ("features", {}, "A network is trained on images, but toy holds features"),
        ("image", {"encoder": "lite0"}, "replaces the encoder"),
        ("image", {"network": "resnet1"}, "There is no network 'resnet1' for images"),
    ],
)
def test_what_cannot_be_is_told(kind, more, sentence):
    images, labels = squares()
    data = dataset(images[:, 0] if kind == "image" else images.reshape(90, -1).astype(np.float32), labels, kind=kind)
    with pytest.raises(UserError, match=sentence):
        ls.find(data, from_network=more.pop("network", "small-cnn"), **more)


def auprc(score, wrong):
    hit = wrong[np.argsort(-score, kind="stable")]
    return (np.cumsum(hit) / np.arange(1, len(hit) + 1))[hit].mean()


@pytest.mark.slow
def test_finds_planted_errors_in_handwritten_digits():
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    n = 500
    true = digits.target[:n].astype(np.int64)
    given = inject(true, "symmetric", 0.2, n_classes=10, seed=3).labels
    wrong = given != true
    findings = ls.find(
        dataset((digits.images[:n] * 15).astype(np.uint8), given, "0123456789"), from_network="small-cnn"
    )
    found = {name: auprc(score, wrong) for name, score in findings.scores.items()}
    assert found["consensus"] > 0.9
    assert min(found.values()) > 0.6, found
    assert findings.wrong.low <= wrong.sum() <= findings.wrong.high


def test_groups_and_copies_share_a_fold(short, monkeypatch):
    images, labels = squares()
    images[30:33] = images[0]  # copies with different labels
    patient = np.repeat(np.arange(30), 3)[np.random.default_rng(0).permutation(90)]
    patient[30:33] = patient[0]
    assign, folds = from_network.assign, []
    monkeypatch.setattr(from_network, "assign", lambda *args, **more: folds.append(assign(*args, **more)) or folds[-1])
    data = dataset(images[:, 0], labels)
    for grouping, pairs in (
        (None, np.r_[0, 30:33][None]),
        (patient, [np.flatnonzero(patient == p) for p in range(30)]),
    ):
        given = data if grouping is None else replace(data, groups=grouping.astype(str).astype(object))
        ls.find(given, from_network="small-cnn", detectors=["knn_vote"])
        fold = folds.pop()
        assert all(len(set(fold[rows])) == 1 for rows in pairs)
        assert len(set(fold)) == 3


def test_rates_and_losses_of_every_network(short, monkeypatch):
    """The record at a constant rate, then O2U-Net's cycles; networks of folds fall along a cosine, a third of it with
    cross-entropy."""
    seen, step = [], from_network.Session.step
    monkeypatch.setattr(
        from_network.Session,
        "step",
        lambda self, loss, o: (seen.append(o.param_groups[0]["lr"]), step(self, loss, o))[1],
    )
    used = []
    for name in ("cross_entropy", "gce"):
        loss = getattr(from_network, name)
        monkeypatch.setattr(from_network, name, lambda *a, n=name, f=loss: (used.append(n), f(*a))[1])
    images, labels = squares()
    gathered(labels, images, {"record", "cyclic_record", "probs"})
    own, fold = 5, 3  # steps of an epoch: 90 images, and 60, in batches of 20
    cycle = [0.05 * f for f in (0.55, 0.1, 0.55)]  # cycles of two epochs: from 1 to a tenth, set once per epoch
    cosine = [0.05 * f for f in (1, 0.75, 0.25)]
    np.testing.assert_allclose(
        seen, np.concatenate([np.repeat([0.05] * 3 + cycle, own), np.tile(np.repeat(cosine, fold), 3)])
    )
    assert used == ["cross_entropy"] * 6 * own + (["cross_entropy"] * fold + ["gce"] * 2 * fold) * 3


class Watched(torch.nn.Module):
    """A network that keeps the logits (b, K) of each training step and the loss's gradient with respect to them."""

    def __init__(self, net, steps):
        super().__init__()
        self.net, self.steps = net, steps

    @property
    def features(self):
        return self.net.features

    def forward(self, x):
        out = self.net(x)
        if out.requires_grad:
            out.register_hook(lambda slope: self.steps.append((out.detach(), slope.detach())))
        return out


class Asked(Samples):
    """Samples that keep the labels (b,) of each training step."""

    seen: list = []

    def given(self, rows):
        self.seen.append(super().given(rows))
        return self.seen[-1]


WEIGHTS = {  # of cross-entropy's gradient, by hand, for three classes
    "blurry": lambda p: p**0.2 * (1 + 0.2 * p.log()),
    "piecewise_zero": lambda p: (p >= 0.1).to(p),
    "gce": lambda p: p**0.7,
}


@pytest.mark.parametrize("loss", WEIGHTS)
def test_the_networks_learn_by_the_loss_that_was_named(monkeypatch, loss):
    monkeypatch.setattr(from_network, "passes", lambda n: (5, 20))
    monkeypatch.setattr(Asked, "seen", [])
    torch.set_num_threads(1)
    images, labels = squares()
    given = inject(labels, "symmetric", 0.2, n_classes=3, seed=1).labels
    steps, make = [], network("small-cnn", images=True, width=1)
    samples = Asked.of(torch.from_numpy(images), torch.from_numpy(given), 3)
    evidence = from_network.gather({f"probs_{loss}"}, samples, lambda k: Watched(make(k), steps), loss=loss)
    assert len(steps) == len(Asked.seen) == 5 * 5 * 4, "five fresh networks, five epochs, four batches"
    other = 0
    for number, ((logits, slope), y) in enumerate(zip(steps, Asked.seen, strict=True)):
        epoch, p = number % 20 // 4, logits.softmax(1)
        p_y = p[torch.arange(len(y)), y]
        weight = torch.ones_like(p_y) if epoch < 2 else WEIGHTS[loss](p_y)
        expected = weight[:, None] * (p - torch.eye(3)[y]) / len(y)
        torch.testing.assert_close(slope, expected, atol=1e-6, rtol=1e-4)
        other += int((weight != 1).sum())
    assert other > 20, "the loss never differed from cross-entropy"
    firsts = [steps[20 * f][0] for f in range(5)]
    assert all((a.shape != b.shape) or (a != b).any() for a, b in zip(firsts, firsts[1:], strict=False))
    probs = getattr(evidence, f"probs_{loss}")
    np.testing.assert_allclose(probs.sum(1), 1, rtol=1e-5)


def test_what_a_network_of_a_loss_predicts_is_of_examples_it_never_saw(short, monkeypatch):
    images, labels = squares()
    fold = np.arange(90) // 3 % 5
    monkeypatch.setattr(from_network, "assign", lambda labels, folds, **_: fold)
    other = labels.copy()
    other[0] = 1 - labels[0]
    first, again = (gathered(given, images, {"probs_blurry"}, loss="blurry") for given in (labels, other))
    mine = fold == fold[0]
    np.testing.assert_array_equal(first.probs_blurry[mine], again.probs_blurry[mine])
    assert (first.probs_blurry[~mine] != again.probs_blurry[~mine]).any()


def test_a_killed_find_with_a_loss_goes_on(short, tmp_path):
    images, labels = squares()
    data, asked = dataset(images[:, 0], labels), {"from_network": "small-cnn", "loss": "piecewise-zero"}
    whole = ls.find(data, out=tmp_path / "whole.sieve", detectors=["piecewise_zero"], **asked)
    told = []

    def tell(*news):
        told.append(news)
        if news[:2] == ("network 3 of 5", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ls.find(data, out=tmp_path / "toy.sieve", detectors=["piecewise_zero"], progress=tell, **asked)
    told.clear()
    again = ls.find(
        data,
        out=tmp_path / "toy.sieve",
        detectors=["piecewise_zero"],
        progress=lambda *news: told.append(news),
        **asked,
    )
    trained = [news[:2] for news in told if news[0].startswith("network")]
    assert trained[0] == ("network 3 of 5", 2) and trained[-1] == ("network 5 of 5", 3) and len(trained) == 8
    assert again.table().equals(whole.table())
    assert again.settings["loss"] == "piecewise-zero" and any("piecewise-zero" in note for note in again.notes)


def test_another_loss_does_not_continue_what_was_killed(short, tmp_path):
    images, labels = squares()
    data = dataset(images[:, 0], labels)

    def kill(*news):
        if news[:2] == ("network 5 of 5", 1):
            raise KeyboardInterrupt

    def found(loss, folder, progress=None):
        more = {"from_network": "small-cnn", "detectors": ["gce"], "progress": progress}
        return ls.find(data, out=tmp_path / folder, loss=loss, **more).table()

    with pytest.raises(KeyboardInterrupt):
        found("blurry", "one.sieve", kill)
    assert found("gce", "one.sieve").equals(found("gce", "two.sieve"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"loss": "blurry"}, "The loss 'blurry' trains networks, but no network is set; add from_network='small-cnn'"),
        ({"loss": "blury", "from_network": "small-cnn"}, "There is no loss 'blury'.* Did you mean 'blurry'"),
        ({"loss": "focal", "from_network": "small-cnn"}, "Choose from blurry, piecewise-zero, gce"),
        ({"loss": 0.5, "from_network": "small-cnn"}, "loss is 0.5; give its name"),
    ],
)
def test_mistakes_about_the_loss_are_told(arguments, sentence):
    images, labels = squares()
    with pytest.raises(UserError, match=sentence):
        ls.find(dataset(images[:, 0], labels), **arguments)


@pytest.mark.parametrize("loss", ["blurry", "piecewise-zero", "gce"])
def test_each_loss_finds_planted_errors(monkeypatch, loss):
    monkeypatch.setattr(from_network, "passes", lambda n: (8, 20))
    torch.set_num_threads(1)
    images, true = squares(150)
    given = inject(true, "symmetric", 0.2, n_classes=3, seed=1).labels
    wrong, name = given != true, loss.replace("-", "_")
    findings = ls.find(dataset(images[:, 0], given), from_network="small-cnn", loss=loss, detectors=[name])
    score = findings.scores[name]
    assert (score[wrong][:, None] > score[~wrong]).mean() > 0.9
    if name != "gce":
        assert findings.flags[name][wrong].mean() > 0.6 and findings.flags[name][~wrong].mean() < 0.15
    assert (findings.suggestions[name][wrong] == true[wrong]).mean() > 0.8


def test_the_command_line_takes_the_loss(short, tmp_path, monkeypatch, capsys):
    images, labels = squares()
    monkeypatch.chdir(tmp_path)
    np.savez("toy.npz", images=images[:, 0], labels=labels)
    asked = ["find", "toy.npz", "--from-network", "small-cnn", "--detectors", "knn_vote"]
    assert main([*asked, "--loss", "piecewise-zero", "--out", "toy.sieve"]) == 0
    findings = ls.open_run("toy.sieve").findings
    assert findings.settings["loss"] == "piecewise-zero" and findings.settings["network"] == "small-cnn"
    assert list(findings.scores) == ["knn_vote", "piecewise_zero", "consensus"], "the detector of the loss always runs"
    capsys.readouterr()
    assert main(["find", "toy.npz", "--loss", "gce"]) == 2
    err = capsys.readouterr().err
    assert "--from-network small-cnn" in err and "--loss" in err and err.count("\n") == 1
    assert main([*asked, "--loss", "gcee"]) == 2
    assert "Did you mean 'gce'" in capsys.readouterr().err


@pytest.mark.parametrize("n", [4, 6, 8])
def test_a_handful_of_examples_leaves_folds_empty_and_runs(short, n):
    images = np.random.default_rng(0).integers(0, 255, (n, 16, 16), np.uint8)
    data = dataset(images, np.arange(n) % 2, "ab")
    findings = ls.find(data, from_network="small-cnn", loss="gce", detectors=["gce", "knn_vote"])
    assert len(findings) == n and np.isfinite(findings.p_wrong).all()


def test_find_trains_networks_with_the_groups_of_the_user(tmp_path, monkeypatch):
    """What shares a group shares a fold, so the groups must reach the training."""
    rng, seen = np.random.default_rng(0), []
    pixels = rng.integers(0, 255, (60, 8, 8, 3), np.uint8)
    groups = np.arange(60) % 20

    def stop(*args, groups=None, **more):
        seen.append(groups)
        raise ls.UserError("far enough")

    monkeypatch.setattr(from_network, "gather", stop)
    data = replace(ls.load(pixels, labels=np.arange(60) // 30), groups=groups)
    with pytest.raises(ls.UserError, match="far enough"):
        ls.find(data, from_network="small-cnn", out=tmp_path / "run", progress=False)
    [bound] = seen
    assert (bound[:20] == bound[20:40]).all() and len(np.unique(bound)) == 20
