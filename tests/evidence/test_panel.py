"""The panel against a plain loop of one head, and what its tracks promise."""

from functools import partial

import numpy as np
import pytest

from labelsieve.engine.standardise import CUT, project, standardise
from labelsieve.evidence.folds import assign
from labelsieve.evidence.from_features import gather, tracks
from labelsieve.evidence.panel import Track, constant, cosine, cyclic, passes, train
from labelsieve.stats import loss_weights


def blobs(n=240, k=3, d=6, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    features = rng.normal(size=(n, d)) + 2.5 * np.eye(k, d)[labels]
    return standardise(features), labels


def plain_head(x, y, k, teach, *, weight, epochs, batch, lr, momentum, decay, seed):
    """One head, one row at a time where it can be: the reference."""
    n, d = x.shape
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    x = np.c_[x[order].astype(np.float64), np.ones(n)] / np.sqrt(d)
    y, teach = y[order], teach[order]
    w, v = np.zeros((d + 1, k)), np.zeros((d + 1, k))
    starts = np.arange(0, n, batch)
    for epoch in range(epochs):
        for step, start in enumerate(rng.permutation(starts)):
            gradient = np.zeros_like(w)
            rows = range(start, min(start + batch, n))
            for i in rows:
                z = x[i] @ w
                p = np.exp(z - z.max())
                p /= p.sum()
                g = p - np.eye(k)[y[i]]
                gradient += teach[i] * weight(p[y[i]]) * np.outer(x[i], g)
            v = momentum * v - lr * cosine(epoch + step / len(starts), epochs) * (gradient / len(rows) + decay * w)
            w = w + v
    z = x @ w
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    out = np.empty_like(p)
    out[order] = p
    return out


@pytest.mark.parametrize("loss", [loss_weights.cross_entropy, loss_weights.gce, loss_weights.piecewise_zero])
def test_out_of_fold_probabilities_equal_those_of_separately_trained_heads(loss):
    x, y = blobs()
    fold = assign(y, 3, seed=0)
    panel = train(x, y, 3, [Track("other"), Track("main", loss)], fold, epochs=4, batch=32, learning_rate=2.0, seed=5)
    for f in range(3):
        expected = plain_head(
            x, y, 3, fold != f, weight=loss, epochs=4, batch=32, lr=2.0, momentum=0.9, decay=5e-6, seed=5
        )
        np.testing.assert_allclose(panel.probs["main"][fold == f], expected[fold == f], atol=2e-5)


def test_a_held_out_label_never_reaches_its_own_head():
    x, y = blobs()
    fold = assign(y, 4, seed=0)
    changed = y.copy()
    changed[fold == 2] = (changed[fold == 2] + 1) % 3
    one = train(x, y, 3, [Track("probs")], fold, epochs=3, batch=32).probs["probs"]
    other = train(x, changed, 3, [Track("probs")], fold, epochs=3, batch=32).probs["probs"]
    np.testing.assert_array_equal(one[fold == 2], other[fold == 2])
    assert np.abs(one[fold != 2] - other[fold != 2]).max() > 1e-3


def test_delay_means_plain_cross_entropy_first():
    x, y = blobs()
    fold = assign(y, 3)
    tracks = [Track("ce"), Track("late", loss_weights.blurry, delay=3), Track("now", loss_weights.blurry)]
    probs = train(x, y, 3, tracks, fold, epochs=3, batch=32).probs
    np.testing.assert_allclose(probs["late"], probs["ce"], atol=1e-6)
    assert np.abs(probs["now"] - probs["ce"]).max() > 1e-3


def test_record_is_that_of_the_training_step_by_position_in_the_data_set():
    x, y = blobs()
    panel = train(
        x,
        y,
        3,
        [Track("record", held_out=False, schedule=constant, record=True)],
        np.zeros(len(y), int),
        epochs=5,
        batch=len(y),
    )
    record = panel.records["record"]
    assert record.loss.shape == (5, len(y)) and panel.probs == {}
    np.testing.assert_allclose(record.loss[0], np.log(3), rtol=1e-6)  # the first step sees zero weights
    np.testing.assert_allclose(record.p_y, np.exp(-record.loss), rtol=1e-5)
    np.testing.assert_array_equal(record.argmax[-1] == y, record.margin[-1] > 0)
    assert record.loss[-1].mean() < record.loss[1].mean()


def test_own_labels_of_a_track():
    x, y = blobs()
    fake = np.where(np.arange(len(y)) % 3 == 0, 3, y)
    tracks = [Track("real", held_out=False, record=True), Track("fake", held_out=False, record=True, labels=fake)]
    records = train(x, y, 4, tracks, np.zeros(len(y), int), epochs=8, batch=16).records
    worn = fake == 3
    assert records["fake"].loss[-1][worn].mean() > 2 * records["real"].loss[-1][worn].mean()


def test_same_seed_same_result_and_the_order_of_the_classes_does_not_matter():
    x, y = blobs()
    fold = assign(y, 3)
    one = train(x, y, 3, [Track("p")], fold, epochs=3, batch=32, seed=1).probs["p"]
    np.testing.assert_array_equal(one, train(x, y, 3, [Track("p")], fold, epochs=3, batch=32, seed=1).probs["p"])
    turned = np.array([2, 0, 1])
    np.testing.assert_allclose(
        one, train(x, turned[y], 3, [Track("p")], fold, epochs=3, batch=32, seed=1).probs["p"][:, turned], atol=1e-5
    )


def test_memory_mapped_features_and_records(tmp_path, monkeypatch):
    x, y = blobs()
    np.save(tmp_path / "x.npy", x)
    fold = assign(y, 3)
    tracks = [Track("p"), Track("r", held_out=False, record=True)]
    inside = train(x, y, 3, tracks, fold, epochs=2, batch=32)
    monkeypatch.setattr("labelsieve.core.memory_map.IN_MEMORY", 100)
    mapped = train(
        np.load(tmp_path / "x.npy", mmap_mode="r"), y, 3, tracks, fold, epochs=2, batch=32, folder=tmp_path / "evidence"
    )
    np.testing.assert_allclose(inside.probs["p"], mapped.probs["p"], atol=2e-3)  # float16 on disk
    np.testing.assert_allclose(inside.records["r"].loss, np.load(tmp_path / "evidence" / "r" / "loss.npy"), atol=2e-2)
    assert isinstance(mapped.probs["p"], np.memmap) and not isinstance(inside.probs["p"], np.memmap)


def test_torch_twin_equals_numpy():
    pytest.importorskip("torch")
    x, y = blobs()
    fold = assign(y, 3)
    tracks = [
        Track("gce", loss_weights.gce, delay=1),
        Track("bl", loss_weights.blurry),
        Track("r", held_out=False, record=True),
    ]
    a, b = (train(x, y, 3, tracks, fold, epochs=3, batch=32, device=device) for device in (None, "cpu"))
    np.testing.assert_allclose(a.probs["gce"], b.probs["gce"], atol=1e-5)
    np.testing.assert_allclose(a.probs["bl"], b.probs["bl"], atol=1e-5)
    np.testing.assert_allclose(a.records["r"].margin, b.records["r"].margin, atol=1e-4)


def test_o2u_learning_rate():
    rates = [cyclic(e, 250, cycle=10, high=0.01, low=0.001) for e in range(1, 12)]
    np.testing.assert_allclose(
        rates, [0.0082, 0.0073, 0.0064, 0.0055, 0.0046, 0.0037, 0.0028, 0.0019, 0.0010, 0.0091, 0.0082]
    )
    assert cyclic(1.7, 250) == cyclic(1, 250)


def test_cosine_ends_at_zero():
    assert cosine(0, 10) == 1 and cosine(10, 10) == pytest.approx(0)


@pytest.mark.parametrize("n", [2, 50, 1500, 50_000, 10_000_000])
def test_passes_are_many_for_small_data_and_few_for_large(n):
    epochs, batch = passes(n)
    assert 4 <= epochs <= 30 and 16 <= batch <= 256
    assert passes(10 * n)[0] <= epochs


def test_standardise():
    rng = np.random.default_rng(0)
    x = rng.normal(1000, 3, size=(500, 4))
    x[:, 2] = 7.0
    x[0, 1] = 1e6
    z = standardise(x).astype(np.float64)
    assert abs(z[:, 0].mean()) < 1e-2 and abs(z[:, 0].std() - 1) < 1e-2
    assert (z[:, 2] == 0).all() and z[0, 1] == CUT


def test_partial_losses_are_accepted():
    x, y = blobs()
    probs = train(x, y, 3, [Track("mae", partial(loss_weights.gce, q=1.0))], assign(y, 3), epochs=5, batch=16).probs[
        "mae"
    ]
    assert (probs.argmax(1) == y).mean() > 0.8


def test_projection_keeps_cosines_and_fits():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(300, 20)) @ rng.normal(size=(20, 400)) + 0.1 * rng.normal(size=(300, 400))).astype(np.float32)
    assert project(x, width=400) is x
    assert project(x, limit=4 * 300 * 40).shape == (300, 40)
    small = project(x, width=32)
    assert small.shape == (300, 32)

    def cosines(a):
        unit = a / np.linalg.norm(a, axis=1, keepdims=True)
        return unit @ unit.T

    assert np.abs(cosines(x) - cosines(small)).max() < 0.01


