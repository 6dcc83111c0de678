"""Piecewise-zero loss: labels that look too improbable are ignored, after some epochs of cross-entropy.

Paper: Pellegrino, Szczecina, Fieguth, "Hard samples, bad labels: robust loss functions that know when to back off",
    arXiv 2511.16512.
Needs: nothing but labels; the delay is essential (losses/piecewise_zero.py says why).
Good at: wrong labels that look nothing like their class, once a network would fit them; no worse on clean ones. Bad at:
    short training of what is hard to learn; a rare class, which can fall below c as a whole and vanish. The share of
    examples that still contribute, of all examples and of the worst class, is logged every epoch.
Numbers: c 0.1 and a delay of 4 epochs of 10 are from the authors' grids; the paper does not say which values it uses.
    With c 0.2 small networks gained more in long runs and lost in short ones. Linear heads on features, which memorise
    little, use twice the c: with many wrong labels they gained more.
Differs: they train ResNets with ImageNet weights for ten epochs (Adam 1e-4, a tenth after five); a network without
    pretrained weights uses the recipe of `standard`, with which small networks lost less on clean labels than with
    Adam.
Cost: that of cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn, optim

from labelsieve.core.loss_defaults import c_to_classify, delay_to_classify
from labelsieve.engine.many_heads import Recipe, cosine_rates
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.engine.trained import Trained
from labelsieve.losses import cross_entropy
from labelsieve.losses import piecewise_zero as zero_below_c
from labelsieve.losses.piecewise_zero import surviving
from labelsieve.stats import loss_weights

# Chosen on: photographs, clothes, digits and texts, without noise and with planted noise of 0.1 and 0.4.
FEATURES: dict[str, Any] = {"epochs": 15, "lr": 4.0, "weight_decay": 0.0}


def piecewise_zero(
    samples: Samples,
    network: Callable[[int], nn.Module],
    session: Session,
    *,
    c: float | None = None,
    delay: int | None = None,
    epochs: int = 200,
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    batch: int = 128,
) -> Trained:
    """Train with -ln p_y where p_y >= c, 0 elsewhere; zeroed examples stay in the mean.

    Args:
        c: 0 is cross-entropy; None is 1 / K, the probability by guessing, at most 0.1, and twice as much on features.
        delay: epochs of cross-entropy at the start; None is four tenths of all epochs.
    """
    c, delay = _chosen(c, delay, epochs, samples)
    net = network(samples.classes)
    optimiser = optim.SGD(net.parameters(), lr, momentum, weight_decay=weight_decay)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    alive = torch.ones(len(samples), dtype=torch.bool, device=samples.labels.device)
    for epoch in session.epochs(epochs, net=net, optimiser=optimiser, schedule=schedule, alive=alive):
        net.train()
        for rows in samples.batches(batch, session.generator):
            labels = samples.given(rows)
            logits = net(samples.weak(rows, session.generator))
            if epoch < delay:
                loss = cross_entropy(logits, labels)
            else:
                loss = zero_below_c(logits, labels, c=c)
                alive[rows] = surviving(logits, labels, c=c)
            session.step(loss.mean(), optimiser)
            session.record(rows, logits, labels)
        schedule.step()
        session.log(
            teaching=alive.float().mean().item(), teaching_worst_class=_worst(alive, samples.labels, samples.classes)
        )
    return Trained(
        (net,), {"c": c, "delay": delay, "left_out": 1 - alive.float().mean().item()}, (~alive).cpu().double().numpy()
    )


def recipe(samples: Samples, seeds: int, settings: Mapping[str, Any]) -> Recipe:
    """The same method for linear heads of several seeds that train together with others."""
    c, delay = _chosen(settings["c"], settings["delay"], settings["epochs"], samples)

    def weight(p_y: Tensor, epoch: int) -> Tensor:
        return loss_weights.cross_entropy(p_y) if epoch < delay else loss_weights.piecewise_zero(p_y, c)

    rates = cosine_rates(settings["lr"], settings["epochs"])
    return Recipe(rates, settings["momentum"], settings["weight_decay"], weight)


def _chosen(c: float | None, delay: int | None, epochs: int, samples: Samples) -> tuple[float, int]:
    c = c_to_classify(samples.classes, features=not samples.are_images) if c is None else c
    return c, delay_to_classify(epochs) if delay is None else delay


def _worst(alive: Tensor, labels: Tensor, classes: int) -> float:
    """The smallest share of examples of any class that still contribute."""
    sizes, left = (torch.bincount(y, minlength=classes) for y in (labels, labels[alive]))
    return (left[sizes > 0] / sizes[sizes > 0]).min().item()
