"""What ProMix trusts in a batch: matched high confidence (MHCS) and the guesses on which two networks agree (LGA), and
its rates.

Paper: Xiao et al., "ProMix", IJCAI 2023, sections 3.1 and 3.2. The class-wise small-loss part (CSS) is
`stats.small_loss.class_small_loss`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from labelsieve.stats.small_loss import PerClass


def matched(probabilities: Tensor, given: Tensor, tau: float) -> Tensor:
    """MHCS: bool (b,), the given label (b,) has a probability above tau; probabilities (b, K)."""
    return probabilities.gather(1, given[:, None])[:, 0] > tau


def agreed(one: Tensor, two: Tensor, chosen: Tensor, *, tau: float, fill: float) -> Tensor:
    """LGA: bool (b,), examples not chosen for which both networks (b, K) name the same class with probabilities above
    tau; the surest first, until a share `fill` of the batch is chosen."""
    (sure, name), (sure_too, name_too) = one.max(1), two.max(1)
    candidate = ~chosen & (name == name_too) & (sure > tau) & (sure_too > tau)
    order = torch.where(candidate, sure + sure_too, -1.0).argsort(descending=True, stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    return candidate & (place < int(fill * len(chosen)) - chosen.sum())


def chosen_rho(noise: float, *, short: bool = False, head: bool = False) -> float:
    """The share to select by small loss when about `noise` of the labels are wrong: the right ones even of a class with
    twice the noise of the average, but at least the authors' 0.5, and never more than nine tenths of the right ones of
    all. A short run, which learns little by heart and lacks examples more than clean labels, takes those nine tenths.
    So does a head on features, the more the less noise there is, up to all labels where none is wrong."""
    most = 0.9 * (1 - noise)
    if head:
        return max(1 - noise * (1 + min(noise / 0.3, 1)), min(0.5, most))
    return most if short else min(max(1 - 2 * noise, 0.5), most)


def quotas(given: np.ndarray, said: np.ndarray, n_classes: int, rho: float) -> PerClass | np.ndarray:
    """Of how many labels each class gives the share rho: "balanced", the paper's n / K, unless that takes a whole
    class, wrong labels and all. A class may be small because it is rare, and have wrong labels, or because its examples
    wear other labels, and have none: so the n are divided as the labels (n,) are that the networks `said` (n,) too; no
    class gets less than half of its size."""
    size, confirmed = (np.bincount(y, minlength=n_classes) for y in (given, given[said == given]))
    if size[size > 0].min() > rho * len(given) / n_classes:
        return "balanced"
    return np.maximum(len(given) * confirmed / max(confirmed.sum(), 1), size / 2)


def unlabelled_weight(epoch: int, epochs: int, highest: float) -> float:
    """Rises through the first 100 epochs (or a third of the run), then ends."""
    span = min(100, epochs / 3)
    return highest * epoch / span if epoch < span else 0.0
