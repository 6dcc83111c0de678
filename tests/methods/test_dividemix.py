"""DivideMix: the split, the guessed targets and a whole epoch of steps against the formulae written out."""

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch import nn

import labelsieve.methods.dividemix as dividemix_module
from labelsieve import networks
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.losses import cross_entropy
from labelsieve.methods.dividemix import (
    chosen_lambda,
    dividemix,
    guessed,
    mixmatch,
    right_labels,
    share_wrong,
    update_splits,
)


def network(k):
    return nn.Linear(5, k)


def softmax(z):
    p = (z - z.max(1, keepdim=True).values).exp()
    return p / p.sum(1, keepdim=True)


def sharp(p):
    return p**2 / (p**2).sum(1, keepdims=True)


def test_the_split_is_that_of_a_gaussian_mixture(blobs):
    samples, wrong = blobs(600, noise=0.4)
    trained = dividemix(samples, network, Session(600), epochs=1, batch=32, lr=0.5)  # warm-up alone
    x = ((samples.inputs - samples.mean) / samples.std).double()
    with torch.no_grad():
        p = softmax(x @ trained.nets[0].weight.double().T + trained.nets[0].bias.double())
    losses = -p[torch.arange(600), samples.labels].log()
    unit = ((losses - losses.min()) / (losses.max() - losses.min()))[:, None].numpy()
    mixture = GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=0).fit(unit)
    right = mixture.predict_proba(unit)[:, mixture.means_.argmin()]
    np.testing.assert_allclose(right_labels(losses[None].float()), right, atol=0.02)
    assert ((right <= 0.5) == wrong).mean() > 0.95  # the toy can tell


def test_averaged_losses_are_normalised_epoch_by_epoch():
    low = torch.linspace(0, 1, 100) ** 3
    losses = torch.stack([low, 10 * low.flip(0), torch.zeros(100)])  # one epoch is not filled yet
    average = (low + low.flip(0))[None] / 2
    torch.testing.assert_close(right_labels(losses, averaged=True), right_labels(average))
    assert not torch.allclose(right_labels(losses), right_labels(average))


def test_the_split_can_be_held_to_a_share(blobs):
    losses = torch.from_numpy(np.random.default_rng(0).exponential(1, 3000)).float()[None]
    free, held = right_labels(losses), right_labels(losses, wrong=0.05)
    assert 1 - free.mean() > 0.1 and 1 - held.mean() == pytest.approx(0.05, abs=1e-4)
    assert (held.diff() * free.diff() >= 0).all()


def test_a_held_run_believes_as_many_labels_wrong_as_it_is_told(blobs):
    samples, _ = blobs(400)
    trained = dividemix(samples, network, Session(400), epochs=9, warmup=3, lr=0.1, batch=32, noise=0.15, held=True)
    assert trained.p_wrong.mean() == pytest.approx(0.15, abs=1e-3)


def step(a, b, x, y, right, labelled, unlabelled, lam, partner, weight):
    """Loss and gradient of one step of the network with weights a, whose peer has b, in float64."""

    def predict(w, rows):
        return softmax(x[rows] @ w[0].double().T + w[1].double())

    given = torch.eye(3, dtype=torch.float64)[y[labelled]]
    target = sharp(right[labelled, None] * given + (1 - right[labelled, None]) * predict(a, labelled))
    guess = sharp((predict(a, unlabelled) + predict(b, unlabelled)) / 2)
    inputs = torch.cat([x[labelled], x[labelled], x[unlabelled], x[unlabelled]])
    targets = torch.cat([target, target, guess, guess])
    weights = [w.double().requires_grad_() for w in a]
    out = softmax((lam * inputs + (1 - lam) * inputs[partner]) @ weights[0].T + weights[1])
    wanted, n = lam * targets + (1 - lam) * targets[partner], 2 * len(labelled)
    loss = -(wanted[:n] * out[:n].log()).sum(1).mean() + weight * ((out[n:] - wanted[n:]) ** 2).mean()
    loss = loss + (1 / 3 * (1 / 3 / out.mean(0)).log()).sum()
    return loss, torch.autograd.grad(loss, weights)


