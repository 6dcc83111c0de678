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
from typing import TYPE_CHECKING, Any

from labelsieve.core.errors import UserError

if TYPE_CHECKING:  # for those who read types; at run time `_Losses` fetches them
    from labelsieve.losses.blurry import Blurry as Blurry
    from labelsieve.losses.blurry import blurry as blurry
    from labelsieve.losses.blurry import blurry_detached as blurry_detached
    from labelsieve.losses.bootstrap import BootstrapHard as BootstrapHard
    from labelsieve.losses.bootstrap import BootstrapSoft as BootstrapSoft
    from labelsieve.losses.bootstrap import bootstrap_hard as bootstrap_hard
    from labelsieve.losses.bootstrap import bootstrap_soft as bootstrap_soft
    from labelsieve.losses.correction import BackwardCorrection as BackwardCorrection
    from labelsieve.losses.correction import ForwardCorrection as ForwardCorrection
    from labelsieve.losses.correction import backward_correction as backward_correction
    from labelsieve.losses.correction import forward_correction as forward_correction
    from labelsieve.losses.cross_entropy import CrossEntropy as CrossEntropy
    from labelsieve.losses.cross_entropy import cross_entropy as cross_entropy
    from labelsieve.losses.debiased import debiased_margin as debiased_margin
    from labelsieve.losses.debiased import debiased_probabilities as debiased_probabilities
    from labelsieve.losses.debiased import sharpen as sharpen
    from labelsieve.losses.debiased import update_prior as update_prior
    from labelsieve.losses.elr import ELR as ELR
    from labelsieve.losses.elr import elr as elr
    from labelsieve.losses.elr import elr_regulariser as elr_regulariser
    from labelsieve.losses.elr import remember as remember
    from labelsieve.losses.focal import Focal as Focal
    from labelsieve.losses.focal import focal as focal
    from labelsieve.losses.gce import GCE as GCE
    from labelsieve.losses.gce import gce as gce
    from labelsieve.losses.gce import truncated_gce as truncated_gce
    from labelsieve.losses.mean import mean_over as mean_over
    from labelsieve.losses.mixing import draw_pairs as draw_pairs
    from labelsieve.losses.mixing import fmix as fmix
    from labelsieve.losses.mixing import fmix_mask as fmix_mask
    from labelsieve.losses.mixing import mixed_cross_entropy as mixed_cross_entropy
    from labelsieve.losses.mixing import mixup as mixup
    from labelsieve.losses.piecewise_zero import PiecewiseZero as PiecewiseZero
    from labelsieve.losses.piecewise_zero import piecewise_zero as piecewise_zero
    from labelsieve.losses.sce import SCE as SCE
    from labelsieve.losses.sce import sce as sce

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
        try:
            return getattr(import_module(f"{__name__}.{_FILES[name]}"), name)
        except ImportError as error:
            raise UserError(
                f"labelsieve.losses.{name} needs PyTorch ({error}): pip install 'labelsieve[train]'"
            ) from error

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, getattr(value, name) if isinstance(value, ModuleType) and name in _FILES else value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_FILES})


sys.modules[__name__].__class__ = _Losses
