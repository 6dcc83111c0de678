"""O2U-Net: rates, steps, score and removal against their definitions, what it finds, resumption."""

import numpy as np
import pytest
import torch
from torch import nn

import labelsieve.methods.o2u as o2u_training
from labelsieve.core.errors import UserError
from labelsieve.methods.o2u import cyclic_rate, o2u, step_rate, to_remove

N, EPOCHS = 200, 6
SHORT = {"epochs": EPOCHS, "lr": 0.05, "batch": 50, "small": 20}


def network(k):
    return nn.Linear(5, k)


def test_rates_are_the_published_ones():
    assert [step_rate(e, 249, 0.01) for e in (0, 62, 63, 124, 125, 248)] == [0.01, 0.01, 0.005, 0.005, 0.001, 0.001]
    expected = [0.0091, 0.0082, 0.0073, 0.0064, 0.0055, 0.0046, 0.0037, 0.0028, 0.0019, 0.0010] * 2
    np.testing.assert_allclose([cyclic_rate(e) for e in range(20)], expected, atol=1e-12)


def test_each_stage_has_its_batch_and_rate(blobs, spy, monkeypatch):
    samples, _ = blobs(N)
    session, rates = spy(N), []
    step = session.step
    monkeypatch.setattr(
        session, "step", lambda loss, o, clip=None: (rates.append(o.param_groups[0]["lr"]), step(loss, o, clip=clip))
    )
    o2u(samples, network, session, noise=0.25, cycle=3, **SHORT)
    steps = [0.05] * 2 + [0.025] + [0.005] * 3
    first, last = np.repeat(steps, 4), np.repeat(steps, 3)  # 200 examples in batches of 50, 150 of them in stage 3
    np.testing.assert_allclose(rates, [*first, *np.repeat([0.035, 0.02, 0.005] * 2, 10), *last])


def written_out(losses, share):
    """Score and removed of the losses (epochs, n) of stage 2, in float64."""
    score = np.zeros(losses.shape[1])
    for epoch in losses.astype(np.float64):
        score += epoch - epoch.mean()
    removed = np.zeros(len(score), bool)
    removed[np.argsort(-score)[: int(share * len(score))]] = True
    return removed


def test_what_leaves_is_the_top_of_the_centred_losses(blobs, spy):
    samples, _ = blobs(N)
    session = spy(N)
    trained = o2u(samples, network, session, noise=0.25, **SHORT)
    record = session.dynamics.loss
    removed = written_out(record[EPOCHS : 2 * EPOCHS], 0.25)
    np.testing.assert_array_equal(trained.p_wrong, removed)
    assert removed.sum() == 50 and trained.settings["removed"] == 0.25
    assert np.isfinite(record[2 * EPOCHS :, ~removed]).all() and np.isnan(record[2 * EPOCHS :, removed]).all()


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_a_step_is_cross_entropy_s(stage, blobs, spy):
    samples, _ = blobs(N)
    session = spy(N)
    trained = o2u(samples, network, session, noise=0.25, **{**SHORT, "batch": N, "small": N})
    step = session.steps[EPOCHS * stage + 3]
    kept = trained.p_wrong == 0 if stage == 2 else np.ones(N, bool)
    x = ((samples.inputs - samples.mean) / samples.std).double().numpy()[kept]
    y = np.eye(3)[samples.labels.numpy()[kept]]
    z = x @ step.weights[0].double().numpy().T + step.weights[1].double().numpy()
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    assert step.loss == pytest.approx(-np.log((p * y).sum(1)).mean(), abs=1e-5)
    np.testing.assert_allclose(step.gradients[0], (p - y).T @ x / len(x), atol=1e-5)
    np.testing.assert_allclose(step.gradients[1], (p - y).mean(0), atol=1e-5)


@pytest.mark.parametrize("restore", [False, True])
def test_the_last_stage_starts_from_fresh_weights_or_from_those_of_the_first(restore, blobs, spy):
    samples, _ = blobs(N)
    session = spy(N)
    o2u(samples, network, session, noise=0.25, restore=restore, **{**SHORT, "batch": N, "small": N})
    after_the_first, at_the_last = session.steps[EPOCHS].weights[0], session.steps[2 * EPOCHS].weights[0]
    assert torch.equal(after_the_first, at_the_last) == restore
    assert not torch.equal(at_the_last, session.steps[0].weights[0])  # not the first network's beginning either
    assert not torch.equal(at_the_last, session.steps[2 * EPOCHS - 1].weights[0])


