"""`timm:NAME`: any image model of timm, with our own linear head on its features."""

from __future__ import annotations

import torch
from torch import nn

from labelsieve.core.errors import UserError, meant


class TimmModel(nn.Module):
    def __init__(self, name: str, body: nn.Module, classes: int, width: int):
        super().__init__()
        self.name = name
        self.body = body
        self.head = nn.Linear(width, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, width) of images (b, C, H, W).

        Raises:
            UserError: the model takes images of one size only, and not these.
        """
        try:
            return self.body(x)
        except AssertionError as error:
            raise UserError(f"{self.name!r} cannot take images of {x.shape[-1]} px: {_line(error)}; give --side.") from error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


def timm_model(name: str, classes: int, channels: int, *, pretrained: bool) -> TimmModel:
    """The model `name` ("timm:..."); `pretrained` weights may be downloaded.

    Raises:
        UserError: timm cannot be imported, or has no such model or no way to its weights.
    """
    try:
        import timm
    except ImportError as error:
        raise UserError(f"The network {name!r} needs {error.name}, which is not installed: pip install timm torchvision") from error
    except RuntimeError as error:  # torchvision, whose operators are those of one version of torch
        raise UserError(f"timm cannot be imported ({_line(error)}); install the torchvision for torch {torch.__version__}.") from error
    own = name.removeprefix("timm:")
    try:
        body = timm.create_model(own, pretrained=pretrained, num_classes=0, in_chans=channels)
    except (RuntimeError, OSError, ValueError) as error:
        hint = "" if timm.is_model(own) else meant(own, timm.list_models())
        raise UserError(f"timm cannot make {name!r}: {_line(error)}.{hint}") from error
    width = getattr(body, "head_hidden_size", None) or body.num_features
    return TimmModel(name, body, classes, int(width))


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
