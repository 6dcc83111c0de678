"""Blurry loss after some epochs of cross-entropy: backs off from labels that the network finds improbable.

Paper: Pellegrino, Szczecina, Fieguth, "Hard samples, bad labels: robust loss functions that know when to back off", arXiv 2511.16512.
Needs: nothing but labels; the delay is essential (losses/blurry.py says why).
Good at: a small share of random wrong labels, short training. Bad at: many classes; long training; the printed form pushes away from
    labels with p_y < exp(-1/gamma), hard right ones too.
Numbers: gamma 0.5 and a delay of 4 epochs are from the authors' grids; what the paper settles on we do not know. Ten epochs of Adam,
    batch 64, the rate a tenth after every five epochs, as in their experiments on CIFAR-10. Longer runs stretch delay and drop.
Differs: Adam 1e-3, not 1e-4: they start from ImageNet weights. `detached` takes the factor p^gamma as a constant, as one of their
    revisions does: that is GCE with q = gamma.
Cost: that of cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn, optim

from labelsieve.losses import blurry as printed
from labelsieve.losses import blurry_detached, cross_entropy
from labelsieve.robust.trained import Trained
from labelsieve.train.samples import Samples
from labelsieve.train.session import Session

# Looked at: planted noise in features of Fashion-MNIST, Banking77 and AG News, human labels of NoisyAG, held-out labels of CIFAR-10N.
FEATURES: dict[str, Any] = {"gamma": 0.2, "epochs": 15, "lr": 3.0, "momentum": 0.9, "batch": 128}


def blurry(
    samples: Samples,
    network: Callable[[int], nn.Module],
    session: Session,
    *,
    gamma: float = 0.5,
    delay: int | None = None,
    detached: bool = False,
    epochs: int = 10,
    lr: float = 1e-3,
    momentum: float | None = None,
    drop: int | None = None,
    batch: int = 64,
) -> Trained:
    """Train with -p_y^gamma ln p_y.

    Args:
        gamma: 0 is cross-entropy.
        delay: epochs of cross-entropy before; None is four tenths of them.
        detached: the factor p_y^gamma takes no gradient.
        momentum: None is Adam, a number SGD with that much of it, the other optimiser of their experiments (lr 1e-2, 0.9).
        drop: epochs after which the learning rate is divided by ten, again and again; None is half of them.
    """
    delay = round(0.4 * epochs) if delay is None else delay
    net = network(samples.classes)
    weights = net.parameters()
    optimiser = optim.Adam(weights, lr) if momentum is None else optim.SGD(weights, lr, momentum)
    schedule = optim.lr_scheduler.StepLR(optimiser, max(1, epochs // 2) if drop is None else drop)
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
    return Trained((net,))
