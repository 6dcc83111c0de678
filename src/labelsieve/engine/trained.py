"""The result of a training method."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from labelsieve.engine.samples import Samples, logits


@dataclass(frozen=True, eq=False)
class Trained:
    """The result of a training method.

    Attributes:
        nets: the trained networks; the model's logits are the mean of theirs.
        settings: the values that the method chose, and what it chose them from, by name.
        p_wrong: (n,) the method's probability that each given label is wrong (a posterior, or 0 and 1 for kept and
            removed), or None.
    """

    nets: tuple[torch.nn.Module, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    p_wrong: np.ndarray | None = None

    def logits(self, samples: Samples) -> torch.Tensor:
        """Logits (n, K) float32 of the plain inputs."""
        return torch.stack([logits(net, samples) for net in self.nets]).mean(0)
