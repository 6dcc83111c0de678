"""O2U-Net: cycle between under- and over-fitting, remove the examples with a high loss, and train on the rest.

Paper: Huang, Qu, Jia, Zhao, "O2U-Net: a simple noisy label detection approach for deep neural networks", ICCV 2019.
Needs: time; an estimate of the share of wrong labels.
Good at: random noise. Bad at: hard or rare right labels, which are removed too (`per_class` ranks within the given
    label); noise that depends on the example.
Numbers: three stages of 249 epochs, SGD, weight decay 5e-4. Stages 1 and 3: batch 128, rate 0.01, 0.005 from a quarter,
    0.001 from half of the run. Stage 2: batch 16, cycles of ten epochs from 0.01 to 0.001; the score is the sum over
    epochs of the loss of the training step minus the mean loss of the epoch.
Differs: the removed share is the true noise rate there. Here it is `noise`, else the examples in the upper component of
    a Gaussian mixture on the score that have an average loss above ln 2 (p_y below a half), so that hard but right
    labels of clean data stay. Stage 3 starts from fresh weights; their code continues with those of stage 1, which have
    memorised the removed labels (`restore`). Gradients of stage 2 can be clipped, because users report NaN there. In
    the first cycle all ten rates occur, in their code nine.
Cost: three trainings, the second with many small steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim

from labelsieve.core.errors import EmptyClass
from labelsieve.engine.samples import Samples
from labelsieve.engine.session import Session
from labelsieve.engine.trained import Trained
from labelsieve.losses import cross_entropy
from labelsieve.stats.mixture import fit_gaussian
from labelsieve.stats.small_loss import rank_in_class

# Chosen on: planted noise in features of Fashion-MNIST.
FEATURES: dict[str, Any] = {"epochs": 20, "lr": 3.0, "weight_decay": 1e-5, "small": 64}
ROUNDING = 1e-9  # 0.29 * 100 is 28.999999999999996, and 29 is meant


def o2u(
    samples: Samples,
    network: Callable[[int], nn.Module],
    session: Session,
    *,
    cycle: int = 10,
    highest: float | None = None,
    lowest: float | None = None,
    small: int = 16,
    clip: float | None = None,
    per_class: bool = False,
    restore: bool = False,
    noise: float | None = None,
    epochs: int = 249,
    lr: float = 0.01,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    batch: int = 128,
) -> Trained:
    """Train in three stages; the result is the network of the third.

    There are many parameters because each is a number of the paper or of its optimiser.

    Args:
        cycle, highest, lowest: the rate of stage 2 falls from `highest` (None: lr) to `lowest` (None: lr / 10) in each
            `cycle` epochs.
        small: batch of stage 2.
        clip: largest norm of a gradient in stage 2; None clips nothing.
        per_class: rank within the given label.
        restore: stage 3 continues from the weights of stage 1.
        noise: estimated share of wrong labels, the share to remove; None lets a Gaussian mixture decide.
        epochs: number of epochs of each stage.

    Raises:
        EmptyClass: nothing of some class would be left.
    """
    net, last = network(samples.classes), network(samples.classes)
    score = torch.zeros(2, len(samples), dtype=torch.float64)  # the sum, and how often the example was seen
    level = torch.zeros(1, dtype=torch.float64)
    state = {"net": net, "last": last, "score": score, "level": level}
    everyone = torch.arange(len(samples), device=samples.labels.device)

    optimiser = optim.SGD(net.parameters(), lr, momentum, weight_decay=weight_decay)
    for epoch in session.epochs(epochs, "fit", optimiser=optimiser, **state):
        _fit(samples, everyone, net, _at(optimiser, step_rate(epoch, epochs, lr)), session, batch)
        if restore:
            last.load_state_dict(net.state_dict())

    high, low = lr if highest is None else highest, lr / 10 if lowest is None else lowest
    optimiser = optim.SGD(net.parameters(), high, momentum, weight_decay=weight_decay)
    for epoch in session.epochs(epochs, "detect", optimiser=optimiser, **state):
        losses = _fit(
            samples, everyone, net, _at(optimiser, cyclic_rate(epoch, high, low, cycle)), session, small, clip=clip
        )
        seen = losses.isfinite()  # one infinite loss would push all others to minus infinity
        score += torch.stack([torch.where(seen, losses - losses[seen].mean(), 0), seen])
        level += losses[seen].mean() / epochs

    optimiser = optim.SGD(last.parameters(), lr, momentum, weight_decay=weight_decay)
    for epoch in session.epochs(epochs, "retrain", optimiser=optimiser, **state):
        kept = everyone[~_removed(samples, score, level, noise, per_class).to(everyone.device)]
        _fit(samples.take(kept), kept, last, _at(optimiser, step_rate(epoch, epochs, lr)), session, batch)
        session.log(kept=len(kept) / len(samples))
    removed = _removed(samples, score, level, noise, per_class).double().numpy()
    return Trained((last,), {"noise": noise, "removed": removed.mean()}, removed)


def step_rate(epoch: int, epochs: int, lr: float) -> float:
    """Learning rate of stages 1 and 3; epochs count from 0."""
    return lr if epoch < epochs / 4 else lr / 2 if epoch < epochs / 2 else lr / 10


def cyclic_rate(epoch: int, highest: float = 0.01, lowest: float = 0.001, cycle: int = 10) -> float:
    """Learning rate of stage 2: 0.0091, 0.0082, ..., 0.0010, repeated; epochs count from 0."""
    t = (epoch % cycle + 1) / cycle
    return (1 - t) * highest + t * lowest


def to_remove(
    score: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    noise: float | None,
    *,
    per_class: bool = False,
    least: float = -math.inf,
) -> np.ndarray:
    """(n,) bool: the share `noise` of the highest scores (n,). If `noise` is None, as many as are in the upper
    component of a Gaussian mixture and above `least`.

    Raises:
        EmptyClass: nothing of some class would be left.
    """
    share = float(((fit_gaussian(score).posterior(score) > 0.5) & (score > least)).mean()) if noise is None else noise
    if per_class:
        rank, size = rank_in_class(-score, labels, n_classes)
        removed = rank < np.floor(share * size + ROUNDING)[labels]
    else:
        removed = np.zeros(len(score), bool)
        removed[np.argsort(-score, kind="stable")[: int(share * len(score) + ROUNDING)]] = True
    sizes, left = (np.bincount(y, minlength=n_classes) for y in (labels, labels[~removed]))
    empty = np.flatnonzero((sizes > 0) & (left == 0)).tolist()
    if empty:
        raise EmptyClass(
            "O2U would remove every example of the class {}; set per_class to rank within each class, or lower noise.",
            empty[0],
        )
    return removed


def _removed(samples: Samples, score: Tensor, level: Tensor, noise: float | None, per_class: bool) -> Tensor:
    average = (score[0] / score[1].clamp_min(1)).numpy()
    least = math.log(2) - level.item()
    return torch.from_numpy(
        to_remove(average, samples.labels.cpu().numpy(), samples.classes, noise, per_class=per_class, least=least)
    )


def _fit(
    samples: Samples,
    own: Tensor,
    net: nn.Module,
    optimiser: optim.Optimizer,
    session: Session,
    batch: int,
    *,
    clip: float | None = None,
) -> Tensor:
    """Train one epoch with cross-entropy on examples whose positions in the record are `own`. Returns the losses (n,)
    float64 of the training steps, on the CPU; NaN for an example that was left out."""
    net.train()
    losses = torch.full((len(samples),), torch.nan, device=own.device)  # float32: Apple's GPU has no float64
    for rows in samples.batches(batch, session.generator):
        labels = samples.given(rows)
        logits = net(samples.weak(rows, session.generator))
        loss = cross_entropy(logits, labels)
        session.step(loss.mean(), optimiser, clip=clip)
        session.record(own[rows], logits, labels)
        losses[rows] = loss.detach()
    return losses.cpu().double()


def _at(optimiser: optim.Optimizer, lr: float) -> optim.Optimizer:
    for group in optimiser.param_groups:
        group["lr"] = lr
    return optimiser
