"""Generalised cross-entropy: a loss that pays less for labels the network finds unlikely.

Paper: Zhang and Sabuncu, "Generalized cross entropy loss for training deep neural networks with noisy labels", NeurIPS 2018.
Good at: random noise, few classes. Bad at: many classes and short runs, where it under-fits; a small network trained for 150 epochs lost 1
    to 2.4 points on clean labels.
Numbers: the paper's: q 0.7, lr 0.01 divided by ten after one and after two thirds of 120 epochs, weight decay 1e-4, batch 128.
Differs: without the truncated form, whose pruning costs a pass over the data every ten epochs.
Cost: as `standard`.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn, optim

from labelsieve.losses import gce as gce_loss
from labelsieve.robust.trained import Trained
from labelsieve.train.samples import Samples
from labelsieve.train.session import Session

# Looked at: planted noise in features of Fashion-MNIST, Banking77 and AG News, human labels of NoisyAG, held-out labels of CIFAR-10N.
FEATURES = {"epochs": 30, "lr": 15.0, "weight_decay": 1e-5}


def gce(
    samples: Samples,
    network: Callable[[int], nn.Module],
    session: Session,
    *,
    q: float = 0.7,
    epochs: int = 120,
    lr: float = 0.01,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    batch: int = 128,
) -> Trained:
    """Train one network with L_q; q = 0 is cross-entropy, 1 the mean absolute error."""
    net = network(samples.classes)
    optimiser = optim.SGD(net.parameters(), lr, momentum, weight_decay=weight_decay)
    schedule = optim.lr_scheduler.MultiStepLR(optimiser, [-(-epochs // 3), -(-2 * epochs // 3)])  # rounded up
    for _ in session.epochs(epochs, net=net, optimiser=optimiser, schedule=schedule):
        net.train()
        for rows in samples.batches(batch, session.generator):
            labels = samples.given(rows)
            logits = net(samples.weak(rows, session.generator))
            loss = gce_loss(logits, labels, q=q).mean()
            session.step(loss, optimiser)
            session.record(rows, logits, labels)
        schedule.step()
    return Trained((net,))