def test_every_step_of_an_epoch_is_the_paper_s(blobs, spy):
    samples, _ = blobs(200)
    session, first = spy(200), []

    def remembered(k):
        net = network(k)
        first.append([p.detach().clone() for p in net.parameters()])
        return net

    trained = dividemix(samples, remembered, session, epochs=1, warmup=0, lr=0.5, batch=32, lambda_u=75.0, noise=0.3)
    x, y = ((samples.inputs - samples.mean) / samples.std).double(), samples.labels
    split_by = [
        right_labels(cross_entropy((x @ w[0].double().T + w[1].double()).float(), y)[None]).double() for w in first
    ]
    half = -(-int((split_by[1] > 0.5).sum()) // 32)  # steps of the first network, which takes the second one's split
    peers = [first[1], [p.detach() for p in trained.nets[0].parameters()]]
    generator, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    for k, steps in enumerate((session.steps[:half], session.steps[half:])):
        right = split_by[1 - k]
        parts = [torch.nonzero(right > 0.5)[:, 0], torch.nonzero(right <= 0.5)[:, 0]]
        order, rest = parts[0][torch.randperm(len(parts[0]), generator=generator)], torch.zeros(0, dtype=torch.int64)
        for i, seen in enumerate(steps):
            if not len(rest):
                rest = parts[1][torch.randperm(len(parts[1]), generator=generator)]
            labelled, unlabelled, rest = order[32 * i : 32 * i + 32], rest[:32], rest[32:]
            lam, partner = rng.beta(4, 4), torch.from_numpy(rng.permutation(2 * len(labelled) + 2 * len(unlabelled)))
            weight = 75 * (32 * i / len(order)) / 16
            loss, gradients = step(
                seen.weights, peers[k], x, y, right, labelled, unlabelled, max(lam, 1 - lam), partner, weight
            )
            assert seen.loss == pytest.approx(loss.item(), abs=1e-5)
            for ours, theirs in zip(seen.gradients, gradients, strict=True):
                torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=1e-5)


def test_losses_of_five_epochs_are_remembered_the_last_one_first(blobs):
    samples, _ = blobs(30)
    losses, right, share = torch.zeros(2, 5, 30), torch.ones(2, 30), torch.tensor([0.3])
    expected = []
    for _ in range(7):
        nets = network(3), network(3)
        update_splits(nets, samples, Session(30), losses, right, share, held=False)
        x = samples.plain(torch.arange(30))
        expected.insert(0, torch.stack([cross_entropy(net(x), samples.labels) for net in nets]).detach())
    torch.testing.assert_close(losses, torch.stack(expected[:5], 1))


def test_the_weight_of_guesses_grows_from_the_end_of_the_warm_up(blobs, spy, monkeypatch):
    samples, _ = blobs(200)
    seen, original = [], dividemix_module.mixmatch
    monkeypatch.setattr(dividemix_module, "mixmatch", lambda *a, **k: (seen.append(k["weight"]), original(*a, **k))[1])
    dividemix(samples, network, spy(200), epochs=23, warmup=3, lr=0.1, batch=200, lambda_u=75.0, noise=0.3)
    assert len(seen) == 2 * 20  # one step an epoch and network
    np.testing.assert_allclose(seen[::2], 75 * np.minimum(np.arange(20) / 16, 1))


def test_the_peer_guesses_in_evaluation_mode(blobs):
    samples, _ = blobs(20)
    net, peer = network(3), nn.Sequential(nn.Dropout(0.9), network(3))
    rows = torch.arange(20)
    _, target = guessed(net, peer, samples, rows, Session(20), 0.5)
    x = samples.plain(rows)
    with torch.no_grad():
        expected = sharp((softmax(net(x)) + softmax(peer[1](x))) / 2)
    torch.testing.assert_close(target, torch.cat([expected, expected]))
    assert peer.training


