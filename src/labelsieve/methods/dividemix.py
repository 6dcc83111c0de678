"""DivideMix: each of two networks splits the data for the other into labelled and unlabelled, and MixMatch trains on
both.

Paper: Li, Socher, Hoi, "DivideMix: learning with noisy labels as semi-supervised learning", ICLR 2020.
Needs: a warm-up in which the losses separate.
Good at: heavy symmetric noise; images. Bad at: asymmetric noise with a large lambda_u; very heavy noise, where runs
    differ; short training times.
Numbers: CIFAR: 300 epochs, SGD 0.02, weight decay 5e-4, the rate falls tenfold at half of the run, warm-up 10 (never
    more than a third of the run), batch 64, T = 0.5, Beta(4, 4), p > 0.5 is labelled.
Differs: lambda_u follows the true noise there (0, 25, 50, 150). Here it follows the estimated share of wrong labels:
    `noise`, else the off-diagonal share of the confident joint at the end of the warm-up, or zero if the networks
    differ from the labels hardly more often than from each other. Below 2.5 % the warm-up never ends, because clean
    labels need no division. If nothing is labelled, the epoch is a warm-up; if nothing is unlabelled, only the labelled
    part is used. Losses are averaged over five epochs from an estimated 0.8 on; they do so at 90 % (0.81 wrong). The
    threshold stays (0.6 there). The warm-up has no entropy penalty, which they add if they know that the noise is
    asymmetric. On features the probabilities of right labels are `held`.
Cost: about eight times that of cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from labelsieve.engine.samples import Samples, logits
from labelsieve.engine.session import Session
from labelsieve.engine.trained import Trained
from labelsieve.losses import cross_entropy, draw_pairs, mixup, sharpen
from labelsieve.losses.softmax import log_probabilities
from labelsieve.stats.confident_joint import confident_joint
from labelsieve.stats.mixture import fit_gaussian
from labelsieve.stats.odds_shift import odds_shift, shifted

# Chosen on: photographs, clothes, digits and texts, with no noise and with planted and human noise of 0.1 and 0.4. If
# few labels are wrong, the mixture doubts twice as many; and strong mixing hurts linear heads. So `held` and a small
# alpha are used, each worth half a point to one.
FEATURES: dict[str, Any] = {
    "epochs": 20,
    "warmup": 5,
    "lr": 6.0,
    "weight_decay": 1e-6,
    "batch": 128,
    "alpha": 0.5,
    "held": True,
}
REMEMBERED = 5  # epochs whose losses are kept
HEAVY = 0.8
GUARD = 0.025  # as for dynamic bootstrapping: without wrong labels, 0.004 to 0.033 was measured
RAMP = 16  # epochs


def dividemix(
    samples: Samples,
    network: Callable[[int], nn.Module],
    session: Session,
    *,
    epochs: int = 300,
    warmup: int = 10,
    lr: float = 0.02,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    batch: int = 64,
    threshold: float = 0.5,
    temp: float = 0.5,
    alpha: float = 4.0,
    lambda_u: float | None = None,
    held: bool = False,
    noise: float | None = None,
) -> Trained:
    """Train two networks with co-divide, co-guessing and MixMatch.

    Many parameters, because each is a number of the paper or of its optimiser.

    Args:
        warmup: epochs of cross-entropy; the paper uses 30 for CIFAR-100.
        threshold: probability of a right label above which an example counts as labelled.
        temp: temperature with which targets are sharpened.
        alpha: mixup's lambda ~ Beta(alpha, alpha), the larger part.
        lambda_u: weight of the unlabelled part, reached 16 epochs after the warm-up; None follows `noise`.
        held: scale the odds by one factor, so that the mean probability of a wrong label is the noise.
        noise: estimated share of wrong labels, from which lambda_u is chosen; None estimates it after the warm-up.
    """
    warmup = min(warmup, max(1, epochs // 3))
    nets = tuple(network(samples.classes) for _ in range(2))
    optimisers = [torch.optim.SGD(net.parameters(), lr, momentum, weight_decay=weight_decay) for net in nets]
    schedules = [torch.optim.lr_scheduler.MultiStepLR(optimiser, [epochs // 2]) for optimiser in optimisers]
    losses, right = torch.zeros(2, REMEMBERED, len(samples)), torch.ones(2, len(samples))
    share = torch.tensor([-1.0 if noise is None else noise])
    state = {
        "a": nets[0],
        "b": nets[1],
        "opt_a": optimisers[0],
        "opt_b": optimisers[1],
        "lr_a": schedules[0],
        "lr_b": schedules[1],
    }
    for epoch in session.epochs(epochs, losses=losses, share=share, right=right, **state):
        if epoch >= warmup:
            update_splits(nets, samples, session, losses, right, share, held=held)
        weight = chosen_lambda(share.item(), samples.classes) if lambda_u is None else lambda_u
        for k in range(2):
            believed = right[1 - k].to(samples.labels.device)  # the other's split
            # batch normalisation needs two examples
            if epoch < warmup or share.item() < GUARD or (believed > threshold).sum() < 2:
                _warm_up(samples, nets[k], optimisers[k], session, 2 * batch, record=k == 0)
                continue
            for at, x, px, u, pu in _guessed_together(
                nets[k], nets[1 - k], samples, believed, session, threshold, temp, batch
            ):
                ramp = min(max((epoch + at - warmup) / RAMP, 0), 1)
                session.step(mixmatch(nets[k], x, px, u, pu, session, alpha=alpha, weight=weight * ramp), optimisers[k])
        for schedule in schedules:
            schedule.step()
        session.log(clean=float((right > threshold).float().mean()))
    weight = chosen_lambda(share.item(), samples.classes) if lambda_u is None else lambda_u
    return Trained(
        nets, {"noise": share.item(), "lambda_u": weight, "warmup": warmup}, 1 - right.mean(0).double().numpy()
    )


def update_splits(
    nets: tuple[nn.Module, ...],
    samples: Samples,
    session: Session,
    losses: Tensor,
    right: Tensor,
    share: Tensor,
    *,
    held: bool,
) -> None:
    """Add the losses of plain predictions to `losses` (2, epochs, n), and update `right` (2, n) and, if still unknown,
    `share`."""
    predicted = torch.stack([logits(net, samples) for net in nets])
    session.record(torch.arange(len(samples)), predicted.mean(0), samples.labels)
    losses.copy_(losses.roll(1, 1))
    losses[:, 0] = torch.stack([cross_entropy(z, samples.labels) for z in predicted]).cpu()
    if share.item() < 0:
        share.fill_(share_wrong(predicted, samples.labels))
    if share.item() >= GUARD:
        wrong = share.item() if held else None
        right.copy_(torch.stack([right_labels(each, averaged=share.item() >= HEAVY, wrong=wrong) for each in losses]))


def share_wrong(predicted: Tensor, labels: Tensor) -> float:
    """The off-diagonal share of the confident joint of the mean of the logits (2, n, K). It is zero if the networks
    differ from the labels hardly more often than from each other: then the networks err, and the labels may be
    right."""
    classes = predicted.argmax(2)
    if (classes != labels).float().mean() - (classes[0] != classes[1]).float().mean() < GUARD:
        return 0.0
    probs = torch.softmax(predicted.mean(0), 1).cpu().numpy()
    return 1 - float(confident_joint(probs, labels.cpu().numpy()).trace()) / len(labels)


def right_labels(losses: Tensor, *, averaged: bool = False, wrong: float | None = None) -> Tensor:
    """(n,) float32, the probability that each label is right: the lower component of a Gaussian mixture. `wrong` fixes
    the mean of the upper one. Losses (epochs, n), the last epoch first."""
    scaled = (losses - losses.amin(1, keepdim=True)) / (losses.amax(1) - losses.amin(1)).clamp_min(1e-12)[:, None]
    values = (scaled[losses.any(1)].mean(0) if averaged else scaled[0]).numpy()
    mixture = fit_gaussian(values)
    chance = mixture.posterior(values)
    if wrong is not None and mixture.fitted:
        chance = shifted(chance, odds_shift(chance, wrong))
    return torch.from_numpy(1 - chance).float()


def chosen_lambda(noise: float, n_classes: int) -> float:
    """The authors' weight of the unlabelled part for about this noise (share of wrong labels) and number of classes."""
    if n_classes > 50:
        return 150.0 if noise > 0.3 else 25.0
    return 50.0 if noise >= HEAVY else 25.0 if noise > 0.3 else 0.0


