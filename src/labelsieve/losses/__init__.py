"""Losses, one per file: first a function of (logits, target) that gives one number per example, then its `nn.Module`.

    from labelsieve import losses
    losses.blurry(logits, target, gamma=0.5)      # (n,)
    losses.Blurry(gamma=0.5)(logits, target)      # its mean

`losses.blurry` is the loss. Other names in its file are imported from there:
`from labelsieve.losses.blurry import ...`. `LOSSES` lists the losses that need only logits and target.
"""

from labelsieve.core.errors import UserError

try:
    from labelsieve.losses.blurry import Blurry, blurry, blurry_detached
    from labelsieve.losses.bootstrap import BootstrapHard, BootstrapSoft, bootstrap_hard, bootstrap_soft
    from labelsieve.losses.correction import (
        BackwardCorrection,
        ForwardCorrection,
        backward_correction,
        forward_correction,
    )
    from labelsieve.losses.cross_entropy import CrossEntropy, cross_entropy
    from labelsieve.losses.debiased import debiased_margin, debiased_probabilities, sharpen, update_prior
    from labelsieve.losses.elr import ELR, elr, elr_pull, elr_regulariser, remember, remember_probabilities
    from labelsieve.losses.focal import Focal, focal
    from labelsieve.losses.gce import GCE, gce, truncated_gce
    from labelsieve.losses.mean import mean_over
    from labelsieve.losses.mixing import draw_pairs, fmix, fmix_mask, mixed_cross_entropy, mixup
    from labelsieve.losses.piecewise_zero import PiecewiseZero, piecewise_zero
    from labelsieve.losses.sce import SCE, sce
except ImportError as error:
    raise UserError(f"labelsieve.losses needs PyTorch ({error}): pip install 'labelsieve[train]'") from error

LOSSES = (
    "cross_entropy",
    "focal",
    "blurry",
    "blurry_detached",
    "piecewise_zero",
    "gce",
    "truncated_gce",
    "sce",
    "bootstrap_hard",
    "bootstrap_soft",
)

__all__ = [
    "LOSSES",
    "BackwardCorrection",
    "Blurry",
    "BootstrapHard",
    "BootstrapSoft",
    "CrossEntropy",
    "ELR",
    "Focal",
    "ForwardCorrection",
    "GCE",
    "PiecewiseZero",
    "SCE",
    "backward_correction",
    "blurry",
    "blurry_detached",
    "bootstrap_hard",
    "bootstrap_soft",
    "cross_entropy",
    "debiased_margin",
    "debiased_probabilities",
    "draw_pairs",
    "elr",
    "elr_pull",
    "elr_regulariser",
    "fmix",
    "fmix_mask",
    "focal",
    "forward_correction",
    "gce",
    "mean_over",
    "mixed_cross_entropy",
    "mixup",
    "piecewise_zero",
    "remember",
    "remember_probabilities",
    "sce",
    "sharpen",
    "truncated_gce",
    "update_prior",
]
