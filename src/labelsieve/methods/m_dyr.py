"""M-DYR-H, M-DYR-S and MD-DYR-SH: dynamic bootstrapping with a Beta mixture.

Paper: Arazo, Ortego, Albert, O'Connor, McGuinness, "Unsupervised label noise modeling and loss correction", ICML 2019.
    After every epoch a two-component Beta mixture is fitted to the cross-entropies; w, the probability of the high-loss
    component, moves an example's target from its label to the network's own prediction. Mixup and a uniform prior over
    the classes are added.
Needs: a first phase at a rate too high to memorise.
Good at: symmetric noise up to 80 % (M-DYR-H), 90 % (MD-DYR-SH). Bad at: asymmetric noise at high rates, where the
    losses do not separate; very imbalanced classes (the prior is uniform); 90 % with M-DYR-H, which collapses to one
    class.
Numbers: the published commands for CIFAR-10: 300 epochs, SGD 0.1, drops at 100 and 250, bootstrapping from epoch 106 on
    (MD-DYR-SH: dynamic mixup from 106, bootstrapping from 111, temperature 0.001 at 199), mixup Beta(32, 32), prior 1.
    Other lengths keep this shape, but a run of few steps spends up to 65 % of them before bootstrapping: at least
    1,000, because the losses must have separated.
Differs: `fit_beta` puts the components in order and refuses fits that break down (w = 0 then); the look-up is
    interpolated; the prior has K classes (their soft variant always 10); tracking computes no gradients; one seed
    controls everything; on features w is `held`. MD-DYR-SH uses one half for lambda in the paper; with an alpha below
    32 (few steps, features) it uses the drawn lambda.
Guard, not in the paper: if less than 2.5 % of the labels are doubted when bootstrapping would begin, the run continues
    with plain cross-entropy.
Cost: from bootstrapping on, three forward passes and one backward pass per step, and one forward pass over all examples
    per epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim

from labelsieve.engine.samples import Samples, logits
from labelsieve.engine.session import Session
from labelsieve.engine.trained import Trained
from labelsieve.losses import bootstrap_hard, bootstrap_soft, cross_entropy, draw_pairs, mixed_cross_entropy, mixup
from labelsieve.losses.mixing import HALVES, strength
from labelsieve.losses.softmax import log_probabilities
from labelsieve.stats.confident_joint import confident_joint
from labelsieve.stats.mixture import BetaMixture, fit_beta
from labelsieve.stats.odds_shift import odds_shift, shifted

# Chosen on: photographs, clothes, digits and texts, with no noise and with planted and human noise of 0.1 and 0.4; the
# reasons are in mixup.py and stats/odds_shift.py.
FEATURES: dict[str, Any] = {
    "epochs": 20,
    "lr": 6.0,
    "weight_decay": 1e-6,
    "batch": 128,
    "start": 0.35,
    "alpha": 1.0,
    "held": True,
}
Network = Callable[[int], nn.Module]
Loss = Callable[[nn.Module, Tensor, Tensor, Tensor, float, Tensor], Tensor]  # of (net, x, y, w, lam, partner)
GUARD = 0.025  # without wrong labels 0.004 to 0.033 was measured, with 9 % of them 0.058: above, nothing is lost either
EDGE = 1e-4  # w stays within [EDGE, 1 - EDGE]
ENOUGH = 1000  # steps before bootstrapping; this gained 1 to 6 points for a small network on digits


@dataclass(frozen=True)
class Schedule:
    """Maps the paper's 300 epochs to those of this run, whose bootstrapping begins after the share `start`."""

    epochs: int
    start: float

    @classmethod
    def of(cls, samples: Samples, epochs: int, batch: int, start: float | None) -> Schedule:
        return cls(epochs, min(max(ENOUGH * batch / (epochs * len(samples)), 0.35), 0.65) if start is None else start)

    def at(self, epoch: int) -> int:
        """The epoch of this run, counted from 0, for `epoch` of 300: 105, the first with bootstrapping, maps to
        `start`, the others in proportion."""
        return round(float(np.interp(epoch, [0, 105, 300], [0, self.start * self.epochs, self.epochs])))


def m_dyr_h(
    samples: Samples,
    network: Network,
    session: Session,
    *,
    alpha: float | None = None,
    reg: float = 1.0,
    start: float | None = None,
    held: bool = False,
    noise: float | None = None,
    epochs: int = 300,
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    batch: int = 128,
) -> Trained:
    """Mixup at first; later the part w of each target goes to the class that the network predicts.

    There are many parameters because each is a number of the paper or of its optimiser.

    Args:
        alpha: mixup's lambda ~ Beta(alpha, alpha), one per batch; None is the paper's 32, or 1 in runs of few steps
            (`strength`).
        reg: weight of the uniform prior over classes.
        start: share of the run before bootstrapping; None is the paper's value, larger in runs of few steps.
        held: scale the odds of w by one factor, so that its mean is the noise.
        noise: estimated share of wrong labels, for the guard and `held`.
    """
    net = network(samples.classes)
    optimiser = optim.SGD(net.parameters(), lr, momentum, weight_decay=weight_decay)
    when = Schedule.of(samples, epochs, batch, start)
    later = partial(static_mixup, bootstrap=bootstrap_hard, reg=reg)
    return _train(
        samples, session, net, optimiser, lambda _: later, when, batch=batch, alpha=alpha, held=held, noise=noise
    )


