"""Blurry loss: it backs off from labels that the network finds improbable, after some epochs of cross-entropy.

Paper: Pellegrino, Szczecina, Fieguth, "Hard samples, bad labels: robust loss functions that know when to back off",
    arXiv 2511.16512.
Needs: nothing but labels; the delay is essential (losses/blurry.py says why).
Good at: random and confused labels once a network would fit them; no worse on clean ones. Bad at: short training of
    what is hard to learn; the printed form pushes away from labels with p_y < exp(-1/gamma), hard right ones too.
Numbers: the authors' grid of gamma goes from 0.1 to 0.6; the paper does not say which value it uses. With 0.5, which
    their plots show, small networks lost accuracy on clean labels, and more with wrong ones; with 0.2 they lost little.
    The delay is 4 of 10 epochs.
Differs: they train ResNets with ImageNet weights for ten epochs (Adam 1e-4, a tenth after five); a network without
    pretrained weights uses the recipe of `standard`. `detached` treats the factor p^gamma as a constant, as one of
    their revisions does: that is GCE with q = gamma.
Cost: that of cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn, optim

from labelsieve.core.loss_defaults import delay_to_classify, gamma_to_classify
from labelsieve.engine.many_heads import Recipe, cosine_rates
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.engine.trained import Trained
from labelsieve.losses import blurry as printed
from labelsieve.losses import blurry_detached, cross_entropy
from labelsieve.stats import loss_weights

# Chosen on: planted noise in features of Fashion-MNIST, Banking77 and AG News, human labels of NoisyAG, held-out labels
# of CIFAR-10N.
FEATURES: dict[str, Any] = {"epochs": 15, "lr": 3.0, "weight_decay": 0.0}


def blurry(
    samples: Samples,
    network: Callable[[int], nn.Module],
    session: Session,
    *,
    gamma: float | None = None,
    delay: int | None = None,
    detached: bool = False,
    epochs: int = 200,
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    batch: int = 128,
) -> Trained:
    """Train with -p_y^gamma ln p_y.

    There are many parameters because each is a number of the paper or of its optimiser.

    Args:
        gamma: 0 is cross-entropy; None is 0.2, or 1 / (2 ln K) with more than twelve classes: it pushes away where p_y
            < 1 / K^2.
        delay: epochs of cross-entropy at the start; None is four tenths of all epochs.
        detached: the factor p_y^gamma gets no gradient.
    """
    gamma, delay = _chosen(gamma, delay, epochs, samples.classes)
    net = network(samples.classes)
    optimiser = optim.SGD(net.parameters(), lr, momentum, weight_decay=weight_decay)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    late = blurry_detached if detached else printed
    for epoch in session.epochs(epochs, net=net, optimiser=optimiser, schedule=schedule):
        net.train()
        for rows in samples.batches(batch, session.generator):
            labels = samples.given(rows)
            logits = net(samples.weak(rows, session.generator))
            loss = cross_entropy(logits, labels) if epoch < delay else late(logits, labels, gamma=gamma)
            session.step(loss.mean(), optimiser)
            session.record(rows, logits, labels)
        schedule.step()
    return Trained((net,), {"gamma": gamma, "delay": delay})


def recipe(samples: Samples, seeds: int, settings: Mapping[str, Any]) -> Recipe:
    """The same method for linear heads of several seeds that train together with others."""
    gamma, delay = _chosen(settings["gamma"], settings["delay"], settings["epochs"], samples.classes)
    late = loss_weights.gce if settings["detached"] else loss_weights.blurry

    def weight(p_y: Tensor, epoch: int) -> Tensor:
        return loss_weights.cross_entropy(p_y) if epoch < delay else late(p_y, gamma)

    rates = cosine_rates(settings["lr"], settings["epochs"])
    return Recipe(rates, settings["momentum"], settings["weight_decay"], weight)


def _chosen(gamma: float | None, delay: int | None, epochs: int, classes: int) -> tuple[float, int]:
    gamma = gamma_to_classify(classes) if gamma is None else gamma
    return gamma, delay_to_classify(epochs) if delay is None else delay