def _guessed_together(
    net: nn.Module,
    peer: nn.Module,
    samples: Samples,
    right: Tensor,
    session: Session,
    threshold: float,
    temp: float,
    batch: int,
) -> Iterator[tuple[float, Tensor, Tensor, Tensor, Tensor]]:
    """The batches of an epoch: how far it is (0 to 1), labelled inputs and targets, unlabelled inputs and targets."""
    labelled, unlabelled = (samples.take(part.nonzero()[:, 0]) for part in (right > threshold, right <= threshold))
    unlabelled = unlabelled if len(unlabelled) > 1 else unlabelled.take(torch.arange(0))
    believed, others = right[right > threshold], _endless(unlabelled, batch, session)
    for step, rows in enumerate(labelled.batches(batch, session.generator)):
        x, px = refined(net, labelled, rows, believed[rows], session, temp)
        u, pu = guessed(net, peer, unlabelled, next(others), session, temp)
        yield step * batch / len(labelled), x, px, u, pu


@torch.no_grad()
def refined(
    net: nn.Module, part: Samples, rows: Tensor, right: Tensor, session: Session, temp: float
) -> tuple[Tensor, Tensor]:
    """Two views (2 b, ...) and their targets (2 b, K): the label and the prediction, weighted by the probability that
    the label is right, sharpened."""
    views = [part.weak(rows, session.generator) for _ in range(2)]
    given = nn.functional.one_hot(part.given(rows), part.classes).float()
    target = sharpen(right[:, None] * given + (1 - right)[:, None] * _probabilities(net, views), temp)
    return torch.cat(views), torch.cat([target, target])


