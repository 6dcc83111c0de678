"""A trained model as ONNX, including the normalisation: raw input in, logits out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing
from labelsieve.engine.inputs import Scale
from labelsieve.engine.standardise import CUT


class _Whole(nn.Module):
    """Normalises its input and returns the mean of the networks' logits."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, nets: Sequence[nn.Module], scale: Scale, images: bool):
        super().__init__()
        shape = (-1, 1, 1) if images else (-1,)
        self.nets, self.cut, self.root = nn.ModuleList(nets), None if images else CUT, scale.root
        self.register_buffer("mean", torch.from_numpy(np.asarray(scale.mean, np.float32)).view(shape))
        self.register_buffer("scale", torch.from_numpy(np.asarray(1 / scale.std, np.float32)).view(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.sign() * x.abs().sqrt() if self.root else x
        x = (x - self.mean) * self.scale
        x = x if self.cut is None else x.clamp(-self.cut, self.cut)
        return torch.stack([net(x) for net in self.nets]).mean(0)


def require_onnx() -> None:
    """Check that ONNX files can be written.

    Raises:
        UserError: the package that writes ONNX is not installed.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise UserError(
            "ONNX export needs the package onnx; install it with: pip install 'labelsieve[train]'"
        ) from error


def export(nets: Sequence[nn.Module], scale: Scale, shape: tuple[int, ...], path: Path) -> None:
    """Write `path`, with "input" float32 (n, *shape), images in [0, 1], and "logits" (n, K).

    Raises:
        UserError: a package is missing.
    """
    require_onnx()
    whole = _Whole([net.cpu() for net in nets], scale, images=len(shape) == 3).eval()
    with replacing(path) as partial:
        torch.onnx.export(
            whole,
            (torch.zeros(2, *shape),),
            str(partial),
            input_names=["input"],
            output_names=["logits"],
            dynamic_axes={"input": {0: "n"}, "logits": {0: "n"}},
            dynamo=False,
        )
