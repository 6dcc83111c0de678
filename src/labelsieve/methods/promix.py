"""ProMix: two networks that train on as many labels as they can trust, with guesses kept out of the primary head.

Paper: Xiao, Dong, Wang, Feng, Wu, Chen, Zhao, "ProMix: combating label noise via maximizing clean sample utility",
    IJCAI 2023. Each epoch a network takes the smallest losses of each class (CSS); each batch adds labels of very high
    probability (MHCS), late in the run also guesses on which both networks agree (LGA). The selected examples train the
    primary and an auxiliary pseudo head (APH): plain and strong view, mixup, FMix. The others train the auxiliary head
    alone, on sharpened pseudo-labels. Running class distributions debias both. `challenge` is the version that won the
    LMNL challenge of 2022: no auxiliary head, no debiasing; the authors ran it for 420 epochs.
Good at: most kinds of noise, in long runs. Bad at: short runs of small networks, which never reach tau; noise that
    hides whole classes.
Numbers: CIFAR: 600 epochs, SGD 0.05 by a cosine to a thousandth, weight decay 5e-4, batch 256, tau 0.99 (0.95 with 100
    classes), alpha 0.8 (0.5), warm-up 10 (30), LGA in the last 250 epochs up to 0.9 of a batch, T 0.5, m 0.9999. In a
    shorter run LGA and m shrink in proportion, the warm-up to a sixth of the run and the ramps to a third, if these are
    smaller. Pseudo-labels end with their ramp.
Differs: rho, 0.5 or 0.7 there, follows the estimated share of wrong labels, and is higher in short runs; a head on
    features takes the whole share of right labels (`chosen_rho`). Class quotas if n / K would take a whole class
    (`quotas`); pi has a floor; the confidence penalty in the warm-up, which they use if noise is asymmetric, is used in
    the challenge version only; alpha 0 keeps the ramp of pseudo-labels. On features the strong view drops some
    features, FMix takes random features, not a patch (as SAINT does for tables), and a network that is all head has no
    auxiliary head. Views share a pass if there is no batch normalisation.
Cost: twelve passes per batch and two passes of inference per epoch; eight to ten times that of `standard`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim

from labelsieve.core.errors import UserError
from labelsieve.engine.samples import Samples, logits
from labelsieve.engine.session import Session
from labelsieve.engine.trained import Trained
from labelsieve.losses.cross_entropy import cross_entropy
from labelsieve.losses.debiased import debiased_margin, debiased_probabilities, sharpen, update_prior
from labelsieve.losses.mixing import draw_pairs, fmix, fmix_mask, mixed_cross_entropy, mixup
from labelsieve.losses.softmax import log_probabilities
from labelsieve.methods.promix_selection import agreed, chosen_rho, matched, quotas, unlabelled_weight
from labelsieve.stats.small_loss import class_small_loss

# Chosen on: fashion, photos, digits, intents and news, with planted and human noise. A linear head rarely gives a right
# label more than 0.7.
FEATURES: dict[str, Any] = {"epochs": 20, "batch": 128, "lr": 6.0, "weight_decay": 1e-5, "tau": 0.7}
MANY = 50  # with more classes, the authors' values for CIFAR-100 are better than those for CIFAR-10
LEAST = 1e-6  # lower bound of a class distribution, because its logarithm is used


def promix(
    samples: Samples,
    network: Callable[[int], nn.Module],
    session: Session,
    *,
    epochs: int = 600,
    lr: float = 0.05,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    batch: int = 256,
    warmup: int | None = None,
    rho: float | None = None,
    tau: float | None = None,
    alpha: float | None = None,
    lambda_u: float = 0.1,
    temp: float = 0.5,
    fill: float = 0.9,
    challenge: bool = False,
    noise: float | None = None,
) -> Trained:
    """Train two networks side by side that select, guess and mix.

    There are many parameters because each is a number of the paper or of its optimiser.

    Args:
        warmup: epochs of cross-entropy on all labels; None is 10, with more than 50 classes 30, at most a sixth of all.
        rho: share of n / K that is selected per class by small loss; it should stay below the share of right labels;
            None follows `noise`.
        tau: probability above which a given or a guessed label is trusted; None is 0.99, with more than 50 classes
            0.95.
        alpha: strength of the debiasing, of the margin and of pseudo-labels; None is 0.8, with more than 50 classes
            0.5.
        lambda_u: largest weight of the pseudo-labels.
        temp: temperature with which pseudo-labels are sharpened.
        fill: share of a batch up to which guesses are added.
        challenge: the version of the challenge of 2022, without auxiliary head and debiasing.
        noise: estimated share of wrong labels, from which rho is chosen; None uses the share of labels that the
            networks contradict, the smallest over the epochs until the ramp ends.
    """
    k, steps = samples.classes, epochs * max(1, len(samples) // batch)
    warmup = min(30 if k > MANY else 10, max(1, epochs // 6)) if warmup is None else warmup
    tau = (0.95 if k > MANY else 0.99) if tau is None else tau
    alpha = 0.0 if challenge else (0.5 if k > MANY else 0.8) if alpha is None else alpha
    memory = min(max(1 - 11.7 / steps, 0.9), 0.9999)  # pi averages over a twelfth of the run
    late = epochs - round(epochs * (150 / 420 if challenge else 250 / 600))
    ramp = min(50, epochs / 3)
    choose = partial(chosen_rho, short=epochs < 300, head=not samples.are_images) if rho is None else lambda _: rho
    nets = [TwoHeads(network, k, single=challenge) for _ in range(2)]
    optimiser = optim.SGD([p for net in nets for p in net.parameters()], lr, momentum, weight_decay=weight_decay)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs, lr / 1000)
    prior = torch.full((2, 2, k), 1 / k, device=samples.labels.device)  # network; chosen, others
    share = torch.tensor(1.0 if noise is None else noise)
    for epoch in session.epochs(
        epochs, a=nets[0], b=nets[1], optimiser=optimiser, schedule=schedule, prior=prior, share=share
    ):
        for net in nets:
            net.train()
        if epoch < warmup:
            warm_up(samples, nets, optimiser, session, batch, penalty=challenge)
        else:
            small = select(
                samples, nets, session, share, choose, learning=noise is None and epoch < max(ramp, warmup + 1)
            )
            now = {"ramp": min(epoch / ramp, 1.0), "weight": unlabelled_weight(epoch, epochs, lambda_u)}
            rules = {
                "tau": tau,
                "alpha": alpha,
                "temp": temp,
                "memory": memory,
                "fill": fill if epoch >= late else 0.0,
                **now,
            }
            for rows in samples.batches(batch, session.generator, drop_last=True):
                session.step(
                    batch_loss(samples, rows, nets, [mask[rows] for mask in small], prior, session, **rules), optimiser
                )
        schedule.step()
    settings = {
        "noise": share.item() if epochs > warmup else noise,
        "rho": choose(share.item()),
        "tau": tau,
        "alpha": alpha,
    }
    trained = Trained(tuple(net.net for net in nets), {**settings, "warmup": warmup, "memory": memory})
    p_y = log_probabilities(trained.logits(samples)).exp().gather(1, samples.labels[:, None])[:, 0]
    return Trained(trained.nets, trained.settings, 1 - p_y.cpu().double().numpy())


def batch_loss(
    samples: Samples,
    rows: Tensor,
    nets: list[TwoHeads],
    small: list[Tensor],
    prior: Tensor,
    session: Session,
    *,
    tau: float,
    alpha: float,
    temp: float,
    memory: float,
    fill: float,
    ramp: float,
    weight: float,
) -> Tensor:
    """The loss of both networks on one batch; small (2, b) marks the selection of CSS. Updates the class distributions
    (2, 2, K).

    There are many parameters because it is the whole step of the paper's loop, for both networks at once.
    """
    given = samples.given(rows)
    weak, strong = samples.weak(rows, session.generator), samples.strong(rows, session.generator)
    total = []
    outputs = [forward(net, weak, strong) for net in nets]
    sure = [log_probabilities(plain[0].detach()).exp() for plain, _ in outputs]
    for i, net in enumerate(nets):
        plain = outputs[i][0][0].detach()
        chosen = small[i] | matched(sure[i], given, tau)
        guessed = agreed(sure[i], sure[1 - i], chosen, tau=tau, fill=fill)
        label = torch.where(guessed, debiased_probabilities(plain, prior[i, 0], alpha=alpha).argmax(1), given)
        chosen = chosen | guessed
        total.append(labelled_loss(net, outputs[i], weak, label, chosen, prior[i, 0], session, alpha=alpha, ramp=ramp))
        if weight and net.auxiliary is not None:
            total.append(weight * unlabelled_loss(outputs[i], ~chosen, prior[i, 1], alpha=alpha, ramp=ramp, temp=temp))
        for part, those in enumerate((chosen, ~chosen)):
            prior[i, part] = update_prior(prior[i, part], plain[those], momentum=memory).clamp_min(LEAST)
    return torch.stack(total).sum()


class TwoHeads(nn.Module):
    """A network, and an auxiliary head on its features; forward gives the logits of each head."""

    def __init__(self, network: Callable[[int], nn.Module], classes: int, *, single: bool = False):
        super().__init__()
        self.net: Any = network(classes)
        if not (single or (hasattr(self.net, "features") and hasattr(self.net, "head"))):
            raise UserError(
                "ProMix puts a second head on a network's features. It needs a network with features(x) and head, or "
                "the setting challenge."
            )
        alone = all(name.startswith("head.") for name in self.net.state_dict())
        self.auxiliary: Any = None if single or alone else network(classes).head

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        if self.auxiliary is None:
            return (self.net(x),)
        features = self.net.features(x)
        return self.net.head(features), self.auxiliary(features)


def forward(net: TwoHeads, *views: Tensor) -> list[tuple[Tensor, ...]]:
    """The logits of each head for each view; in separate passes if batch normalisation would mix the views'
    statistics."""
    if any(name.endswith("running_mean") for name, _ in net.named_buffers()):
        return [net(view) for view in views]
    heads = [z.split([len(view) for view in views]) for z in net(torch.cat(views))]
    return list(zip(*heads, strict=True))


def warm_up(
    samples: Samples, nets: list[TwoHeads], optimiser: optim.Optimizer, session: Session, batch: int, *, penalty: bool
) -> None:
    """Train one epoch with cross-entropy on all given labels; `penalty` adds a confidence penalty (mean sum p ln p) to
    the first network."""
    for rows in samples.batches(batch, session.generator):
        x, given = samples.weak(rows, session.generator), samples.given(rows)
        out = [net(x)[0] for net in nets]
        loss = torch.stack([cross_entropy(z, given).mean() for z in out]).sum()
        if penalty:
            log_p = log_probabilities(out[0])
            loss = loss + (log_p.exp() * log_p).sum(1).mean()
        session.step(loss, optimiser)
        session.record(rows, torch.stack(out).mean(0), given)


def select(
    samples: Samples,
    nets: list[TwoHeads],
    session: Session,
    share: Tensor,
    choose: Callable[[float], float],
    *,
    learning: bool,
) -> list[Tensor]:
    """The CSS selection of each network, bool (n,), with rho from `share`. If `learning`, `share` falls to the share of
    labels that the networks contradict."""
    outputs = [logits(net.net, samples) for net in nets]
    losses = [cross_entropy(z, samples.labels).cpu().numpy() for z in outputs]
    labels, predicted = samples.labels.cpu().numpy(), torch.stack(outputs).mean(0).argmax(1).cpu().numpy()
    if learning:
        share.clamp_max_(float(np.mean(predicted != labels)))
    rho = choose(share.item())
    class_quotas = quotas(labels, predicted, samples.classes, rho)
    small = [class_small_loss(loss, labels, samples.classes, rho, per_class=class_quotas) for loss in losses]
    session.record(torch.arange(len(samples)), torch.stack(outputs).mean(0), samples.labels)
    session.log(clean=float(np.mean(small)))
    return [torch.from_numpy(mask).to(samples.labels.device) for mask in small]


def labelled_loss(
    net: TwoHeads,
    outputs: list[tuple[Tensor, ...]],
    weak: Tensor,
    label: Tensor,
    chosen: Tensor,
    prior: Tensor,
    session: Session,
    *,
    alpha: float,
    ramp: float,
) -> Tensor:
    """The loss of both heads on the chosen examples (b,): weak view + ramp * (strong view + mixup + FMix), with
    debiased margins; each head has its own mixtures."""
    x, y, margin = weak[chosen], label[chosen], alpha * prior.log()
    if len(y) < 2:  # no partner to mix with
        return 0 * torch.stack([z.sum() for z in outputs[0]]).sum()
    mixed = [mixture for _ in outputs[0] for mixture in mixtures(x, session.numpy)]
    out = forward(net, *(inputs for inputs, _, _ in mixed))
    total = torch.zeros((), device=label.device)
    for head, (plain, strong) in enumerate(zip(*outputs, strict=True)):
        more = debiased_margin(strong[chosen], y, prior, alpha=alpha).mean()
        for z, (_, partner, lam) in list(zip(out, mixed, strict=True))[2 * head : 2 * head + 2]:
            more = more + mixed_cross_entropy(z[head] + margin, y, partner, lam).mean()
        total = total + debiased_margin(plain[chosen], y, prior, alpha=alpha).mean() + ramp * more
    return total


def mixtures(x: Tensor, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Mixup and FMix of x (b, ...): inputs, partner (b,), lambda."""
    lam, partner = draw_pairs(len(x), 4.0, rng, dominant=True)
    yield mixup(x, partner, lam), partner, lam
    lam, partner = draw_pairs(len(x), 1.0, rng)
    mask = (
        fmix_mask(x.shape[2], x.shape[3], lam, rng)
        if x.ndim == 4
        else torch.from_numpy(rng.permutation(x.shape[1]) < lam * x.shape[1])
    )
    yield fmix(x, partner, mask), partner, lam


def unlabelled_loss(
    outputs: list[tuple[Tensor, ...]], others: Tensor, prior: Tensor, *, alpha: float, ramp: float, temp: float
) -> Tensor:
    """The loss of the auxiliary head on the others (b,): both views against the primary head's debiased, sharpened
    guess."""
    if not others.any():
        return torch.zeros((), device=others.device)
    (primary, auxiliary), (_, strong) = outputs
    guess = sharpen(debiased_probabilities(primary[others], prior, alpha=alpha), temp)
    plain = debiased_margin(auxiliary[others], guess, prior, alpha=alpha).mean()
    return plain + ramp * debiased_margin(strong[others], guess, prior, alpha=alpha).mean()
