"""`timm:NAME`: any image model of timm, with our own linear head on its features."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn

from labelsieve.core.errors import UserError, first_line, meant
from labelsieve.core.image_sides import refusal


class TimmModel(nn.Module):
    """A model of timm with a linear head.

    Args:
        side: pixels of the images that the model was made for, if known.
    """

    def __init__(self, name: str, body: nn.Module, classes: int, width: int, side: int | None = None):
        super().__init__()
        self.name, self.side = name, side
        self.body = body
        self.head = nn.Linear(width, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, width) from images (b, C, H, W).

        Raises:
            UserError: the model does not take images of this size; the message names a size that works.
        """
        try:
            return self._pooled(x)
        except Exception as error:
            if self._refuses(x, x.shape[-1]) is None:  # not the size is at fault
                raise
            raise refusal(self.name, x.shape[-1], error, partial(self._refuses, x), self.side) from error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))

    def _pooled(self, x: torch.Tensor) -> torch.Tensor:
        states = self.body(x)
        states = states.mean((2, 3)) if states.ndim == 4 else states.mean(1) if states.ndim == 3 else states
        if states.shape != (len(x), self.head.in_features):
            raise ValueError(f"its features have the shape {tuple(states.shape)}")
        return states

    def _refuses(self, x: torch.Tensor, side: int) -> Exception | None:
        """The error of the model for two images similar to those of x, of this side; None if it takes them."""
        training = self.training
        try:
            with torch.no_grad():
                self.eval()
                self._pooled(self.head.weight.new_zeros((2, x.shape[1], side, side)))
        except Exception as error:
            return error
        finally:
            self.train(training)
        return None


def timm_model(name: str, classes: int, channels: int, *, pretrained: bool) -> TimmModel:
    """The model `name` ("timm:..."); `pretrained` weights may be downloaded.

    Raises:
        UserError: timm cannot be imported, does not have the model, or cannot get its weights.
    """
    try:
        import timm
    except ImportError as error:
        raise UserError(
            f"The network {name!r} needs {error.name}, which is not installed: pip install 'labelsieve[timm]'"
        ) from error
    except RuntimeError as error:  # torchvision, whose operators need one version of torch
        raise UserError(
            f"timm cannot be imported ({first_line(error)}); install the torchvision for torch {torch.__version__}."
        ) from error
    own = name.removeprefix("timm:")
    try:
        body: Any = timm.create_model(own, pretrained=pretrained, num_classes=0, in_chans=channels)
    except Exception as error:  # models raise any error if a name, an option or the network is wrong
        hint = "" if timm.is_model(own) else meant(own, timm.list_models())
        raise UserError(f"timm cannot make {name!r}: {first_line(error)}.{hint}") from error
    width = getattr(body, "head_hidden_size", None) or body.num_features
    side = (getattr(body, "pretrained_cfg", None) or {}).get("input_size", (None, None))[1]
    return TimmModel(name, body, classes, int(width), side)
