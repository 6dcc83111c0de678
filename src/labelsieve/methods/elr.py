"""Early-learning regularisation: the network is pulled towards its predictions from before it began to memorise.

Paper: Liu et al., "Early-learning regularization prevents memorization of noisy labels", NeurIPS 2020. Every example
    has a running mean t of its predictions; ln(1 - <t, p>) pulls p towards it, which compensates the pull of a wrong
    label.
Needs: memory of n x K floats.
Good at: all kinds of noise at moderate rates, at the price of cross-entropy; asymmetric noise too. Bad at: a strength
    that does not fit the data: too large keeps early mistakes, too small memorises late.
Numbers: 150 epochs of SGD 0.02, weight decay 1e-3, cosine restarts every ten epochs down to 1e-3. Of the paper's
    settings for CIFAR, images use those for asymmetric noise (beta 0.9, strength 1), which is closer to human errors:
    on small networks it gained with confused look-alikes, where the setting for symmetric noise (0.7, 3) lost; with
    half of the labels replaced that one gained more. Features use 0.7 and 3. More than 50 classes use
    CIFAR-100's 0.9 and 7 (there with drops of the rate to 1/100 instead).
Differs: beta and strength are chosen by kind of data and number of classes, because a user cannot know them. Not ELR+.
Cost: that of cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn, optim

from labelsieve.engine.many_heads import Recipe, cosine_rates
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.engine.trained import Trained
from labelsieve.losses import elr as elr_loss
from labelsieve.losses import elr_pull, remember, remember_probabilities
from labelsieve.stats import loss_weights

# Chosen on: planted noise in features of Fashion-MNIST, Banking77 and AG News, human labels of NoisyAG, held-out labels
# of CIFAR-10N.
FEATURES: dict[str, Any] = {"epochs": 20, "lr": 6.0, "lowest": 0.3, "weight_decay": 0.0}


def elr(
    samples: Samples,
    network: Callable[[int], nn.Module],
    session: Session,
    *,
    beta: float | None = None,
    strength: float | None = None,
    lowest: float = 1e-3,
    cycle: int = 10,
    epochs: int = 150,
    lr: float = 0.02,
    momentum: float = 0.9,
    weight_decay: float = 1e-3,
    batch: int = 128,
) -> Trained:
    """Train with cross-entropy + strength * ln(1 - <t, p>).

    There are many parameters because each is a number of the paper or of its optimiser.

    Args:
        beta: momentum of t; None is 0.9, on features 0.7 (with more than 50 classes always 0.9).
        strength: how strongly p is pulled towards t; None is 1, on features 3, with more than 50 classes 7.
        lowest, cycle: the learning rate falls to `lowest` along a cosine and restarts every `cycle` epochs.
    """
    beta, strength = _chosen(beta, strength, samples)
    net = network(samples.classes)
    optimiser = optim.SGD(net.parameters(), lr, momentum, weight_decay=weight_decay)
    schedule = optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, cycle, eta_min=lowest)
    memory = torch.zeros(len(samples), samples.classes, device=samples.labels.device)
    for _ in session.epochs(epochs, net=net, optimiser=optimiser, schedule=schedule, memory=memory):
        net.train()
        for rows in samples.batches(batch, session.generator):
            labels = samples.given(rows)
            logits = net(samples.weak(rows, session.generator))
            remembered = remember(memory, rows, logits, beta=beta)
            session.step(elr_loss(logits, labels, remembered, strength=strength).mean(), optimiser)
            session.record(rows, logits, labels)
        schedule.step()
        session.log(agree=(memory.argmax(1) == samples.labels).float().mean().item())
    t, given = memory.cpu().double(), samples.labels.cpu()
    whole = t.sum(1)  # 1 - beta^epochs; 0 for an example that was in no batch and is therefore not doubted
    p_wrong = torch.where(whole > 0, 1 - t.gather(1, given[:, None])[:, 0] / whole, 0.0)
    return Trained((net,), {"beta": beta, "strength": strength}, p_wrong.numpy())


def recipe(samples: Samples, seeds: int, settings: Mapping[str, Any]) -> Recipe:
    """The same method for linear heads of several seeds that train together with others."""
    beta, strength = _chosen(settings["beta"], settings["strength"], samples)
    memory = torch.zeros(seeds * len(samples), samples.classes, device=samples.labels.device)

    def pull(p: Tensor, rows: Tensor) -> Tensor:
        return strength * elr_pull(p, remember_probabilities(memory, rows, p, beta=beta))

    rates = cosine_rates(settings["lr"], settings["epochs"], lowest=settings["lowest"], cycle=settings["cycle"])
    weight = lambda p_y, epoch: loss_weights.cross_entropy(p_y)  # noqa: E731
    return Recipe(rates, settings["momentum"], settings["weight_decay"], weight, pull)


def _chosen(beta: float | None, strength: float | None, samples: Samples) -> tuple[float, float]:
    usual = (0.9, 7.0) if samples.classes > 50 else (0.9, 1.0) if samples.are_images else (0.7, 3.0)
    return usual[0] if beta is None else beta, usual[1] if strength is None else strength