def test_a_track_learns_the_same_alone_and_among_others():
    """Alone, there are more classes than heads, and the columns lie the other way round."""
    x, y = blobs()
    fold = assign(y, 2)
    alone = train(x, y, 3, [Track("gce", loss_weights.gce)], fold, epochs=4, batch=16).probs["gce"]
    others = [
        Track("gce", loss_weights.gce),
        Track("ce"),
        Track("blurry", loss_weights.blurry),
        Track("record", held_out=False, record=True),
    ]
    np.testing.assert_allclose(train(x, y, 3, others, fold, epochs=4, batch=16).probs["gce"], alone, atol=1e-5)


def test_a_track_with_one_class_more_leaves_the_others_alone():
    x, y = blobs()
    fake = np.arange(len(y)) % 7 == 0
    tracks = [Track("ce"), Track("record", held_out=False, record=True)]
    wearing = Track("threshold", held_out=False, record=True, labels=np.where(fake, 3, y))
    plain, mixed = (train(x, y, 3, t, assign(y, 2), epochs=4, batch=16) for t in (tracks, [*tracks, wearing]))
    np.testing.assert_allclose(mixed.probs["ce"], plain.probs["ce"], atol=1e-5)
    np.testing.assert_allclose(mixed.records["record"].margin, plain.records["record"].margin, atol=1e-4)
    assert mixed.records["threshold"].argmax.max() <= 3 and np.isfinite(mixed.records["threshold"].margin).all()


