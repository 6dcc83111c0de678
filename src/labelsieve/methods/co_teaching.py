"""Co-teaching: two networks, each trained on the examples with a small loss in the other.

Paper: Han et al., "Co-teaching: robust training of deep neural networks with extremely noisy labels", NeurIPS 2018. In
    each batch a network ranks its own losses and passes the smallest 1 - F of them to its peer; F rises from 0 to tau
    within `ramp` epochs.
Needs: an estimate of the share of wrong labels; two networks that start differently. Two linear heads do not: with them
    only the small-loss rule remains.
Good at: symmetric and pairwise noise, even heavy. Bad at: hard or rare right labels, which have large losses too; the
    two networks become similar.
Numbers: 200 epochs of Adam 1e-3, batch 128, ramp 10; from 0.4 of the run on the rate falls linearly to 0 and beta1 is
    0.1 (CIFAR-10).
Differs: tau is the true noise rate there. Here it is `noise`, else the share of losses that belong to the upper
    component of a Gaussian mixture and to examples that both networks together assign to another class, estimated after
    each epoch of the ramp. Their code divides the mean loss by the number of examples once more; we do not. Images are
    augmented weakly, theirs not at all.
Cost: twice that of cross-entropy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn, optim

from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.engine.trained import Trained
from labelsieve.losses import cross_entropy
from labelsieve.stats.mixture import fit_gaussian

# Chosen on: photos, digits, texts, clothes with no noise and with symmetric and human noise of 0.1 and 0.4; for `ramp`
# also held-out labels of CIFAR-10N. Small steps, because Adam does not average out single examples: with 1,280 features
# 0.02 and batch 32 cost half a point. A thousand examples need small batches to be learnt at all.
FEATURES: dict[str, Any] = {"epochs": 15, "lr": None, "ramp": 3, "batch": 64, "least": 1500}
MOVE = 0.36  # of a logit in a step of Adam: 0.01 with 1,280 features
FEWEST = 8  # examples per batch, so that a part of it can be left out


def co_teaching(
    samples: Samples,
    network: Callable[[int], nn.Module],
    session: Session,
    *,
    ramp: int = 10,
    decay: float = 0.4,
    least: int = 0,
    noise: float | None = None,
    epochs: int = 200,
    lr: float | None = 1e-3,
    batch: int = 128,
) -> Trained:
    """Two networks exchange their small-loss examples.

    Args:
        lr: None is MOVE divided by the square root of the number of features. Adam moves every weight by the rate, and
            so the logits of a head by the rate times that root; 0.01 was too little to learn 64 features.
        ramp: epochs until the full share is left out.
        decay: share of the run after which the learning rate falls.
        least: smallest number of steps; if n is so small that there would be fewer, batches are smaller.
        noise: estimated share of wrong labels, tau; None estimates it from the losses.
    """
    lr = MOVE / math.sqrt(samples.inputs[0].numel()) if lr is None else lr
    nets = network(samples.classes), network(samples.classes)
    optimisers = [optim.Adam(net.parameters(), lr) for net in nets]
    losses, differs = torch.zeros(2, len(samples), device=samples.labels.device)  # of the steps of this epoch
    batch = min(batch, max(FEWEST, len(samples) * epochs // least)) if least else batch
    tau = torch.full((1,), noise or 0.0, dtype=torch.float64)
    state = {"a": nets[0], "b": nets[1], "optimiser_a": optimisers[0], "optimiser_b": optimisers[1], "tau": tau}
    for epoch in session.epochs(epochs, losses=losses, differs=differs, **state):
        forget = tau.item() * min(epoch / ramp, 1)
        for net, optimiser in zip(nets, optimisers, strict=True):
            net.train()
            _decay(optimiser, lr, epoch, epochs, decay)
        for rows in samples.batches(batch, session.generator):
            x, labels = samples.weak(rows, session.generator), samples.given(rows)
            out = [net(x) for net in nets]
            each = [cross_entropy(z, labels) for z in out]
            easy = [smallest(loss.detach(), forget) for loss in each]
            session.step(each[0][easy[1]].mean(), optimisers[0])
            session.step(each[1][easy[0]].mean(), optimisers[1])
            losses[rows] = (each[0] + each[1]).detach() / 2
            differs[rows] = ((out[0] + out[1]).argmax(1) != labels).float()
            session.record(rows, (out[0] + out[1]) / 2, labels)
        if noise is None and epoch < ramp:
            tau.fill_(share_wrong(losses, differs))
        session.log(forget=forget)
    dropped = torch.ones(len(samples), dtype=torch.float64)
    dropped[smallest(losses, tau.item()).cpu()] = 0
    return Trained(nets, {"noise": tau.item()}, dropped.numpy())


def smallest(losses: Tensor, forget: float) -> Tensor:
    """Positions of the 1 - forget smallest losses (b,), at least one."""
    return losses.argsort(stable=True)[: max(int((1 - forget) * len(losses) + 1e-9), 1)]


def share_wrong(losses: Tensor, differs: Tensor) -> float:
    """The share of losses (n,) in the upper component of a Gaussian mixture, counting only examples that the networks
    assign to another class (n,)."""
    values = losses.cpu().numpy()
    return float((fit_gaussian(values).posterior(values) * differs.cpu().numpy()).mean())


def _decay(optimiser: optim.Optimizer, lr: float, epoch: int, epochs: int, decay: float) -> None:
    first = round(decay * epochs)
    for group in optimiser.param_groups:
        group["lr"] = lr * min((epochs - epoch) / max(epochs - first, 1), 1)
        group["betas"] = (0.9 if epoch < first else 0.1, 0.999)