def m_dyr_s(
    samples: Samples,
    network: Network,
    session: Session,
    *,
    alpha: float | None = None,
    reg: float = 1.0,
    start: float | None = None,
    held: bool = False,
    noise: float | None = None,
    epochs: int = 300,
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    batch: int = 128,
) -> Trained:
    """As `m_dyr_h`, but the part w goes to the predicted distribution.

    There are many parameters because each is a number of the paper or of its optimiser.
    """
    net = network(samples.classes)
    optimiser = optim.SGD(net.parameters(), lr, momentum, weight_decay=weight_decay)
    when = Schedule.of(samples, epochs, batch, start)
    later = partial(static_mixup, bootstrap=bootstrap_soft, reg=reg)
    return _train(
        samples, session, net, optimiser, lambda _: later, when, batch=batch, alpha=alpha, held=held, noise=noise
    )


def md_dyr_sh(
    samples: Samples,
    network: Network,
    session: Session,
    *,
    alpha: float | None = None,
    reg: float = 1.0,
    start: float | None = None,
    held: bool = False,
    noise: float | None = None,
    epochs: int = 300,
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    batch: int = 128,
) -> Trained:
    """Mixup, later weighted towards the cleaner example; then the part w of each target goes to the prediction, which
    gets harder.

    There are many parameters because each is a number of the paper or of its optimiser.
    """
    when = Schedule.of(samples, epochs, batch, start)
    alpha = strength(epochs * len(samples) / batch) if alpha is None else alpha
    even = alpha >= HALVES

    def later(epoch: int) -> Loss:
        if epoch < when.at(110):
            return partial(dynamic_mixup, even=even)
        return partial(soft_to_hard, temperature=temperature(epoch, when), reg=reg, even=even)

    net = network(samples.classes)
    optimiser = optim.SGD(net.parameters(), lr, momentum, weight_decay=weight_decay)
    return _train(samples, session, net, optimiser, later, when, batch=batch, alpha=alpha, held=held, noise=noise)


def _train(
    samples: Samples,
    session: Session,
    net: nn.Module,
    optimiser: optim.Optimizer,
    later: Callable[[int], Loss],
    when: Schedule,
    *,
    batch: int,
    alpha: float | None,
    held: bool,
    noise: float | None,
) -> Trained:
    """The loop of all three: mixup at first, then the loss `later(epoch)`."""
    alpha = strength(when.epochs * len(samples) / batch) if alpha is None else alpha
    schedule = optim.lr_scheduler.MultiStepLR(optimiser, [when.at(99), when.at(249)])  # epochs 100 and 250
    losses, share = torch.zeros(len(samples)), torch.tensor([-1.0 if noise is None else noise])
    for epoch in session.epochs(
        when.epochs, net=net, optimiser=optimiser, schedule=schedule, losses=losses, share=share
    ):
        loss = later(epoch)
        if (late := epoch >= when.at(105)) and share.item() < 0:
            share.fill_(suspected(net, samples))
        doubted = late and share.item() >= GUARD
        mixture, shift = held_mixture(losses, share.item(), held=held and doubted)
        net.train()
        for rows in samples.batches(batch, session.generator):
            x, y = samples.weak(rows, session.generator), samples.given(rows)
            lam, partner = draw_pairs(len(rows), alpha, session.numpy)
            lam, partner = 1.0 if late and not doubted else lam, partner.to(y.device)
            if doubted:
                session.step(loss(net, x, y, p_wrong(net, x, y, mixture, shift), lam, partner), optimiser)
            else:
                session.step(mixed_cross_entropy(net(mixup(x, partner, lam)), y, partner, lam).mean(), optimiser)
        schedule.step()
        losses.copy_(track(net, samples, session))
        session.log(clean=1 - float(belief(losses, share.item(), held=held).mean()))
    settings = {"noise": share.item(), "bootstrapping": share.item() >= GUARD, "start": when.start, "alpha": alpha}
    return Trained((net,), settings, belief(losses, share.item(), held=held))


def held_mixture(losses: Tensor, share: float, *, held: bool) -> tuple[BetaMixture, float]:
    """The mixture of losses (n,), and the shift that `held` adds to its log odds."""
    mixture = fit_beta(losses.numpy())
    return mixture, odds_shift(mixture.posterior(losses.numpy()), share) if held and mixture.fitted else 0.0


