"""What a robust method leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from labelsieve.engine.samples import Samples, logits


@dataclass(frozen=True, eq=False)
class Trained:
    """
    Attributes:
        nets: the trained networks; the model's logits are the mean of theirs.
        settings: what the method chose, and from what, name by name.
        p_wrong: (n,) the method's own belief that each given label is wrong (a posterior, or 0 and 1 for chosen and not), or None.
    """

    nets: tuple[torch.nn.Module, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    p_wrong: np.ndarray | None = None

    def logits(self, samples: Samples) -> torch.Tensor:
        """(n, K) float32 of the plain inputs."""
        return torch.stack([logits(net, samples) for net in self.nets]).mean(0)
