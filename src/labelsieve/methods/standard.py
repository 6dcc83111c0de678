"""Plain cross-entropy: the baseline for every robust method.

Recipe: SGD with momentum, weight decay, random crop and flip, one cosine from `lr` to zero; the usual one for ResNets
    on small images.
Good at: clean labels. Bad at: wrong labels, which it fits in the end.
Cost: one forward and one backward pass per example and epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn, optim

from labelsieve.engine.many_heads import Recipe, cosine_rates
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.engine.trained import Trained
from labelsieve.losses import cross_entropy
from labelsieve.stats import loss_weights

# Chosen on: features of Fashion-MNIST, Banking77, AG News, photos and digits with their true labels, which it is made
# for.
FEATURES = {"epochs": 15, "lr": 3.0, "weight_decay": 1e-5}


def standard(
    samples: Samples,
    network: Callable[[int], nn.Module],
    session: Session,
    *,
    epochs: int = 200,
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    batch: int = 128,
) -> Trained:
    """Train one network on the given labels."""
    net = network(samples.classes)
    optimiser = optim.SGD(net.parameters(), lr, momentum, weight_decay=weight_decay)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in session.epochs(epochs, net=net, optimiser=optimiser, schedule=schedule):
        net.train()
        for rows in samples.batches(batch, session.generator):
            labels = samples.given(rows)
            logits = net(samples.weak(rows, session.generator))
            loss = cross_entropy(logits, labels).mean()
            session.step(loss, optimiser)
            session.record(rows, logits, labels)
        schedule.step()
    return Trained((net,))


def recipe(samples: Samples, seeds: int, settings: Mapping[str, Any]) -> Recipe:
    """The same method for linear heads of several seeds that train together with others."""
    rates = cosine_rates(settings["lr"], settings["epochs"])
    weight = lambda p_y, epoch: loss_weights.cross_entropy(p_y)  # noqa: E731
    return Recipe(rates, settings["momentum"], settings["weight_decay"], weight)
