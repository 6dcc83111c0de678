"""Dynamic bootstrapping: steps against the formulae written out, schedule, guard, resumption."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import beta as beta_distribution
from torch import nn

from labelsieve.losses import bootstrap_hard
from labelsieve.methods.m_dyr import (
    Schedule,
    m_dyr_h,
    m_dyr_s,
    md_dyr_sh,
    p_wrong,
    static_mixup,
    temperature,
    uniform_prior,
)
from labelsieve.stats.mixture import fit_beta

SHORT = {"epochs": 6, "lr": 0.3, "start": 0.35, "noise": 0.3, "alpha": 32.0}


def network(k):
    return nn.Linear(5, k)


def replay(n, epochs, batches=1, seed=0, alpha=32):
    """Rows, lambda and partners of the last batch."""
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    for _ in range(epochs):
        for rows in torch.randperm(n, generator=generator).chunk(batches):
            lam, partner = rng.beta(alpha, alpha), torch.from_numpy(rng.permutation(len(rows)))
    return rows, lam, partner


def mixture_by_example(losses):
    """The paper's mixture in float64, ten EM steps over single losses: (a, b, weight, lo, hi)."""
    lo, hi = np.percentile(losses, [5, 95])
    kept = losses[(losses >= lo) & (losses <= hi)]
    lo += 1e-5
    x = (kept - lo) / (hi - lo + 1e-6)
    x[x >= 1], x[x <= 0] = 1 - 1e-3, 1e-3
    x = x.clip(1e-4, 1 - 1e-4)
    a, b, weight = [1.0, 2.0], [2.0, 1.0], [0.5, 0.5]
    for _ in range(10):
        r = np.maximum([weight[k] * beta_distribution.pdf(x, a[k], b[k]) for k in (0, 1)], 1e-12)
        r /= r.sum(0)
        for k in (0, 1):
            m = np.average(x, weights=r[k])
            v = np.average((x - m) ** 2, weights=r[k])
            a[k] = m * (m * (1 - m) / v - 1)
            b[k] = a[k] * (1 - m) / m
            weight[k] = r[k].mean()
    return a, b, weight, lo, hi


def outputs(samples, weight, bias):
    """Logits and losses of all examples in float64."""
    z = ((samples.inputs - samples.mean) / samples.std).double() @ weight.T.double() + bias.double()
    return z, (z.exp().sum(1).log() - z[torch.arange(len(z)), samples.labels]).detach()


def frozen(samples, step, order, share=None, before=None):
    """x, y, weights with gradient, logits of the unmixed batch and w, all written out in float64; the mixture is that
    of the weights of the step `before`."""
    x = ((samples.inputs - samples.mean) / samples.std).double()
    weight, bias = (p.double().requires_grad_() for p in step.weights)
    _, losses = outputs(samples, *(before or step).weights)
    mixture = fit_beta(losses.float().numpy())
    for ours, theirs in zip(
        (mixture.a, mixture.b, mixture.weight, mixture.lo, mixture.hi), mixture_by_example(losses.numpy()), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=2e-2)
    grid = np.linspace(1e-12, 1 - 1e-12, 100)
    heaps = [mixture.weight[k] * beta_distribution.pdf(grid, mixture.a[k], mixture.b[k]) for k in (0, 1)]
    table = heaps[1] / (heaps[0] + heaps[1])
    table[table.argmax() :] = table.max()
    low = table[: table.argmax() + 1].argmin()
    table[:low] = table[low]

    def posterior(losses, factor=1.0):
        unit = (losses.numpy() - mixture.lo) / (mixture.hi - mixture.lo + 1e-6)
        unit[unit >= 1], unit[unit <= 0] = 1 - 1e-3, 1e-3
        w = torch.from_numpy(np.interp(unit, grid, table)).clamp(1e-4, 1 - 1e-4)
        return factor * w / (1 - w + factor * w)

    w = posterior(losses)
    assert mixture.fitted and 0.05 < w.mean() < 0.95
    factor = 1.0
    if share is not None:
        assert abs(w.mean() - share) > 0.02
        factor = np.exp(brentq(lambda c: posterior(losses, np.exp(c)).mean().item() - share, -20, 20))
    z, losses = outputs(samples, weight, bias)
    w = posterior(losses, factor)
    return x[order], samples.labels[order], (weight, bias), z.detach()[order], w[order]


