"""Piecewise-zero loss after some epochs of cross-entropy: labels that the network finds too improbable teach it nothing.

Paper: Pellegrino, Szczecina, Fieguth, "Hard samples, bad labels: robust loss functions that know when to back off", arXiv 2511.16512.
Needs: nothing but labels; the delay is essential (losses/piecewise_zero.py says why).
Good at: wrong labels that look nothing like their class, short training. Bad at: a rare class, which can fall below c as a whole and
    vanish: the share that still teaches, of all examples and of the worst-off class, is told every epoch.
Numbers: c 0.1 and a delay of 4 epochs are from the authors' grids; what the paper settles on we do not know. Ten epochs of Adam,
    batch 64, the rate a tenth after every five epochs, as in their experiments on CIFAR-10. Longer runs stretch delay and drop.
Differs: Adam 1e-3, not 1e-4: they start from ImageNet weights.
Cost: that of cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn, optim

from labelsieve.losses import cross_entropy
from labelsieve.losses import piecewise_zero as from_c_on
from labelsieve.losses.piecewise_zero import surviving
from labelsieve.robust.trained import Trained
from labelsieve.train.samples import Samples
from labelsieve.train.session import Session

# Looked at: planted noise in features of Fashion-MNIST, Banking77 and AG News, human labels of NoisyAG, held-out labels of CIFAR-10N.
FEATURES: dict[str, Any] = {"epochs": 15, "lr": 3.0, "momentum": 0.9, "batch": 128}


def piecewise_zero(
    samples: Samples,
    network: Callable[[int], nn.Module],
    session: Session,
    *,
    c: float | None = None,
    delay: int | None = None,
    epochs: int = 10,
    lr: float = 1e-3,
    momentum: float | None = None,
    drop: int | None = None,
    batch: int = 64,
) -> Trained:
    """Train with -ln p_y where p_y >= c, 0 elsewhere; zeroed examples stay in the mean.

    Args:
        c: 0 is cross-entropy; None is 1 / K, what guessing gives, at most 0.1.
        delay: epochs of cross-entropy before; None is four tenths of them.
        momentum: None is Adam, a number SGD with that much of it, the other optimiser of their experiments (lr 1e-2, 0.9).
        drop: epochs after which the learning rate is divided by ten, again and again; None is half of them.
    """
    c = min(0.1, 1 / samples.classes) if c is None else c
    delay = round(0.4 * epochs) if delay is None else delay
    net = network(samples.classes)
    weights = net.parameters()
    optimiser = optim.Adam(weights, lr) if momentum is None else optim.SGD(weights, lr, momentum)
    schedule = optim.lr_scheduler.StepLR(optimiser, max(1, epochs // 2) if drop is None else drop)
    alive = torch.ones(len(samples), dtype=torch.bool, device=samples.labels.device)
    for epoch in session.epochs(epochs, net=net, optimiser=optimiser, schedule=schedule, alive=alive):
        net.train()
        for rows in samples.batches(batch, session.generator):
            labels = samples.given(rows)
            logits = net(samples.weak(rows, session.generator))
            if epoch < delay:
                loss = cross_entropy(logits, labels)
            else:
                loss = from_c_on(logits, labels, c=c)
                alive[rows] = surviving(logits, labels, c=c)
            session.step(loss.mean(), optimiser)
            session.record(rows, logits, labels)
        schedule.step()
        session.log(teaching=alive.float().mean().item(), teaching_worst_class=_worst(alive, samples.labels, samples.classes))
    return Trained((net,), {"c": c, "delay": delay, "left_out": 1 - alive.float().mean().item()}, (~alive).cpu().double().numpy())


def _worst(alive: Tensor, labels: Tensor, classes: int) -> float:
    """The smallest share of a class that still teaches."""
    there, left = (torch.bincount(y, minlength=classes) for y in (labels, labels[alive]))
    return (left[there > 0] / there[there > 0]).min().item()
