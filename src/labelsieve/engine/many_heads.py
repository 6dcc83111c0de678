"""Linear heads of several losses and several seeds in one sweep, each seed with its own shuffling.

A `Recipe` describes one step of a loss; the sweep does the step for all of them at once (`linear_heads.py`) instead of
each method's own loop. A head learns as `Linear` does with torch's SGD: features over sqrt(d), a bias, momentum that
accumulates gradients, not steps.
Differs from one head per run: if the device supports bfloat16 natively, features, and weights and gradients in the two
products, are rounded to it; weights, softmax and steps are float32. On four data sets (docs/compare.md) this changed no
mean accuracy by more than 0.02 points. In float32 throughout, only rounding differs. There is no record of training
dynamics and no checkpoint.
Cost: a step of M losses and S seeds is one gather of S b rows and, per seed, two products of (M K, d) by (d, b);
memory: one more copy of the features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from labelsieve.core.errors import UserError
from labelsieve.core.progress_callback import Progress
from labelsieve.engine import device
from labelsieve.engine.linear_heads import LinearHeads, TorchArrays
from labelsieve.engine.samples import Samples
from labelsieve.networks.heads import Linear

_ALIGNED = 8  # columns: rows with a multiple of 8 two-byte numbers are aligned for fast products


@dataclass(frozen=True, eq=False)
class Recipe:
    """How a head learns.

    Attributes:
        rates: the learning rate of each epoch.
        weight: (p_y of the given labels, epoch) -> weight of the gradient of cross-entropy (`stats.loss_weights`).
        pull: (p (N, K), rows (N,)) -> the term (N, K) that the loss adds to its gradient with respect to the logits;
            None adds nothing. Row s n + i is example i for seed s.
    """

    rates: Sequence[float]
    momentum: float
    weight_decay: float
    weight: Callable[[Tensor, int], Tensor]
    pull: Callable[[Tensor, Tensor], Tensor] | None = None

    @property
    def epochs(self) -> int:
        return len(self.rates)


def cosine_rates(lr: float, epochs: int, *, lowest: float = 0.0, cycle: int | None = None) -> list[float]:
    """The learning rates of torch's CosineAnnealingLR, or with `cycle` those of its CosineAnnealingWarmRestarts."""
    cycle = cycle or epochs
    return [lowest + (lr - lowest) * (1 + math.cos(math.pi * (epoch % cycle) / cycle)) / 2 for epoch in range(epochs)]


def together(
    samples: Samples,
    recipes: Sequence[Recipe],
    seeds: Sequence[int],
    *,
    batch: int,
    progress: Progress | None = None,
    precision: str | None = None,
) -> list[list[Linear]]:
    """Train one head per recipe and seed.

    Args:
        samples: features of unit variance, on the device.
        seeds: seeds of the order of rows.
        precision: precision of the two products, named as in `engine.device.precision`.

    Raises:
        UserError: a loss is not finite.
    """
    where = samples.inputs.device
    arrays = TorchArrays(where, device.precision(where, precision))
    done: dict[int, list[Linear]] = {}
    longest = max(recipe.epochs for recipe in recipes)
    with torch.inference_mode():
        x = _with_bias(samples.inputs, getattr(torch, arrays.products))
        heads = LinearHeads(arrays, x.shape[1], samples.classes, len(recipes), lanes=(len(seeds),))
        running = list(range(len(recipes)))
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for epoch in range(longest):
            still_running = [number for number in running if recipes[number].epochs > epoch]
            if still_running != running:
                done |= {number: _apart(heads, at, samples) for at, number in enumerate(running)}
                heads, running = heads.only([running.index(number) for number in still_running]), still_running
            batches = zip(*(samples.batches(batch, generator) for generator in generators), strict=True)
            _epoch(heads, x, samples.labels, [recipes[number] for number in running], epoch, batches)
            if not torch.isfinite(heads.w.sum()):
                raise UserError(
                    f"The loss is no longer a finite number in epoch {epoch + 1}; use a third of the learning rate, or "
                    "larger batches."
                )
            if progress:
                progress("train", epoch + 1, longest)
        done |= {number: _apart(heads, at, samples) for at, number in enumerate(running)}
    return [done[number] for number in range(len(recipes))]


def _epoch(
    heads: LinearHeads,
    x: Tensor,
    labels: Tensor,
    recipes: Sequence[Recipe],
    epoch: int,
    batches: Iterable[tuple[Tensor, ...]],
) -> None:
    columns = lambda of_heads: heads.arrays.put(heads.for_columns(np.array(of_heads, np.float32)))  # noqa: E731
    rate, decay = columns([r.rates[epoch] for r in recipes]), columns([r.weight_decay for r in recipes])
    momentum = columns([r.momentum for r in recipes])
    last_rate = columns([r.rates[max(epoch - 1, 0)] for r in recipes])
    first = momentum * rate / last_rate  # torch's momentum accumulates gradients; the velocity here is in steps
    for step, parts in enumerate(batches):
        rows = torch.stack(parts)  # (S, b)
        xb = x.index_select(0, rows.flatten()).view(*rows.shape, -1)
        y = labels[rows][..., None].expand(*rows.shape, len(recipes))
        weigh, pulls = partial(_weights, recipes, epoch), partial(_pulls, recipes, rows, len(labels))
        gradient = heads.gradient(heads.logits(xb), y, weigh, pulls)
        heads.step(xb, gradient, rate, momentum if step else first, decay)


def _weights(recipes: Sequence[Recipe], epoch: int, p_y: Tensor) -> Tensor:
    """The weights (S, b, M) for the probabilities of the labels (S, b, M)."""
    return torch.stack([recipe.weight(p_y[..., at], epoch) for at, recipe in enumerate(recipes)], -1)


def _pulls(recipes: Sequence[Recipe], rows: Tensor, n: int, p: Tensor) -> dict[int, Tensor]:
    """The terms (S, b, K) that some recipes add to their gradients, from p (S, b, K, M) and the rows (S, b) of n
    examples."""
    place = (rows + n * torch.arange(len(rows), device=rows.device)[:, None]).flatten()
    return {
        at: recipe.pull(p[..., at].flatten(0, 1), place).view(p[..., at].shape)
        for at, recipe in enumerate(recipes)
        if recipe.pull is not None
    }


def _with_bias(inputs: Tensor, kind: torch.dtype) -> Tensor:
    """(n, at least d + 1): the features over sqrt(d), a one for the bias, and zeros for alignment."""
    n, d = inputs.shape
    out = torch.zeros(n, -(-(d + 1) // _ALIGNED) * _ALIGNED, dtype=kind, device=inputs.device)
    out[:, :d] = inputs * d**-0.5
    out[:, d] = 1
    return out


def _apart(heads: LinearHeads, at: int, samples: Samples) -> list[Linear]:
    """The heads of one recipe, as one network per seed."""
    d, nets = samples.inputs.shape[1], []
    for w in heads.unfold(heads.w)[..., at]:  # (d + 1 and more, K)
        net = Linear(samples.classes, d).to(w.device)
        net.head.load_state_dict({"weight": w[:d].T, "bias": w[d]})
        nets.append(net)
    return nets
