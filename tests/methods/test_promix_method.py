"""ProMix: every step of short runs against the formulae written out in float64; selection, schedules, the two variants,
resumption."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from labelsieve.core.errors import UserError
from labelsieve.engine.samples import Samples
from labelsieve.losses import fmix_mask
from labelsieve.methods.promix import TwoHeads, batch_loss, labelled_loss, promix, unlabelled_loss
from labelsieve.methods.promix_selection import agreed, chosen_rho, matched, quotas, unlabelled_weight

RULES = {"epochs": 18, "warmup": 2, "batch": 40, "lr": 0.2, "rho": 0.4, "tau": 0.7, "alpha": 0.8, "lambda_u": 0.9}
T, FILL = 0.5, 0.9


class Net(nn.Module):
    """Weights that the heads share, with batch normalisation or without."""

    def __init__(self, classes, body, width):
        super().__init__()
        self.body, self.head = body, nn.Linear(width, classes)

    def features(self, x):
        return self.body(x)

    def forward(self, x):
        return self.head(self.features(x))


def shared(k):
    return Net(k, nn.Sequential(nn.Linear(5, 7), nn.Tanh()), 7)


def normalised(k):
    return Net(k, nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten()), 4 * 36)


def pictures(n):
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, n)
    inputs = (rng.integers(0, 200, (3, 1, 8, 8))[true] + rng.integers(0, 55, (n, 1, 8, 8))).astype(np.uint8)
    given = np.where(rng.random(n) < 0.3, rng.integers(0, 3, n), true)
    return Samples.of(torch.from_numpy(inputs), torch.from_numpy(given), 3)


class Reference:
    """The algorithm from the formulae alone. Weights are set to those of the run before each step, all else is its
    own."""

    def __init__(self, make, samples, two_heads, seed=0):
        self.samples, self.k, self.two_heads = samples, samples.classes, two_heads
        self.net = [make(self.k).double() for _ in range(2)]
        self.heads = [[net.head, deepcopy(net.head)][: 1 + two_heads] for net in self.net]
        self.generator, self.rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
        self.pi = np.full((2, 2, self.k), 1 / self.k)
        self.seen = {"small": 0, "matched": 0, "guessed": 0, "renamed": 0, "others": 0}

    def parameters(self):
        more = [[] if not self.two_heads else list(heads[1].parameters()) for heads in self.heads]
        return [p for net, extra in zip(self.net, more, strict=True) for p in (*net.parameters(), *extra)]

    def load(self, weights):
        with torch.no_grad():
            for p, w in zip(self.parameters(), weights, strict=True):
                p.copy_(w.double())

    def logits(self, i, x):
        features = self.net[i].features(x.double())
        return [head(features) for head in self.heads[i]]

    def small_losses(self, rho):
        """CSS from eval mode: min(ceil(rho N / K), |S_j|) of each given class."""
        n, masks = len(self.samples), []
        x, y = self.samples.plain(torch.arange(n)), self.samples.labels.numpy()
        for i in range(2):
            self.net[i].eval()
            with torch.no_grad():
                z = self.logits(i, x)[0].numpy()
            self.net[i].train()
            loss = np.log(np.exp(z).sum(1)) - z[np.arange(n), y]
            mask = np.zeros(n, bool)
            for j in range(self.k):
                members = np.flatnonzero(y == j)
                mask[members[np.argsort(loss[members])][: min(int(np.ceil(rho * n / self.k)), len(members))]] = True
            masks.append(mask)
        return masks

    def warm_up(self, rows, penalty=False):
        x, y = self.samples.weak(rows, self.generator), self.samples.labels[rows]
        loss = 0.0
        for i in range(2):
            p = self.logits(i, x)[0].softmax(1)
            loss = loss - p[torch.arange(len(y)), y].log().mean()
            if penalty and i == 0:
                loss = loss + (p * p.log()).sum(1).mean()
        return loss

    def step(self, rows, masks, *, tau, alpha, ramp, beta, guessing, m):
        b, y = len(rows), self.samples.labels[rows]
        weak, strong = self.samples.weak(rows, self.generator), self.samples.strong(rows, self.generator)
        out = [(self.logits(i, weak), self.logits(i, strong)) for i in range(2)]
        p = [out[i][0][0].detach().softmax(1).numpy() for i in range(2)]
        total = 0.0
        for i in range(2):
            chosen, label = masks[i][rows].copy(), y.numpy().copy()
            self.seen["small"] += chosen.sum()
            high = p[i][np.arange(b), label] > tau
            self.seen["matched"] += (high & ~chosen).sum()
            chosen |= high
            log_l, log_u = (torch.from_numpy(alpha * np.log(prior)) for prior in self.pi[i])
            if guessing and chosen.sum() / b < FILL:
                ready = [
                    r
                    for r in range(b)
                    if not chosen[r]
                    and p[0][r].max() > tau
                    and p[1][r].max() > tau
                    and p[0][r].argmax() == p[1][r].argmax()
                ]
                ready.sort(key=lambda r: -(p[0][r].max() + p[1][r].max()) / 2)
                for r in ready[: int(FILL * b) - chosen.sum()]:
                    label[r], chosen[r] = int((out[i][0][0][r] - log_l).argmax()), True
                    self.seen["guessed"] += 1
                    self.seen["renamed"] += label[r] != y[r]
            self.seen["others"] += (~chosen).sum()
            x, t, n = (
                weak[torch.from_numpy(chosen)].double(),
                torch.eye(self.k).double()[label[chosen]],
                int(chosen.sum()),
            )

            def dml(z, target, shift):
                return -(target * (z + shift).log_softmax(1)).sum(1).mean()

            for h in range(1 + self.two_heads):
                lam = self.rng.beta(4, 4)
                lam, perm = max(lam, 1 - lam), torch.from_numpy(self.rng.permutation(n))
                mixed = dml(self.logits(i, lam * x + (1 - lam) * x[perm])[h], lam * t + (1 - lam) * t[perm], log_l)
                lam, perm = self.rng.beta(1, 1), torch.from_numpy(self.rng.permutation(n))
                if x.ndim == 4:
                    mask = fmix_mask(*x.shape[2:], lam, self.rng).double()
                else:
                    mask = torch.from_numpy(self.rng.permutation(x.shape[1]) < lam * x.shape[1]).double()
                z = self.logits(i, mask * x + (1 - mask) * x[perm])[h]
                patched = lam * dml(z, t, log_l) + (1 - lam) * dml(z, t[perm], log_l)
                plain, other = dml(out[i][0][h][chosen], t, log_l), dml(out[i][1][h][chosen], t, log_l)
                total = total + plain + ramp * (other + mixed + patched)
            if self.two_heads and beta and not chosen.all():
                g = (out[i][0][0].detach()[~chosen] - log_u).softmax(1) ** (1 / T)
                g = g / g.sum(1, keepdim=True)
                total = total + beta * (
                    dml(out[i][0][1][~chosen], g, log_u) + ramp * dml(out[i][1][1][~chosen], g, log_u)
                )
            for part, those in enumerate((chosen, ~chosen)):
                if those.any():
                    self.pi[i, part] = m * self.pi[i, part] + (1 - m) * p[i][those].mean(0)
        return total


def compare(make, samples, spy, *, two_heads=True, **changes):
    """Run the method, then all its steps again by the reference; what the reference saw."""
    rules = {**RULES, **changes}
    n, batch, epochs, warmup = len(samples), rules["batch"], rules["epochs"], rules["warmup"]
    challenge = rules.get("challenge", False)
    session = spy(n)
    promix(samples, make, session, **rules)
    reference, number = Reference(make, samples, two_heads), 0
    late = epochs - round(epochs * (150 / 420 if challenge else 250 / 600))
    m = max(1 - 11.7 / (epochs * (n // batch)), 0.9)
    for epoch in range(epochs):
        if epoch >= warmup:
            reference.load(session.steps[number].weights)
            masks = reference.small_losses(rules["rho"])
        order = torch.randperm(n, generator=reference.generator)
        for rows in order.split(batch):
            if epoch >= warmup and len(rows) < batch:
                continue
            step = session.steps[number]
            reference.load(step.weights)
            if epoch < warmup:
                loss = reference.warm_up(rows, challenge)
            else:
                loss = reference.step(
                    rows,
                    masks,
                    tau=rules["tau"],
                    alpha=0.0 if challenge else rules["alpha"],
                    ramp=min(epoch / (epochs / 3), 1),
                    beta=rules["lambda_u"] * epoch / (epochs / 3) if epoch < epochs / 3 else 0,
                    guessing=epoch >= late,
                    m=m,
                )
            gradients = torch.autograd.grad(loss, reference.parameters(), allow_unused=True)
            assert step.loss == pytest.approx(loss.item(), abs=1e-5), (epoch, number)
            for ours, theirs in zip(step.gradients, gradients, strict=True):
                torch.testing.assert_close(
                    ours.double(), torch.zeros_like(ours).double() if theirs is None else theirs, rtol=0, atol=1e-5
                )
            number += 1
    assert number == len(session.steps)
    return reference.seen


def test_every_step_with_two_heads_is_the_paper_s(blobs, spy):
    samples, _ = blobs(210)  # 210 = 5 * 40 + 10: the last batch is left out after the warm-up
    seen = compare(shared, samples, spy)
    assert min(seen.values()) > 0, seen


def test_every_step_with_batch_normalisation_is_the_paper_s(spy):
    seen = compare(normalised, pictures(90), spy, lr=0.02, batch=25)
    assert min(seen.values()) > 0, seen


def test_every_step_of_the_challenge_version(blobs, spy):
    samples, _ = blobs(210)
    seen = compare(shared, samples, spy, two_heads=False, challenge=True, alpha=None)
    assert min(seen.values()) > 0, seen


def test_a_head_alone_has_no_auxiliary_one(blobs, spy):
    samples, _ = blobs(210)

    def alone(k):
        return Net(k, nn.Identity(), 5)

    seen = compare(alone, samples, spy, two_heads=False, lr=0.5)
    assert min(seen.values()) > 0, seen


def test_a_step_with_lopsided_class_distributions_is_the_paper_s(blobs, spy):
    samples, _ = blobs(60)
    torch.manual_seed(1)
    nets, rows, session = [TwoHeads(shared, 3) for _ in range(2)], torch.arange(60), spy(60)
    reference = Reference(shared, samples, True)
    reference.load([p.detach() for net in nets for p in net.parameters()])
    reference.pi = np.array([[[0.9, 0.09, 0.01], [0.1, 0.8, 0.1]], [[0.05, 0.15, 0.8], [0.2, 0.2, 0.6]]])
    prior, masks = torch.from_numpy(reference.pi).float(), reference.small_losses(0.2)
    rules = {"tau": 0.34, "alpha": 0.8, "ramp": 0.7}
    small = [torch.from_numpy(mask) for mask in masks]
    loss = batch_loss(samples, rows, nets, small, prior, session, **rules, temp=T, memory=0.95, fill=FILL, weight=0.3)
    expected = reference.step(rows, masks, **rules, beta=0.3, guessing=True, m=0.95)
    assert reference.seen["guessed"] > 0 and reference.seen["others"] > 0
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    np.testing.assert_allclose(prior, reference.pi, atol=1e-6)
    ours = torch.autograd.grad(loss, [p for net in nets for p in net.parameters()])
    theirs = torch.autograd.grad(expected, reference.parameters())
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=0, atol=1e-5)


def test_matched_is_strict_and_guesses_fill_up_to_a_share_the_surest_first():
    p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.05, 0.95]], dtype=torch.float64)
    assert matched(p, torch.tensor([0, 0, 0, 1]), 0.8).tolist() == [True, False, False, True]
    none = torch.zeros(4, dtype=torch.bool)
    q = torch.tensor([[0.8, 0.2], [0.95, 0.05], [0.2, 0.8], [0.1, 0.9]], dtype=torch.float64)
    assert agreed(p, q, none, tau=0.7, fill=0.5).tolist() == [
        False,
        True,
        False,
        True,
    ]  # means 0.85, 0.875, 0.85, 0.925
    assert agreed(p, q, none, tau=0.8, fill=1.0).tolist() == [False, False, False, True]  # each must be sure, strictly
    assert not agreed(p, 1 - q, none, tau=0.5, fill=1.0).any()  # they name different classes
    taken = torch.tensor([True, True, False, False])
    assert agreed(p, q, taken, tau=0.5, fill=0.75).tolist() == [False, False, False, True]
    assert not agreed(p, q, taken, tau=0.5, fill=0.5).any() and not agreed(p, q, taken, tau=0.5, fill=0.0).any()


def test_an_empty_part_gives_a_finite_loss_and_gradient(blobs, spy):
    samples, _ = blobs(12)
    net, x = TwoHeads(shared, 3), samples.plain(torch.arange(12))
    prior = torch.full((3,), 1 / 3)
    nobody = torch.zeros(12, dtype=torch.bool)
    seen = [net(x), net(x)]
    for chosen in (nobody, ~nobody):
        loss = labelled_loss(net, seen, x, samples.labels, chosen, prior, spy(12), alpha=0.8, ramp=1.0)
        loss = loss + unlabelled_loss(seen, ~chosen, prior, alpha=0.8, ramp=1.0, temp=0.5)
        gradients = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
        assert loss.isfinite() and all(g.isfinite().all() for g in gradients)


@pytest.mark.parametrize(("rho", "tau"), [(1.0, 0.999), (0.01, 0.999999)])
def test_runs_when_all_or_hardly_any_are_chosen(blobs, spy, rho, tau):
    samples, _ = blobs(60)
    session = spy(60)
    trained = promix(samples, shared, session, epochs=6, batch=4, rho=rho, tau=tau)
    assert trained.logits(samples).isfinite().all() and np.isfinite([step.loss for step in session.steps]).all()


def test_schedules_of_the_paper_at_600_epochs_and_in_proportion_below():
    assert unlabelled_weight(50, 600, 0.1) == pytest.approx(0.05) and unlabelled_weight(99, 600, 0.1) == pytest.approx(
        0.099
    )
    assert unlabelled_weight(100, 600, 0.1) == 0 and unlabelled_weight(1, 6, 0.1) == pytest.approx(0.05)


def test_rho_leaves_room_below_the_right_labels():
    assert (
        chosen_rho(0.18) == pytest.approx(0.64) and chosen_rho(0.40) == 0.5 and chosen_rho(0.45) == pytest.approx(0.495)
    )
    noise = np.linspace(0, 0.9, 91)
    rho = np.array([chosen_rho(x) for x in noise])
    assert (rho <= 0.9 * (1 - noise) + 1e-12).all() and (np.diff(rho) <= 1e-12).all()
    assert chosen_rho(0.4, short=True) == pytest.approx(0.54)
    assert [chosen_rho(x, head=True) for x in (0, 0.17, 0.4)] == pytest.approx([1, 0.83, 0.6])  # all right labels


def test_quotas_follow_what_the_networks_confirm_only_where_a_class_would_be_taken_whole():
    few, many = np.repeat([0, 1], [30, 50]), np.repeat([0, 1], [30, 90])
    assert quotas(few, few, 2, 0.5) == "balanced"
    assert quotas(np.repeat([0, 1], 40), few[:80], 5, 0.5) == "balanced"  # classes without examples do not count
    np.testing.assert_allclose(quotas(many, many, 2, 0.6), [30, 90])
    said = np.where(np.arange(120) < 80, many, 0)  # 30 labels of the first class and 50 of the other
    np.testing.assert_allclose(quotas(many, said, 2, 0.6), [120 * 30 / 80, 120 * 50 / 80])
    np.testing.assert_allclose(quotas(many, 1 - many * 0, 2, 0.6), [15, 120])  # a class that is never said keeps half
    np.testing.assert_allclose(quotas(many, many + 2, 2, 0.6), [15, 45])


def test_finds_wrong_labels_and_says_what_it_chose(blobs, spy):
    samples, wrong = blobs(400)
    trained = promix(samples, shared, spy(400), epochs=20, batch=40, lr=0.1)
    assert trained.p_wrong[wrong].mean() > 0.8 and trained.p_wrong[~wrong].mean() < 0.2
    assert trained.settings["noise"] == pytest.approx(wrong.mean(), abs=0.1)
    assert (
        trained.settings["rho"] == chosen_rho(trained.settings["noise"], head=True) and trained.settings["tau"] == 0.99
    )
    assert trained.settings["memory"] == pytest.approx(1 - 11.7 / 200)  # 1 - 11.7 / 117,000 in the paper's run
    told = promix(samples, shared, spy(400), epochs=2, batch=40, noise=0.1, tau=0.8)
    assert told.settings["noise"] == pytest.approx(0.1) and told.settings["tau"] == 0.8


def test_a_network_without_parts_is_refused_unless_no_second_head_is_asked_for(blobs, spy):
    samples, _ = blobs(60)

    def opaque(k):
        return nn.Linear(5, k)

    with pytest.raises(UserError, match="features"):
        promix(samples, opaque, spy(60), epochs=2)
    assert promix(samples, opaque, spy(60), epochs=3, batch=20, challenge=True).logits(samples).isfinite().all()


@pytest.mark.parametrize("challenge", [False, True])
def test_a_killed_run_goes_on(blobs, survives_a_kill, challenge):
    samples, _ = blobs(80)
    survives_a_kill(
        lambda session: promix(samples, shared, session, epochs=8, batch=16, challenge=challenge), samples, 5
    )