@torch.no_grad()
def guessed(
    net: nn.Module, peer: nn.Module, part: Samples, rows: Tensor, session: Session, temp: float
) -> tuple[Tensor, Tensor]:
    """Two views (2 b, ...) and their targets (2 b, K): the sharpened prediction of both networks. `rows` may be
    empty."""
    views = [part.weak(rows, session.generator) for _ in range(2)]
    target = torch.zeros(0, part.classes, device=rows.device)
    if len(rows):
        peer.eval()
        target = sharpen((_probabilities(net, views) + _probabilities(peer, views)) / 2, temp)
        peer.train()
    return torch.cat(views), torch.cat([target, target])


def mixmatch(
    net: nn.Module,
    x: Tensor,
    px: Tensor,
    u: Tensor,
    pu: Tensor,
    session: Session,
    *,
    alpha: float = 4.0,
    weight: float = 0.0,
) -> Tensor:
    """The loss of labelled x (targets px) and unlabelled u (targets pu), all mixed with each other: cross-entropy of
    the labelled part, `weight` times the squared error of the unlabelled part, and KL(uniform || mean prediction)."""
    inputs, targets = torch.cat([x, u]), torch.cat([px, pu])
    lam, partner = draw_pairs(len(inputs), alpha, session.numpy, dominant=True)
    mixed, target = mixup(inputs, partner, lam), mixup(targets, partner, lam)
    out = net(mixed)
    loss = cross_entropy(out[: len(x)], target[: len(x)]).mean()
    if len(u):
        loss = loss + weight * (log_probabilities(out[len(x) :]).exp() - target[len(x) :]).square().mean()
    mean = log_probabilities(out).exp().mean(0).clamp_min(1e-12)
    return loss - (mean * len(mean)).log().mean()


def _warm_up(
    samples: Samples, net: nn.Module, optimiser: torch.optim.Optimizer, session: Session, batch: int, *, record: bool
) -> None:
    for rows in samples.batches(batch, session.generator):
        x, y = samples.weak(rows, session.generator), samples.given(rows)
        z = net(x)
        session.step(cross_entropy(z, y).mean(), optimiser)
        if record:
            session.record(rows, z, y)


def _probabilities(net: nn.Module, views: list[Tensor]) -> Tensor:
    return torch.stack([log_probabilities(net(view)).exp() for view in views]).mean(0)


def _endless(samples: Samples, batch: int, session: Session) -> Iterator[Tensor]:
    """Batches of endless passes over the samples; empty batches if there are no samples."""
    while len(samples):
        yield from samples.batches(batch, session.generator)
    while True:
        yield torch.zeros(0, dtype=torch.int64, device=samples.labels.device)