def belief(losses: Tensor, share: float, *, held: bool) -> np.ndarray:
    """(n,) the probability that each label is wrong, as training uses it: 0 below GUARD, and not shifted while the
    share is unknown."""
    if 0 <= share < GUARD:
        return np.zeros(len(losses))
    mixture, shift = held_mixture(losses, share, held=held and share >= 0)
    return _moved(mixture.posterior(losses.numpy()), shift)


def dynamic_mixup(
    net: nn.Module, x: Tensor, y: Tensor, w: Tensor, lam: float, partner: Tensor, *, even: bool
) -> Tensor:
    """The loss with inputs mixed by `cleaner` and labels mixed by lam."""
    mixed = mixup(x, partner, cleaner(w, partner, 0.5 if even else lam))
    return mixed_cross_entropy(net(mixed), y, partner, lam).mean()


def static_mixup(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    w: Tensor,
    lam: float,
    partner: Tensor,
    *,
    bootstrap: Callable[..., Tensor],
    reg: float,
) -> Tensor:
    """M-DYR-H and M-DYR-S, by the loss `bootstrap`."""
    u = net(x).detach()
    out = net(mixup(x, partner, lam))
    loss = lam * bootstrap(out, y, beta=1 - w, guess=u)
    loss = loss + (1 - lam) * bootstrap(out, y[partner], beta=1 - w[partner], guess=u[partner])
    return loss.mean() + reg * uniform_prior(out)


def soft_to_hard(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    w: Tensor,
    lam: float,
    partner: Tensor,
    *,
    temperature: float,
    reg: float,
    even: bool,
) -> Tensor:
    """MD-DYR-SH: inputs mixed by `cleaner`, targets mixed by lam; `even` uses one half for lam."""
    u = net(x).detach() / temperature
    lam = 0.5 if even else lam
    out = net(mixup(x, partner, cleaner(w, partner, lam)))
    loss = lam * bootstrap_soft(out, y, beta=1 - w, guess=u)
    loss = loss + (1 - lam) * bootstrap_soft(out, y[partner], beta=1 - w[partner], guess=u[partner])
    return loss.mean() + reg * uniform_prior(out)


def cleaner(w: Tensor, partner: Tensor, lam: float) -> Tensor:
    """The shares (b,) of the inputs in their mixtures: lam's odds times the odds of the probabilities 1 - w that their
    labels are right."""
    own, other = lam * (1 - w), (1 - lam) * (1 - w[partner])
    return own / (own + other)


def temperature(epoch: int, when: Schedule) -> float:
    """From 1 where bootstrapping begins (epoch 111 of 300) to 0.001 (epoch 199), then constant: hard bootstrapping at
    the end."""
    first, last = when.at(110), when.at(198)
    return 1 - 0.999 * min(max((epoch - first) / max(last - first, 1), 0), 1)


def uniform_prior(logits: Tensor) -> Tensor:
    """KL(uniform || mean prediction of the batch): 0 if the batch as a whole favours no class."""
    mean = log_probabilities(logits).exp().mean(0)
    return -(mean.clamp_min(1e-12) * len(mean)).log().mean()


def p_wrong(net: nn.Module, x: Tensor, y: Tensor, mixture: BetaMixture, shift: float = 0.0) -> Tensor:
    """w (b,) of unmixed examples, from the current network in evaluation mode and the mixture (its range and `shift`)
    of the previous epoch."""
    net.eval()
    with torch.no_grad():
        w = mixture.posterior(cross_entropy(net(x), y).cpu().numpy())
    net.train()
    return torch.from_numpy(_moved(w, shift)).to(x.device, torch.float32).clamp(EDGE, 1 - EDGE)


def _moved(w: np.ndarray, shift: float) -> np.ndarray:
    return shifted(w, shift) if shift else w


def track(net: nn.Module, samples: Samples, session: Session) -> Tensor:
    """Record and return the cross-entropies (n,) of all examples, augmented as in training, in evaluation mode (on the
    CPU)."""
    net.eval()
    losses = torch.empty(len(samples))
    for rows in torch.arange(len(samples), device=samples.labels.device).split(256):
        with torch.no_grad():
            out = net(samples.weak(rows, session.generator))
        losses[rows.cpu()] = cross_entropy(out, samples.given(rows)).cpu()
        session.record(rows, out, samples.given(rows))
    return losses


def suspected(net: nn.Module, samples: Samples) -> float:
    """The off-diagonal share of the confident joint: near zero if no label is wrong, where a mixture would still see
    two groups."""
    probs = torch.softmax(logits(net, samples), 1).cpu().numpy()
    return 1 - float(confident_joint(probs, samples.labels.cpu().numpy()).trace()) / len(samples)