@pytest.mark.parametrize("labelled", [1, 199])
def test_a_part_of_one_example_counts_as_empty(labelled, spy, monkeypatch):
    """Batch normalisation over maps of one pixel takes no single example."""
    images = torch.randint(256, (200, 1, 4, 4), dtype=torch.uint8)
    samples = Samples.of(images, torch.arange(200) % 3, 3)
    split = (torch.arange(200) < labelled).float()
    monkeypatch.setattr(dividemix_module, "right_labels", lambda *_, **__: split)
    make = networks.network("small-cnn", images=True, width=1)
    trained = dividemix(samples, make, spy(200), epochs=2, warmup=1, lr=0.01, batch=200, noise=0.3, lambda_u=1.0)
    assert trained.logits(samples).isfinite().all()


def test_lambda_of_the_authors():
    """At 20, 50, 80 and 90 % inclusive symmetric noise: wrong are nine tenths of it with ten classes, nearly all with a
    hundred."""
    assert [chosen_lambda(0.9 * rate, 10) for rate in (0.2, 0.5, 0.8, 0.9)] == [0, 25, 25, 50]
    assert chosen_lambda(0.2, 10) == 0  # 40 % asymmetric
    assert [chosen_lambda(0.99 * rate, 100) for rate in (0.2, 0.5, 0.8, 0.9)] == [25, 150, 150, 150]


def test_without_unlabelled_examples_the_loss_is_finite_and_of_the_labelled_alone():
    net, x, target = network(3), torch.randn(8, 5), torch.full((8, 3), 1 / 3)
    alone = mixmatch(net, x, target, x[:0], target[:0], Session(8), weight=25.0)
    both = mixmatch(net, x, target, x[:0], target[:0], Session(8), weight=0.0)
    assert alone.isfinite() and torch.equal(alone, both)


def test_a_constant_loss_leaves_everything_labelled(blobs, spy):
    samples, _ = blobs(60)
    same = samples.take(torch.zeros(60, dtype=torch.int64))
    trained = dividemix(same, network, spy(60), epochs=4, warmup=1, lr=0.1, batch=16)
    assert (trained.p_wrong == 0).all() and trained.logits(same).isfinite().all()


def test_it_finds_the_wrong_labels(blobs, spy):
    samples, wrong = blobs(400)
    trained = dividemix(samples, network, spy(400), epochs=9, warmup=3, lr=0.1, batch=32)
    assert trained.settings["noise"] == pytest.approx(wrong.mean(), abs=0.1) and len(trained.nets) == 2
    assert trained.p_wrong[wrong].mean() > 0.8 and trained.p_wrong[~wrong].mean() < 0.3


def test_where_no_label_is_in_doubt_the_warm_up_goes_on(blobs, spy):
    samples, _ = blobs(200, noise=0.0, spread=4.0)
    session = spy(200)
    trained = dividemix(samples, network, session, epochs=6, warmup=2, lr=0.5, batch=16)
    plain = spy(200)  # a session seeds the networks, so one after the other
    dividemix(samples, network, plain, epochs=6, warmup=2, lr=0.5, batch=16, noise=0.0)
    assert trained.settings["noise"] < 0.02 and (trained.p_wrong == 0).all()
    assert [step.loss for step in session.steps] == [step.loss for step in plain.steps] and len(
        session.steps
    ) == 6 * 2 * 7


def test_networks_that_err_are_no_sign_of_wrong_labels():
    labels = torch.arange(3000) % 10
    odd, generator = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)

    def predicted(given, apart):
        """Two networks, each wrong about a fifth; `apart`: about a fifth of its own."""
        nets = []
        for _ in range(2):
            err = torch.rand(3000, generator=generator if apart else odd.manual_seed(0)) < 0.2
            said = torch.where(err, (labels + 1) % 10, labels)
            nets.append(5 * nn.functional.one_hot(said, 10).float())
        return share_wrong(torch.stack(nets), given)

    assert predicted(labels, apart=True) == 0
    assert predicted(labels, apart=False) == pytest.approx(0.2, abs=0.03)  # both say so: as good as a wrong label
    noisy = torch.where(torch.rand(3000, generator=generator) < 0.4, (labels + 3) % 10, labels)
    assert predicted(noisy, apart=True) > 0.3


def test_a_killed_run_goes_on(blobs, survives_a_kill):
    samples, _ = blobs(80)
    survives_a_kill(
        lambda session: dividemix(samples, network, session, epochs=6, warmup=2, lr=0.1, batch=16), samples, 4
    )