def test_gradients_of_the_second_stage_are_clipped(blobs, spy):
    samples, _ = blobs(N)
    session = spy(N)
    o2u(
        samples,
        network,
        session,
        noise=0.25,
        clip=1e-3,
        momentum=0.0,
        weight_decay=0.0,
        **{**SHORT, "batch": N, "small": N},
    )
    moved = [
        torch.cat([(a - b).flatten() for a, b in zip(one.weights, two.weights, strict=True)]).norm().item()
        for one, two in zip(session.steps[:-1], session.steps[1:], strict=True)
    ]
    rates = [cyclic_rate(e, 0.05, 0.005) for e in range(EPOCHS)]
    assert all(m <= 1.001e-3 * rate + 1e-7 for m, rate in zip(moved[EPOCHS : 2 * EPOCHS - 1], rates, strict=False))
    assert moved[0] > 1e-3


def test_ranking_within_the_class_spares_a_rare_one():
    labels = np.array([0] * 90 + [1] * 10)
    score = np.where(labels == 1, 5.0, 0.0) + np.linspace(0, 1, 100)
    with pytest.raises(UserError, match="every example of the class 1;"):
        to_remove(score, labels, 2, 0.2)
    removed = to_remove(score, labels, 2, 0.2, per_class=True)
    assert np.bincount(labels[removed]).tolist() == [18, 2] and removed[[89, 99]].all()


def test_a_constant_in_every_epoch_changes_nothing():
    rng = np.random.default_rng(0)
    score, labels = np.r_[rng.normal(0, 0.3, 80), rng.normal(4, 0.3, 20)], np.arange(100) % 4
    removed = to_remove(score, labels, 4, None)
    assert removed[80:].all() and removed.sum() == 20
    np.testing.assert_array_equal(removed, to_remove(score + 7, labels, 4, None))
    assert not to_remove(score, labels, 4, None, least=9).any()  # nothing so bad that its label is doubted


def test_an_epoch_of_large_losses_does_not_speak_for_those_it_did_not_see(blobs, spy, monkeypatch):
    samples, _ = blobs(10)
    losses = np.ones((3, 10)) * [[10], [0], [0]]
    losses[:, 0] += 0.5
    losses[:, 1] += 1
    losses[0, 1] = np.nan  # the worst of the epochs that saw it
    told = iter(torch.from_numpy(losses))
    monkeypatch.setattr(o2u_training, "_fit", lambda *_, clip=0, **__: torch.zeros(10) if clip == 0 else next(told))
    trained = o2u(samples, network, spy(10), noise=0.1, epochs=3)
    np.testing.assert_array_equal(trained.p_wrong, np.arange(10) == 1)


def test_as_many_leave_as_the_share_says():
    score, labels = np.arange(100.0), np.zeros(100, int)
    for whole in (29, 57, 58):  # as floats they are a hair less than a hundredth
        assert (
            to_remove(score, labels, 1, whole / 100).sum()
            == to_remove(score, labels, 1, whole / 100, per_class=True).sum()
            == whole
        )


def test_it_finds_wrong_labels_and_leaves_clean_data_alone(blobs, spy):
    samples, wrong = blobs(400)
    trained = o2u(samples, network, spy(400), **{**SHORT, "epochs": 10})
    assert trained.settings["removed"] == pytest.approx(wrong.mean(), abs=0.05)
    assert trained.p_wrong[wrong].mean() > 0.9 and trained.p_wrong[~wrong].mean() < 0.05
    clean, _ = blobs(400, noise=0.0)
    assert o2u(clean, network, spy(400), **{**SHORT, "epochs": 10}).settings["removed"] < 0.01


@pytest.mark.parametrize("stop_after", [3, 6, 8, 14])  # within each stage, and between two
@pytest.mark.parametrize("noise", [None, 0.3])
def test_a_killed_run_goes_on(stop_after, noise, blobs, survives_a_kill):
    samples, _ = blobs(80)
    survives_a_kill(lambda session: o2u(samples, network, session, noise=noise, **SHORT), samples, stop_after)