def reference(x, y, weights, z, w, partner, mix, lam, target):
    mixed = mix[:, None] * x + (1 - mix)[:, None] * x[partner]
    out = mixed @ weights[0].T + weights[1]
    log_out = out - out.exp().sum(1, keepdim=True).log()
    k = out.shape[1]
    each = -(1 - w) * log_out[torch.arange(len(y)), y] - w * (target * log_out).sum(1)
    other = -(1 - w[partner]) * log_out[torch.arange(len(y)), y[partner]] - w[partner] * (
        target[partner] * log_out
    ).sum(1)
    h = log_out.exp().mean(0)
    loss = lam * each.mean() + (1 - lam) * other.mean() + (1 / k * (1 / k / h).log()).sum()
    return loss, torch.autograd.grad(loss, weights)


def agree(step, loss, gradients):
    assert step.loss == pytest.approx(loss.item(), abs=1e-5)
    for ours, theirs in zip(step.gradients, gradients, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("method", [m_dyr_h, m_dyr_s])
def test_a_bootstrapped_step_is_the_paper_s(method, held, blobs, spy):
    samples, _ = blobs(200)
    session = spy(200)
    method(samples, network, session, batch=200, held=held, **SHORT)
    order, lam, partner = replay(200, 6)
    x, y, weights, z, w = frozen(samples, session.steps[-1], order, SHORT["noise"] if held else None)
    guess = torch.softmax(z, 1) if method is m_dyr_s else nn.functional.one_hot(z.argmax(1), 3).double()
    agree(session.steps[-1], *reference(x, y, weights, z, w, partner, torch.full((200,), lam).double(), lam, guess))


@pytest.mark.parametrize("held", [False, True])
def test_the_mixture_is_that_of_the_epoch_before_and_the_losses_are_those_of_today(held, blobs, spy):
    samples, _ = blobs(200)
    session = spy(200)
    m_dyr_h(samples, network, session, batch=100, held=held, **SHORT)
    rows, lam, partner = replay(200, 6, batches=2)
    *_, before, last = session.steps  # the two of the last epoch
    x, y, weights, z, w = frozen(samples, last, rows, None if not held else SHORT["noise"], before)
    guess = nn.functional.one_hot(z.argmax(1), 3).double()
    agree(last, *reference(x, y, weights, z, w, partner, torch.full((100,), lam).double(), lam, guess))


class Watched(nn.Linear):
    """Notes for every pass how many examples it had, whether it trained, and whether it kept a graph."""

    passes: list[tuple[int, bool, bool]]

    def forward(self, x):
        if len(x):
            self.passes.append((len(x), self.training, torch.is_grad_enabled()))
        return super().forward(x)


@pytest.mark.parametrize("method", [m_dyr_h, m_dyr_s, md_dyr_sh])
def test_weights_and_losses_come_from_evaluation_mode_and_predictions_from_training_mode(method, blobs, spy):
    samples, _ = blobs(60)
    Watched.passes = passes = []
    method(samples, lambda k: Watched(5, k), spy(60), batch=30, **SHORT)
    begin = Schedule.of(samples, 6, 30, 0.35).at(105)
    mixing, tracking, weighing = [(30, True, True)], [(60, False, False)], [(30, False, False)]
    assert passes[: 3 * begin] == (2 * mixing + tracking) * begin
    bootstrapping = weighing + 2 * mixing  # w; the prediction of the unmixed batch, detached; the mixed batch
    assert passes[3 * begin :] == (2 * bootstrapping + tracking) * (6 - begin)


@pytest.mark.parametrize("alpha", [32.0, 1.0])
def test_a_step_between_static_mixup_and_bootstrapping_is_dynamic_mixup(alpha, blobs, spy):
    samples, _ = blobs(200)
    session, epochs = spy(200), 60
    md_dyr_sh(samples, network, session, batch=200, **{**SHORT, "epochs": epochs, "lr": 0.05, "alpha": alpha})
    when = Schedule(epochs, 0.35)
    first, second = when.at(105), when.at(110)
    assert second == first + 1
    order, lam, partner = replay(200, second, alpha=alpha)
    x, y, weights, _, w = frozen(samples, session.steps[first], order)
    odds = (1 - w) / (1 - w[partner]) * (1 if alpha == 32 else lam / (1 - lam))
    mix = (odds / (1 + odds))[:, None]
    out = (mix * x + (1 - mix) * x[partner]) @ weights[0].T + weights[1]
    loss = lam * nn.functional.cross_entropy(out, y) + (1 - lam) * nn.functional.cross_entropy(out, y[partner])
    agree(session.steps[first], loss, torch.autograd.grad(loss, weights))


@pytest.mark.parametrize("alpha", [32.0, 1.0])
def test_a_step_of_md_dyr_sh_is_the_paper_s(alpha, blobs, spy):
    """With the paper's alpha; with a smaller one the lambda that was drawn takes the place of its half."""
    samples, _ = blobs(200)
    session = spy(200)
    md_dyr_sh(samples, network, session, batch=200, **{**SHORT, "alpha": alpha})
    order, lam, partner = replay(200, 6, alpha=alpha)
    half = 0.5 if alpha == 32 else lam
    x, y, weights, z, w = frozen(samples, session.steps[-1], order)
    odds = half * (1 - w) / ((1 - half) * (1 - w[partner]))
    guess = torch.softmax(z / temperature(5, Schedule(6, 0.35)), 1)
    agree(session.steps[-1], *reference(x, y, weights, z, w, partner, odds / (1 + odds), half, guess))


@pytest.mark.parametrize("method", [m_dyr_h, md_dyr_sh])
def test_before_it_begins_a_step_is_mixup(method, blobs, spy):
    samples, _ = blobs(200)
    session = spy(200)
    method(samples, network, session, batch=200, **SHORT)
    order, lam, partner = replay(200, 2)
    x, y, weights, _, _ = frozen(samples, session.steps[1], order)
    out = (lam * x + (1 - lam) * x[partner]) @ weights[0].T + weights[1]
    loss = lam * nn.functional.cross_entropy(out, y) + (1 - lam) * nn.functional.cross_entropy(out, y[partner])
    agree(session.steps[1], loss, torch.autograd.grad(loss, weights))


@pytest.mark.parametrize("w", [1e-4, 1 - 1e-4])
def test_labels_believed_wholly_are_mixup_with_the_prior_and_labels_doubted_wholly_are_self_training(w):
    torch.manual_seed(0)
    net, x, y, partner = network(3), torch.randn(40, 5), torch.randint(3, (40,)), torch.randperm(40)
    out = net(0.3 * x + 0.7 * x[partner])
    target = y if w < 0.5 else net(x).argmax(1)
    ce = nn.functional.cross_entropy
    expected = 0.3 * ce(out, target) + 0.7 * ce(out, target[partner]) - (3 * out.softmax(1).mean(0)).log().mean()
    loss = static_mixup(net, x, y, torch.full((40,), w), 0.3, partner, bootstrap=bootstrap_hard, reg=1.0)
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-3)


