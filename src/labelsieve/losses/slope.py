"""Losses that bring their slopes along, for heads that train side by side: one graph for each of them would take most of the time.

Given `Predicted` instead of logits, the losses of linear heads return `Sloped` instead of a tensor. Their gradients with respect to the
logits are w (p - onehot(y)) with the w of `evidence.loss_weights`, and what is more (ELR). The tests compare both with automatic gradients.
Cost: two or three operations on one number an example; one log-softmax and one softmax of all heads serve every loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, NamedTuple, TypeVar, cast

import torch
from torch import Tensor

Loss = TypeVar("Loss", bound=Callable[..., Tensor])


class Predicted(NamedTuple):
    """What a head says of a batch.

    Attributes:
        p: (b, K) probabilities.
        labels: (b,) given labels.
        p_y, log_p_y: (b,) probability of the label, and its logarithm.
    """

    p: Tensor
    labels: Tensor
    p_y: Tensor
    log_p_y: Tensor

    def detach(self) -> Predicted:
        return self

    def for_labels(self, target: Tensor) -> Predicted:
        """Itself, if the target is the labels."""
        if target is not self.labels and not torch.equal(target, self.labels):
            raise ValueError(
                "Heads that train together know their slopes for the given labels and for no other target."
            )
        return self


@dataclass(slots=True)
class Sloped:
    """Losses (b,) of which a method takes the mean, and the slope of each.

    Attributes:
        weight: (b,); the gradient with respect to the logits is weight (p - onehot(y)) + more.
        more: (b, K). None is 0, of either.
    """

    value: Tensor
    weight: Tensor | None
    more: Tensor | None = None

    def mean(self) -> Sloped:
        """Itself: who trains several heads takes the means of all at once."""
        return self

    def __add__(self, other: Sloped) -> Sloped:
        return Sloped(self.value + other.value, _sum(self.weight, other.weight), _sum(self.more, other.more))

    def __rmul__(self, factor: float) -> Sloped:
        return Sloped(*(None if part is None else factor * part for part in (self.value, self.weight, self.more)))  # type: ignore[arg-type]


def _sum(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return other if one is None else one if other is None else one + other


def with_weight(weight: Callable[..., Tensor]) -> Callable[[Loss], Loss]:
    """The loss (logits, target, **settings), with the weight (predicted, **settings) that its gradient has."""

    def decorate(loss: Loss) -> Loss:
        @wraps(loss)
        def either(logits: Any, target: Tensor, **settings: Any) -> Any:
            value = loss(logits, target, **settings)
            return Sloped(value, weight(logits, **settings)) if isinstance(logits, Predicted) else value

        return cast(Loss, either)

    return decorate
