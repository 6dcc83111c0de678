"""Generalised cross-entropy: a loss with less weight on labels that look improbable, after some epochs of plain
cross-entropy.

Paper: Zhang and Sabuncu, "Generalized cross entropy loss for training deep neural networks with noisy labels", NeurIPS
    2018.
Good at: random noise. Bad at: confused look-alike classes.
Numbers: the paper's q 0.7 and batch 128.
Differs: the paper uses its loss from the start, at a rate of 0.01 that falls in two steps over 120 epochs. Small
    networks then lost accuracy on clean labels, and more on look-alikes in short runs, and heads on features lost with
    many classes. Here the first fifth of the run is cross-entropy, and the recipe is that of
    `standard`. The truncated form, whose pruning costs a pass over the data every ten epochs, is left out.
Cost: as `standard`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn, optim

from labelsieve.core.loss_defaults import DELAY_OF_GCE, Q
from labelsieve.engine.many_heads import Recipe, cosine_rates
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.engine.trained import Trained
from labelsieve.losses import cross_entropy
from labelsieve.losses import gce as generalised
from labelsieve.stats import loss_weights

# Chosen on: photographs, clothes, digits and texts, without noise and with planted noise of 0.1 and 0.4. Ten times the
# decay costs half a point if few labels are wrong, twice the rate up to five on a thousand photographs.
FEATURES = {"epochs": 30, "lr": 3.0, "weight_decay": 1e-6}


def gce(
    samples: Samples,
    network: Callable[[int], nn.Module],
    session: Session,
    *,
    q: float = Q,
    delay: int | None = None,
    epochs: int = 200,
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    batch: int = 128,
) -> Trained:
    """Train one network with L_q.

    Args:
        q: 0 is cross-entropy, 1 the mean absolute error.
        delay: epochs of cross-entropy at the start; None is a fifth of all epochs.
    """
    delay = _delay(delay, epochs)
    net = network(samples.classes)
    optimiser = optim.SGD(net.parameters(), lr, momentum, weight_decay=weight_decay)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for epoch in session.epochs(epochs, net=net, optimiser=optimiser, schedule=schedule):
        net.train()
        for rows in samples.batches(batch, session.generator):
            labels = samples.given(rows)
            logits = net(samples.weak(rows, session.generator))
            loss = cross_entropy(logits, labels) if epoch < delay else generalised(logits, labels, q=q)
            session.step(loss.mean(), optimiser)
            session.record(rows, logits, labels)
        schedule.step()
    return Trained((net,), {"delay": delay})


def recipe(samples: Samples, seeds: int, settings: Mapping[str, Any]) -> Recipe:
    """The same method for linear heads of several seeds that train together with others."""
    delay = _delay(settings["delay"], settings["epochs"])

    def weight(p_y: Tensor, epoch: int) -> Tensor:
        return loss_weights.cross_entropy(p_y) if epoch < delay else loss_weights.gce(p_y, settings["q"])

    rates = cosine_rates(settings["lr"], settings["epochs"])
    return Recipe(rates, settings["momentum"], settings["weight_decay"], weight)


def _delay(delay: int | None, epochs: int) -> int:
    return round(DELAY_OF_GCE * epochs) if delay is None else delay