def test_temperature_of_the_published_schedule():
    paper = Schedule(300, 0.35)
    ends = [temperature(e, paper) for e in (0, 110, 198, 299)]  # 111 and 199, counted from 1
    assert ends == pytest.approx([1, 1, 0.001, 0.001])
    np.testing.assert_allclose(np.diff([temperature(e, paper) for e in range(110, 199)]), -0.999 / 88)


def test_a_run_of_many_steps_has_the_paper_s_schedule_and_one_of_few_a_longer_first_part(blobs):
    samples, _ = blobs(200)
    published = Schedule.of(samples, 300, 10, None)
    assert [published.at(e) for e in (100, 105, 110, 250, 300)] == [100, 105, 110, 250, 300]
    half = Schedule.of(samples, 100, 10, None)
    assert [half.at(e) for e in (0, 100, 105, 250, 300)] == [0, 48, 50, 87, 100]
    assert Schedule.of(samples, 20, 10, None).start == 0.65 and Schedule.of(samples, 20, 10, 0.4).at(105) == 8


def test_the_prior_is_zero_for_a_uniform_mean_and_positive_otherwise():
    turned = torch.tensor([[9.0, 0, 0], [0, 9, 0], [0, 0, 9]])
    assert uniform_prior(turned).abs() < 1e-6
    assert uniform_prior(turned[:2]) > 0.1
    assert uniform_prior(torch.tensor([[500.0, 0, 0]])).isfinite()


