"""The labels that ProMix trusts in a batch: matched high confidence (MHCS), agreed guesses (LGA), and its rates.

Paper: Xiao et al., "ProMix", IJCAI 2023, sections 3.1 and 3.2. The class-wise small-loss part (CSS) is
    `stats.small_loss.class_small_loss`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from labelsieve.stats.small_loss import PerClass


def matched(probabilities: Tensor, given: Tensor, tau: float) -> Tensor:
    """MHCS: (b,) bool, the given label (b,) has a probability above tau; probabilities (b, K)."""
    return probabilities.gather(1, given[:, None])[:, 0] > tau


def agreed(one: Tensor, two: Tensor, chosen: Tensor, *, tau: float, fill: float) -> Tensor:
    """LGA: (b,) bool, examples not yet chosen for which both networks (b, K) predict the same class with probabilities
    above tau; the most confident first, until a share `fill` of the batch is chosen."""
    (sure, name), (sure_too, name_too) = one.max(1), two.max(1)
    candidate = ~chosen & (name == name_too) & (sure > tau) & (sure_too > tau)
    order = torch.where(candidate, sure + sure_too, -1.0).argsort(descending=True, stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    return candidate & (place < int(fill * len(chosen)) - chosen.sum())


def chosen_rho(noise: float, *, short: bool = False, head: bool = False) -> float:
    """The share to select by small loss when about `noise` of the labels are wrong.

    It is the share of right labels in a class with twice the average noise, but at least the authors' 0.5 and at most
    nine tenths of the share of right labels. A short run, which memorises little and needs examples more than clean
    labels, takes these nine tenths. A head on features takes the whole share of right labels. Its probabilities are
    low, so that tau brings back few right labels that the small losses miss: without the hard ones of them a linear
    head falls below `standard`, and it memorises too little to be harmed by the wrong ones that come with them."""
    most = 0.9 * (1 - noise)
    if head:
        return 1 - noise
    return most if short else min(max(1 - 2 * noise, 0.5), most)


def quotas(given: np.ndarray, predicted: np.ndarray, n_classes: int, rho: float) -> PerClass | np.ndarray:
    """The number of labels per class of which the share rho is selected.

    It is "balanced", the paper's n / K, unless that would take a whole class with all its wrong labels. A class may be
    small because it is rare, and have wrong labels, or because its examples have other labels, and have none. So n is
    divided in proportion to the labels `given` (n,) that the networks' classes `predicted` (n,) confirm; no class gets
    less than half of its size."""
    size, confirmed = (np.bincount(y, minlength=n_classes) for y in (given, given[predicted == given]))
    if size[size > 0].min() > rho * len(given) / n_classes:
        return "balanced"
    return np.maximum(len(given) * confirmed / max(confirmed.sum(), 1), size / 2)


def unlabelled_weight(epoch: int, epochs: int, highest: float) -> float:
    """Rises through the first 100 epochs (or a third of the run), then ends."""
    span = min(100, epochs / 3)
    return highest * epoch / span if epoch < span else 0.0