@pytest.mark.parametrize(("epochs", "delay"), [(30, 10), (10, 3), (4, 1), (1, 1)])
def test_the_robust_losses_come_after_a_third_of_the_epochs(epochs, delay):
    wanted = ["probs", "probs_gce", "probs_blurry", "probs_piecewise_zero", "record"]
    told = {track.name: track.delay for track in tracks(wanted, epochs, [], np.zeros(3, int), 1)}
    late = dict.fromkeys(("probs_gce", "probs_blurry", "probs_piecewise_zero"), delay)
    assert told == {"probs": 0, "record": 0, **late}


def test_evidence_is_that_of_heads_which_began_with_cross_entropy():
    x, y = blobs()
    found = gather(["probs_gce", "probs_blurry", "probs_piecewise_zero"], x, y, 3, seed=4)
    epochs, batch = passes(len(y))
    losses = {
        "probs_gce": loss_weights.gce,
        "probs_blurry": loss_weights.blurry,
        "probs_piecewise_zero": loss_weights.piecewise_zero,
    }
    delayed, at_once = (
        train(
            standardise(x),
            y,
            3,
            [Track(name, loss, delay=delay) for name, loss in losses.items()],
            assign(y, 5, seed=4),
            **how,
        ).probs
        for how in [{"epochs": epochs, "batch": batch, "seed": 4}]
        for delay in (epochs // 3, 0)
    )
    for name in losses:
        np.testing.assert_allclose(getattr(found, name), delayed[name], atol=1e-6)
        assert np.abs(delayed[name] - at_once[name]).max() > 1e-3


def test_schedules_of_the_records_are_those_of_their_papers():
    """AUM's rate never falls; O2U-Net's falls in cycles of ten epochs to a tenth, of a third of the epochs where there
    are few."""
    aum, cycles = tracks(["record", "cyclic_record"], 30, [], np.zeros(3, int), 1)
    assert aum.name == "record" and [aum.schedule(e, 30) for e in (0, 15, 29.9)] == [1, 1, 1]
    np.testing.assert_allclose([cycles.schedule(e, 30) for e in range(12)], [*np.linspace(0.91, 0.1, 10), 0.91, 0.82])
    (short,) = tracks(["cyclic_record"], 12, [], np.zeros(3, int), 1)
    np.testing.assert_allclose([short.schedule(e, 12) for e in range(5)], [0.775, 0.55, 0.325, 0.1, 0.775])
    assert aum.record and cycles.record and not (aum.held_out or cycles.held_out)


def test_threshold_samples_are_two_random_parts_of_n_over_k_plus_one():
    x, y = blobs(n=103)
    records = gather(["threshold_records"], x, y, 3, seed=1).threshold_records
    assert len(records) == 2
    (_, one), (_, two) = records
    assert one.sum() == two.sum() == 103 // 4 and not (one & two).any()
    for record, fake in records:
        assert (record.argmax <= 3).all() and (record.argmax[-1][fake] == 3).any(), "the class that does not exist"
    (_, other), _ = gather(["threshold_records"], x, y, 3, seed=2).threshold_records
    assert (one != other).any()


@pytest.mark.parametrize(("classes", "folds"), [(3, 5), (1000, 5), (1001, 2)])
def test_evidence_has_five_folds_and_two_above_a_thousand_classes(classes, folds, monkeypatch):
    seen = []
    monkeypatch.setattr("labelsieve.evidence.from_features.assign", lambda labels, n, **_: seen.append(n) or 1 / 0)
    x, y = blobs()
    with pytest.raises(ZeroDivisionError):
        gather(["probs"], x, y, classes)
    assert seen == [folds]


def test_twenty_neighbours():
    x, y = blobs()
    assert gather(["neighbours"], x, y, 3).neighbours.index.shape == (240, 20)


@pytest.mark.parametrize(
    ("n", "epochs", "batch"), [(100, 30, 16), (1000, 30, 25), (20_000, 30, 256), (40_000, 15, 256), (10**6, 4, 256)]
)
def test_passes_over_some_numbers_of_examples(n, epochs, batch):
    assert passes(n) == (epochs, batch)


def test_the_default_rate_is_six():
    x, y = blobs()
    fold = assign(y, 3, seed=0)
    panel = train(x, y, 3, [Track("main")], fold, epochs=3, batch=32, seed=5)
    given = {"epochs": 3, "batch": 32, "lr": 6.0, "momentum": 0.9, "decay": 5e-6, "seed": 5}
    expected = plain_head(x, y, 3, fold != 1, weight=loss_weights.cross_entropy, **given)
    np.testing.assert_allclose(panel.probs["main"][fold == 1], expected[fold == 1], atol=2e-5)


def test_heads_that_begin_alike_are_trained_once_until_they_part(tmp_path):
    x, y = blobs()
    fold = assign(y, 3)
    losses = {"ce": loss_weights.cross_entropy, "gce": loss_weights.gce, "zero": loss_weights.piecewise_zero}
    alike = [Track(name, loss, delay=2 * (name != "ce")) for name, loss in losses.items()]
    how = {"epochs": 5, "batch": 32, "seed": 1}
    together = train(x, y, 3, alike, fold, **how)
    for track in alike:
        np.testing.assert_allclose(
            together.probs[track.name], train(x, y, 3, [track], fold, **how).probs[track.name], atol=1e-5
        )
    assert np.abs(together.probs["ce"] - together.probs["gce"]).max() > 0.01
    ends_early = train(x, y, 3, alike, fold, **how | {"epochs": 2})
    np.testing.assert_array_equal(ends_early.probs["ce"], ends_early.probs["zero"])
