"""Mixup: train on pairs of examples mixed in one, with both labels in the same proportion.

Paper: Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: beyond empirical risk minimization", ICLR 2018, section 3.4 on wrong labels.
Good at: random noise, if trained long. Bad at: short training.
Numbers: alpha 32, the largest of the paper's values for wrong labels and that of dynamic bootstrapping.
Differs: a mixed input has two labels, so the record of training dynamics comes from an evaluation pass after each epoch.
Cost: as `standard`, and one forward pass more for the record.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn, optim

from labelsieve.losses import draw_pairs, mixed_cross_entropy
from labelsieve.losses import mixup as mixed
from labelsieve.robust.trained import Trained
from labelsieve.train.samples import Samples, logits
from labelsieve.train.session import Session

# Looked at: planted noise in features of Fashion-MNIST, Banking77 and AG News, human labels of NoisyAG, held-out labels of CIFAR-10N.
FEATURES = {"epochs": 15, "lr": 3.0, "weight_decay": 1e-5}


def mixup(
    samples: Samples,
    network: Callable[[int], nn.Module],
    session: Session,
    *,
    alpha: float = 32.0,
    epochs: int = 200,
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    batch: int = 128,
) -> Trained:
    """Train one network on mixed pairs; alpha is that of the Beta distribution of the proportion."""
    net = network(samples.classes)
    optimiser = optim.SGD(net.parameters(), lr, momentum, weight_decay=weight_decay)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in session.epochs(epochs, net=net, optimiser=optimiser, schedule=schedule):
        net.train()
        for rows in samples.batches(batch, session.generator):
            share, partner = draw_pairs(len(rows), alpha, session.numpy)
            x = mixed(samples.weak(rows, session.generator), partner, share)
            loss = mixed_cross_entropy(net(x), samples.labels[rows], partner, share).mean()
            session.step(loss, optimiser)
        schedule.step()
        everyone = torch.arange(len(samples), device=samples.labels.device)
        session.record(everyone, logits(net, samples), samples.labels)
    return Trained((net,))
