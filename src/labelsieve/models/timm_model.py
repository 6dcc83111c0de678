"""`timm:NAME`: any image model of timm, with our own linear head on its features."""

from __future__ import annotations

import torch
from torch import nn

from labelsieve.core.errors import UserError


class TimmModel(nn.Module):
    def __init__(self, body: nn.Module, classes: int, width: int):
        super().__init__()
        self.body = body
        self.head = nn.Linear(width, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, width) of images (b, C, H, W)."""
        return self.body(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


def timm_model(name: str, classes: int, channels: int, *, pretrained: bool) -> TimmModel:
    """The model `name` ("timm:..."); `pretrained` weights may be downloaded.

    Raises:
        UserError: timm is not installed, or has no such model.
    """
    try:
        import timm
    except ImportError as error:
        raise UserError(f"The network {name!r} needs timm; install it with: pip install timm") from error
    try:
        body = timm.create_model(name.removeprefix("timm:"), pretrained=pretrained, num_classes=0, in_chans=channels)
    except (RuntimeError, OSError, ValueError) as error:
        raise UserError(f"timm cannot make {name!r}: {str(error).strip().splitlines()[0]}") from error
    width = getattr(body, "head_hidden_size", None) or body.num_features
    return TimmModel(body, classes, int(width))
