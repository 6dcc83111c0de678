"""Mixup and FMix: the inputs of two examples mixed into one, and their labels in the same proportion.

Papers: Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018; Harris et al., "FMix: enhancing mixed
    sample data augmentation", 2020: a mask from thresholded low-frequency noise, spectrum falling with
    frequency^-decay.
Numbers: mixup Beta(32, 32) in dynamic bootstrapping, Beta(4, 4) with `dominant` in DivideMix and ProMix; FMix decay 3,
    alpha 1.
Randomness comes from a NumPy generator on any device, so that the same seed gives the same run.
Cost: one permutation of the batch; FMix one inverse FFT of the image size per batch.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from labelsieve.losses.cross_entropy import cross_entropy

HALVES = 32.0  # dynamic bootstrapping's alpha: lambda is 0.5, plus or minus 0.06
# A tenth of the steps of dynamic bootstrapping; with fewer, networks underfit on half-and-half mixtures.
ENOUGH = 12_000


def draw_pairs(n: int, alpha: float, rng: np.random.Generator, *, dominant: bool = False) -> tuple[float, Tensor]:
    """Draw lambda ~ Beta(alpha, alpha), and the partner of each example (n,). With alpha 0 nothing is mixed: lambda is
    1. With `dominant` lambda is at least 1/2, so that the first example has the larger part."""
    lam = float(rng.beta(alpha, alpha)) if alpha > 0 else 1.0
    return max(lam, 1 - lam) if dominant else lam, torch.from_numpy(rng.permutation(n))


def strength(steps: float) -> float:
    """The alpha of mixup against wrong labels in a run of `steps` steps: 32, or 1 if there are fewer than ENOUGH."""
    return HALVES if steps >= ENOUGH else 1.0


def mixup(inputs: Tensor, partner: Tensor, lam: float | Tensor) -> Tensor:
    """Lam x + (1 - lam) x[partner]; inputs (n, ...), partner (n,), lam a number or one for each example (n,)."""
    lam = torch.as_tensor(lam, dtype=inputs.dtype, device=inputs.device).reshape(-1, *[1] * (inputs.dim() - 1))
    return lam * inputs + (1 - lam) * inputs[partner.to(inputs.device)]


def fmix(inputs: Tensor, partner: Tensor, mask: Tensor) -> Tensor:
    """The pixels of x where the mask is 1, those of x[partner] where it is 0; inputs (n, C, H, W), mask (H, W)."""
    return torch.where(mask.to(inputs.device) > 0, inputs, inputs[partner.to(inputs.device)])


def fmix_mask(height: int, width: int, lam: float, rng: np.random.Generator, *, decay: float = 3.0) -> Tensor:
    """Mask (H, W) of 0 and 1 in large patches; lam is the expected share of ones."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    amplitude = np.maximum(frequency, 1 / max(height, width)) ** -decay
    spectrum = amplitude * (rng.standard_normal(amplitude.shape) + 1j * rng.standard_normal(amplitude.shape))
    grey = np.fft.irfft2(spectrum, s=(height, width)).ravel()
    ones = int(lam * height * width + rng.random())  # rounded at random: exact on average
    mask = np.zeros(height * width, np.float32)
    mask[np.argsort(-grey, kind="stable")[:ones]] = 1
    return torch.from_numpy(mask.reshape(height, width))


def mixed_cross_entropy(logits: Tensor, target: Tensor, partner: Tensor, lam: float | Tensor) -> Tensor:
    """Loss (n,) lam CE(y) + (1 - lam) CE(y[partner]); target positions (n,) or probabilities (n, K)."""
    other = target[partner.to(target.device)]
    return lam * cross_entropy(logits, target) + (1 - lam) * cross_entropy(logits, other)