def test_the_weight_uses_the_range_of_the_fit_and_evaluation_mode(blobs):
    samples, _ = blobs(200)
    net = nn.Sequential(nn.Linear(5, 3), nn.Dropout(0.9))
    x = samples.plain(torch.arange(200))
    with torch.no_grad():
        losses = nn.functional.cross_entropy(net[0](x), samples.labels, reduction="none").numpy()
    mixture = fit_beta(losses)
    w = p_wrong(net, x, samples.labels, mixture)
    np.testing.assert_allclose(w, mixture.posterior(losses).clip(1e-4, 1 - 1e-4), atol=1e-5)
    part = p_wrong(net, x[:10], samples.labels[:10], mixture)  # a batch is not normalised by itself
    torch.testing.assert_close(part, w[:10])
    assert net.training and not w.requires_grad


def test_equal_losses_do_not_stop_it(blobs, spy):
    samples, _ = blobs(60)
    silent = samples.take(torch.zeros(60, dtype=torch.int64))  # one example sixty times: nothing to separate
    trained = m_dyr_h(silent, network, spy(60), **SHORT)
    assert trained.logits(silent).isfinite().all() and (trained.p_wrong == 0).all()


@pytest.mark.parametrize("method", [m_dyr_h, m_dyr_s, md_dyr_sh])
def test_it_finds_the_wrong_labels(method, blobs, spy):
    samples, wrong = blobs(400)
    trained = method(samples, network, spy(400), epochs=20, lr=0.1, batch=100)
    assert trained.settings["bootstrapping"] and trained.settings["noise"] == pytest.approx(wrong.mean(), abs=0.1)
    assert trained.p_wrong[wrong].mean() > 0.8 and trained.p_wrong[~wrong].mean() < 0.3


@pytest.mark.parametrize("method", [m_dyr_h, m_dyr_s, md_dyr_sh])
def test_a_held_run_believes_as_many_labels_wrong_as_it_is_told(method, blobs, spy):
    samples, _ = blobs(400)
    session = spy(400)
    trained = method(samples, network, session, epochs=20, lr=0.1, batch=100, noise=0.15, held=True)
    assert trained.p_wrong.mean() == pytest.approx(0.15, abs=1e-3)
    assert session.history[-1]["clean"] == pytest.approx(0.85, abs=1e-3)


@pytest.mark.parametrize("method", [m_dyr_h, md_dyr_sh])
def test_where_no_label_is_in_doubt_it_goes_on_with_cross_entropy(method, blobs, spy):
    samples, _ = blobs(200, noise=0.0, spread=4.0)
    session = spy(200)
    trained = method(samples, network, session, epochs=20, lr=0.3, batch=200)
    assert not trained.settings["bootstrapping"] and trained.settings["noise"] < 0.02
    assert (trained.p_wrong == 0).all() and session.history[-1]["clean"] == 1
    order, _, _ = replay(200, 20)
    x = ((samples.inputs - samples.mean) / samples.std).double()[order]
    weights = [p.double().requires_grad_() for p in session.steps[-1].weights]
    loss = nn.functional.cross_entropy(x @ weights[0].T + weights[1], samples.labels[order])
    agree(session.steps[-1], loss, torch.autograd.grad(loss, weights))


@pytest.mark.parametrize("method", [m_dyr_h, m_dyr_s, md_dyr_sh])
def test_a_killed_run_goes_on(method, blobs, survives_a_kill):
    samples, _ = blobs(80)
    survives_a_kill(lambda session: method(samples, network, session, epochs=8, lr=0.1, batch=16), samples, 5)


@pytest.mark.parametrize("method", [m_dyr_h, m_dyr_s, md_dyr_sh])
def test_the_rate_falls_tenfold_at_100_and_at_250_of_300_epochs(method, blobs, spy):
    samples, _ = blobs(40)
    session = spy(40)
    method(samples, network, session, epochs=60, lr=0.1, start=0.35, batch=40, noise=0.3)
    # Epoch 106, where bootstrapping begins, is at 0.35 of the run, so 100 becomes 20 and 250 becomes 21 + 39 * 144 /
    # 195 = 50.
    np.testing.assert_allclose([step.rate for step in session.steps], [0.1] * 20 + [0.01] * 30 + [0.001] * 10)
