"""Losses, one a file: a per-sample function over (logits, target) first, its `nn.Module` after it.

    from labelsieve import losses
    losses.blurry(logits, target, gamma=0.5)      # (n,)
    losses.Blurry(gamma=0.5)(logits, target)      # its mean

`LOSSES` names those that need nothing but logits and target, `PARTS` the others. Names load when they are first used, so that neither
`import labelsieve` nor the panel, which trains with `weights` on NumPy arrays, takes torch with it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

LOSSES = {
    "cross_entropy": "cross_entropy",
    "focal": "focal",
    "blurry": "blurry",
    "blurry_detached": "blurry",
    "piecewise_zero": "piecewise_zero",
    "gce": "gce",
    "truncated_gce": "gce",
    "sce": "sce",
    "bootstrap_hard": "bootstrap",
    "bootstrap_soft": "bootstrap",
}
PARTS = {
    "forward_correction": "correction",
    "backward_correction": "correction",
    "elr": "elr",
    "elr_regulariser": "elr",
    "remember": "elr",
    "draw_pairs": "mixing",
    "mixup": "mixing",
    "fmix": "mixing",
    "fmix_mask": "mixing",
    "mixed_cross_entropy": "mixing",
    "debiased_margin": "debiased",
    "debiased_probabilities": "debiased",
    "sharpen": "debiased",
    "update_prior": "debiased",
    "mean_over": "mean",
}
MODULES = {
    "CrossEntropy": "cross_entropy",
    "Focal": "focal",
    "Blurry": "blurry",
    "PiecewiseZero": "piecewise_zero",
    "GCE": "gce",
    "SCE": "sce",
    "BootstrapHard": "bootstrap",
    "BootstrapSoft": "bootstrap",
    "ForwardCorrection": "correction",
    "BackwardCorrection": "correction",
    "ELR": "elr",
}
_FILES = {**LOSSES, **PARTS, **MODULES}


class _Losses(ModuleType):
    """A name is the loss, never the file of the same name, in whatever order they are imported."""

    def __getattr__(self, name: str) -> Any:
        if name not in _FILES:
            raise AttributeError(f"labelsieve.losses has no {name!r}; it has: {', '.join(_FILES)}.")
        return getattr(import_module(f"{__name__}.{_FILES[name]}"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, getattr(value, name) if isinstance(value, ModuleType) and name in _FILES else value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_FILES})


sys.modules[__name__].__class__ = _Losses
