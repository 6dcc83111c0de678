"""Co-teaching: the exchange, the share that is forgotten, the schedule, what it finds, resumption."""

import numpy as np
import pytest
import torch
from torch import nn

from labelsieve.methods.co_teaching import co_teaching, share_wrong, smallest

N, K = 120, 3
SHORT = {"epochs": 6, "lr": 0.1, "batch": N, "ramp": 4}


def network(k):
    return nn.Linear(5, k)


def probabilities(x, weights):
    z = x @ weights[0].double().numpy().T + weights[1].double().numpy()
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("epoch", [0, 2, 5])
def test_each_learns_what_the_other_finds_easy(epoch, blobs, spy):
    samples, _ = blobs(N)
    session = spy(N)
    co_teaching(samples, network, session, noise=0.4, **SHORT)
    x = ((samples.inputs - samples.mean) / samples.std).double().numpy()
    y = np.eye(K)[samples.labels.numpy()]
    steps = session.steps[2 * epoch : 2 * epoch + 2]
    p = [probabilities(x, step.weights) for step in steps]
    losses = [-np.log((each * y).sum(1)) for each in p]
    count = int((1 - 0.4 * min(epoch / 4, 1)) * N)
    chosen = [np.argsort(loss)[:count] for loss in losses]
    assert count == N or set(chosen[0]) != set(chosen[1])
    for own, other in ((0, 1), (1, 0)):
        rows = chosen[other]
        assert steps[own].loss == pytest.approx(losses[own][rows].mean(), abs=1e-5)
        np.testing.assert_allclose(steps[own].gradients[0], (p[own] - y)[rows].T @ x[rows] / count, atol=1e-5)
        np.testing.assert_allclose(steps[own].gradients[1], (p[own] - y)[rows].mean(0), atol=1e-5)
    assert session.history[epoch]["forget"] == pytest.approx(0.4 * min(epoch / 4, 1))


def test_rate_and_momentum_change_after_two_fifths(blobs, spy, monkeypatch):
    samples, _ = blobs(N)
    session, seen = spy(N), []
    step = session.step
    monkeypatch.setattr(
        session,
        "step",
        lambda loss, o: (seen.append((o.param_groups[0]["lr"], *o.param_groups[0]["betas"])), step(loss, o)),
    )
    co_teaching(samples, network, session, noise=0.2, epochs=10, lr=0.5, batch=N)
    rates = [0.5] * 5 + [0.5 * left / 6 for left in (5, 4, 3, 2, 1)]
    expected = [(rate, 0.9 if epoch < 4 else 0.1, 0.999) for epoch, rate in enumerate(rates)]
    np.testing.assert_allclose(seen, np.repeat(expected, 2, axis=0))


@pytest.mark.parametrize(("least", "batch"), [(0, 60), (12, 60), (40, 18), (10**6, 8)])
def test_few_examples_are_taken_in_smaller_batches(least, batch, blobs, spy):
    samples, _ = blobs(N)
    session = spy(N)
    co_teaching(samples, network, session, noise=0.2, epochs=6, lr=0.1, batch=60, least=least)
    assert len(session.steps) == 2 * 6 * -(-N // batch)


def test_smallest_keeps_at_least_one():
    assert smallest(torch.tensor([3.0, 1, 2, 4]), 0.5).tolist() == [1, 2]
    assert smallest(torch.tensor([3.0, 1, 2, 4]), 0.0).tolist() == [1, 2, 0, 3]
    assert smallest(torch.tensor([3.0, 1]), 1.0).tolist() == [1]


def test_the_share_is_that_of_the_upper_heap_as_far_as_it_is_given_to_other_classes():
    rng = np.random.default_rng(0)
    two = np.r_[rng.normal(0.2, 0.05, 700), rng.normal(3, 0.3, 300)]
    everyone, differs = torch.ones(1000), torch.from_numpy(two > 1).float()
    assert share_wrong(torch.from_numpy(two), everyone) == pytest.approx(0.3, abs=0.01)
    assert share_wrong(torch.from_numpy(two), differs) == pytest.approx(0.3, abs=0.01)
    assert share_wrong(torch.from_numpy(two), 0 * differs) == 0  # hard, but taken for what they are labelled
    assert share_wrong(torch.from_numpy(two), (torch.arange(1000) % 2) * differs) == pytest.approx(0.15, abs=0.02)
    assert share_wrong(torch.ones(50), torch.ones(50)) == 0


def test_it_finds_wrong_labels_and_leaves_clean_data_alone(blobs, spy):
    samples, wrong = blobs(400)
    trained = co_teaching(samples, network, spy(400), **{**SHORT, "epochs": 15, "batch": 50})
    assert trained.settings["noise"] == pytest.approx(wrong.mean(), abs=0.05)
    assert trained.p_wrong[wrong].mean() > 0.85 and trained.p_wrong[~wrong].mean() < 0.1
    clean, _ = blobs(400, noise=0.0)
    assert co_teaching(clean, network, spy(400), **{**SHORT, "batch": 50}).settings["noise"] < 0.01


@pytest.mark.parametrize("stop_after", [2, 5])
@pytest.mark.parametrize("noise", [None, 0.3])
def test_a_killed_run_goes_on(stop_after, noise, blobs, survives_a_kill):
    samples, _ = blobs(80)
    survives_a_kill(
        lambda session: co_teaching(samples, network, session, noise=noise, **{**SHORT, "batch": 16}),
        samples,
        stop_after,
    )
