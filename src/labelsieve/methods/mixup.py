"""Mixup: train on pairs of examples mixed into one, with both labels in the same proportion.

Paper: Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: beyond empirical risk minimization", ICLR 2018, section 3.4 on wrong
    labels.
Good at: random noise, if trained long. Bad at: short training.
Numbers: alpha 32, the largest of the paper's values for wrong labels and that of dynamic bootstrapping, which needs
    hundreds of epochs; 1, its CIFAR value, on features and in runs of few steps (`losses.mixing.strength`), which
    underfit if nearly all mixtures are half and half.
Differs: a mixed input has two labels, so the record of training dynamics comes from an evaluation pass after each
    epoch.
Cost: as `standard`, and one forward pass more for the record.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn, optim

from labelsieve.engine.samples import Samples, logits
from labelsieve.engine.session import Session
from labelsieve.engine.trained import Trained
from labelsieve.losses import draw_pairs, mixed_cross_entropy
from labelsieve.losses import mixup as mixed
from labelsieve.losses.mixing import strength

# Chosen on: photographs, clothes, digits and texts, with no, planted and human noise of 0.1 and 0.4. Linear heads see
# nearly only half-and-half mixtures if alpha is 32, and underfit: up to three points less if few labels are wrong, up
# to three more if 0.4 are.
FEATURES = {"epochs": 20, "lr": 4.0, "weight_decay": 1e-5, "alpha": 1.0}


def mixup(
    samples: Samples,
    network: Callable[[int], nn.Module],
    session: Session,
    *,
    alpha: float | None = None,
    epochs: int = 200,
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    batch: int = 128,
) -> Trained:
    """Train one network on mixed pairs.

    Args:
        alpha: the proportion of a batch is drawn from Beta(alpha, alpha); None chooses alpha by the length of the run.
    """
    alpha = strength(epochs * len(samples) / batch) if alpha is None else alpha
    net = network(samples.classes)
    optimiser = optim.SGD(net.parameters(), lr, momentum, weight_decay=weight_decay)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in session.epochs(epochs, net=net, optimiser=optimiser, schedule=schedule):
        net.train()
        for rows in samples.batches(batch, session.generator):
            share, partner = draw_pairs(len(rows), alpha, session.numpy)
            x = mixed(samples.weak(rows, session.generator), partner, share)
            loss = mixed_cross_entropy(net(x), samples.given(rows), partner, share).mean()
            session.step(loss, optimiser)
        schedule.step()
        everyone = torch.arange(len(samples), device=samples.labels.device)
        session.record(everyone, logits(net, samples), samples.labels)
    return Trained((net,), {"alpha": alpha})
