"""LIP: repairs the weights of a classifier head that was trained on wrong labels, in closed form and without training.

Paper: Si, Cui, Yang, Yang, Shen, "Why can accurate models be learned from inaccurate annotations?", arXiv 2505.16159,
    2025.
Formula: in text, where u' is u transposed:
    W = sum_i s_i u_i v_i'   (float64 SVD of features x classes)
    PSP: the k leading components stay.   LAP: in the other components s_i becomes
    sigma_i = u_i' X' (Y - X W_k) v_i / |X u_i|^2 = u_i' X' Y v_i / |X u_i|^2
    which is the least-squares fit of the targets Y over these diagonal entries. W_k v_i = 0, so the residual term drops
    out, no sigma_i depends on k, and k can be chosen after one pass over the data.
Needs: X, the input of the same layer as W, for the training examples (eval mode, no augmentation), and their given
    labels.
When it helps: hardly ever, in our measurements on frozen features (docs/lip.md, bench/lip.py). Least-squares heads gain
    nothing, or about a point of clean accuracy under a strong ridge with 77 classes. Heads trained with cross-entropy
    have logits many times the size of one-hot targets, so sigma_i nearly removes the tail: they lose, the more, the
    fewer components are kept. `scale="head"` multiplies sigma_i by the size of the kept components; that loses and
    gains little. With 10 classes there are 10 components: keep = 0.9
    replaces one, which in a cross-entropy head is nearly empty.
Differs, where the paper says nothing: sigma_i may be negative and stays so, because that is the optimum. Components
    that are empty in W (s_i at rounding level, where u_i and v_i are arbitrary) or dead in X (|X u_i| = 0) get 0. The
    bias stays unchanged and Y is fitted as printed (`bias_as="row"` makes the bias one more row of W). k comes from a
    fraction, the energy, the effective rank or the accuracy on held-out *given* labels.
Cost: one SVD d x K and one product X U.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.shares import share

BLOCK = 4096  # rows of X in float64 at a time
DEAD = 1e-12  # of the largest |X u_i|^2

Scale = Literal["targets", "head"]


@dataclass(frozen=True, eq=False)
class Components:
    """The singular components of a head and the LAP value of each; nothing here depends on k.

    Attributes:
        weight: (K, d) the original weight, float64.
        u: (d, r), s: (r,), vt: (r, K), the thin SVD of the transposed weight.
        sigma: (r,) closed-form LAP value of every component.
    """

    weight: np.ndarray
    u: np.ndarray
    s: np.ndarray
    vt: np.ndarray
    sigma: np.ndarray

    def factor(self, k: int) -> float:
        """The size of the head relative to the targets: least squares of s_i on sigma_i over the kept (all, if k =
        0)."""
        s, sigma = (self.s[: k or None], self.sigma[: k or None])
        size = float(sigma @ sigma)
        return max(float(s @ sigma) / size, 0.0) if size > 0 else 1.0

    def diagonal(self, k: int, scale: Scale = "targets") -> np.ndarray:
        """The new diagonal (r,) in place of the singular values: s_i for the first k, then sigma_i."""
        tail = self.sigma * (self.factor(k) if scale == "head" else 1.0)
        return np.where(np.arange(len(self.s)) < k, self.s, tail)

    def repaired(self, k: int, scale: Scale = "targets") -> np.ndarray:
        """The repaired weight (K, d); k = r returns the original weight, to the last bit."""
        change = (self.diagonal(k, scale) - self.s)[k:]
        return self.weight + (self.u[:, k:] * change @ self.vt[k:]).T


@dataclass(frozen=True, eq=False)
class Repair:
    """A repaired head, and how it was repaired.

    Attributes:
        weight: (K, d) and bias (K,) or None, in the dtype of the originals.
        kept: k. diagonal: (r,) the new entries; the first k are unchanged.
    """

    weight: np.ndarray
    bias: np.ndarray | None
    kept: int
    components: Components
    diagonal: np.ndarray

    @property
    def ratio(self) -> np.ndarray:
        """(r,) sigma_i / s_i before any scale, NaN where s_i = 0; 1 means that the head has the size of its targets."""
        s = self.components.s
        return np.divide(self.components.sigma, s, out=np.full_like(s, np.nan), where=s > 0)


def lip(
    weight: np.ndarray,
    features: np.ndarray,
    labels: np.ndarray,
    *,
    bias: np.ndarray | None = None,
    keep: float | str = 0.9,
    held_out: tuple[np.ndarray, np.ndarray] | None = None,
    scale: Scale = "targets",
    bias_as: Literal["is", "row"] = "is",
    ridge: float = 0.0,
) -> Repair:
    """Repair the head W by PSP and LAP.

    Args:
        weight: (K, d), rows are classes, as `nn.Linear` and scikit-learn store it.
        features: (n, d) inputs of the layer for the training examples.
        labels: (n,) given labels as positions, or targets (n, K). Never true ones.
        bias: (K,), unchanged unless bias_as = "row".
        keep: fraction of the components to keep, or "energy:0.95", "effective-rank", "held-out".
        held_out: (features, given labels) that the head was not trained on, for keep = "held-out".
        scale: "targets" as printed, "head" scales sigma_i to the size of the kept components.
        ridge: added to |X u_i|^2.

    Raises:
        UserError: the shapes do not fit, values are not finite, or `keep` is not valid.
    """
    original = np.asarray(weight)
    original = original if original.dtype.kind == "f" else original.astype(np.float64)
    as_row = bias is not None and bias_as == "row"
    if as_row:
        original = np.concatenate([original, np.asarray(bias, original.dtype)[:, None]], axis=1)
        features = _with_ones(features)
        held_out = (_with_ones(held_out[0]), held_out[1]) if held_out is not None else None
    parts = components(original, features, labels, ridge=ridge)
    fixed = 0.0 if bias is None or as_row else np.asarray(bias, np.float64)
    k = choose_k(parts, keep, held_out=held_out, bias=fixed, scale=scale)
    new = parts.repaired(k, scale).astype(original.dtype)
    if as_row:
        return Repair(new[:, :-1].copy(), new[:, -1].copy(), k, parts, parts.diagonal(k, scale))
    return Repair(new, None if bias is None else np.array(bias), k, parts, parts.diagonal(k, scale))


def components(weight: np.ndarray, features: np.ndarray, labels: np.ndarray, *, ridge: float = 0.0) -> Components:
    """The SVD of weight (K, d) and sigma_i for every component, in one pass over features (n, d) and labels (n,) or
    targets (n, K)."""
    weight = np.asarray(weight)
    if weight.ndim != 2 or min(weight.shape) == 0 or not np.isfinite(weight).all():
        raise UserError(
            f"A head is a matrix (classes, features) of finite numbers; this one has the shape {weight.shape}."
        )
    targets = _checked(weight, features, labels)
    # Rounding level of the numbers in W; half precision holds values that were computed in float32.
    eps = np.finfo(np.float64 if weight.dtype == np.float64 else np.float32).eps
    weight = weight.astype(np.float64)
    u, s, vt = np.linalg.svd(weight.T, full_matrices=False)
    fit, power = np.zeros(len(s)), np.zeros(len(s))
    for start in range(0, len(features), BLOCK):
        along = _block(features, start, "features") @ u  # (rows, r)
        target = targets[start : start + BLOCK]
        fit += (
            ((along.T @ target.astype(np.float64)).T * vt.T).sum(0)
            if target.ndim == 2
            else (along * vt.T[target]).sum(0)
        )
        power += (along**2).sum(0)
    alive = (power > DEAD * power.max()) & (s > max(weight.shape) * eps * s[0])
    sigma = np.divide(fit, power + ridge, out=np.zeros_like(s), where=alive)
    return Components(weight, u, s, vt, sigma)


def choose_k(
    parts: Components,
    keep: float | str,
    *,
    held_out: tuple[np.ndarray, np.ndarray] | None = None,
    bias: np.ndarray | float = 0.0,
    scale: Scale = "targets",
) -> int:
    """How many leading components to keep; `lip` describes `keep`."""
    rule, _, number = str(keep).partition(":")
    if rule == "held-out" and not number:
        if held_out is None:
            raise UserError(
                "<keep> needs examples that the head was not trained on; pass them as <held_out>.",
                keep="held-out",
                held_out="",
            )
        return by_held_out(parts, *held_out, bias=bias, scale=scale)
    if rule == "effective-rank" and not number:
        return round(effective_rank(parts.s))
    try:
        kept = share(number if rule == "energy" else rule)
    except UserError:
        kept = -1.0
    if kept < 0 or (number and rule != "energy"):
        raise UserError(
            f"keep must be a fraction such as 0.9 or 90%, energy:0.95, effective-rank or held-out, not {keep!r}."
        )
    return by_energy(parts.s, kept) if rule == "energy" else int(kept * len(parts.s) + 0.5)


def by_energy(s: np.ndarray, share: float) -> int:
    """The smallest number of leading components with this share of sum s_i^2."""
    energy = np.concatenate([[0.0], np.cumsum(s**2)])
    return int(np.searchsorted(energy, share * energy[-1] * (1 - 1e-12)))


def effective_rank(s: np.ndarray) -> float:
    """Exp of the entropy of s_i / sum s: the number of components of a flat spectrum with that entropy; 0 for W = 0."""
    p = s[s > 0] / max(float(s.sum()), np.finfo(float).tiny)
    return float(np.exp(-(p * np.log(p)).sum())) if len(p) else 0.0


def by_held_out(
    parts: Components,
    features: np.ndarray,
    labels: np.ndarray,
    *,
    bias: np.ndarray | float = 0.0,
    scale: Scale = "targets",
) -> int:
    """The k with the best accuracy on held-out given labels (m,); of equals the largest, which changes least."""
    labels = _checked(parts.weight, features, labels)
    if labels.ndim != 1:
        raise UserError("Held-out labels are positions (m,), one per example.")
    right = np.zeros(len(parts.s) + 1, np.int64)
    for start in range(0, len(features), BLOCK):
        along = _block(features, start, "held-out features") @ parts.u
        for k in range(len(right)):
            right[k] += (
                (along * parts.diagonal(k, scale) @ parts.vt + bias).argmax(1) == labels[start : start + BLOCK]
            ).sum()
    return int(len(right) - 1 - np.argmax(right[::-1]))


def _block(features: np.ndarray, start: int, of: str) -> np.ndarray:
    """A block of float64 rows from `start`, all finite."""
    block = np.asarray(features[start : start + BLOCK], np.float64)
    if not np.isfinite(block).all():
        row = start + int(np.argmin(np.isfinite(block).all(1)))
        raise UserError(f"Row {row} of the {of} holds NaN or infinity; leave that example out.")
    return block


def _with_ones(features: np.ndarray) -> np.ndarray:
    features = np.asarray(features)
    return np.concatenate([features, np.ones((len(features), 1), features.dtype)], axis=1)


def _checked(weight: np.ndarray, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The labels, if everything fits together."""
    (k, d), labels = weight.shape, np.asarray(labels)
    if np.ndim(features) != 2 or np.shape(features)[1] != d:
        transposed = np.ndim(features) == 2 and np.shape(features)[1] == k
        swapped = " The head looks transposed: pass (classes, features)." if transposed else ""
        raise UserError(f"The head takes {d} features, but the features have the shape {np.shape(features)}.{swapped}")
    if len(labels) != len(features) or len(labels) == 0:
        raise UserError(
            f"There are {len(features)} rows of features and {len(labels)} labels; there must be one label per row."
        )
    if labels.ndim == 2 and labels.shape[1] == k and np.isfinite(labels).all():
        return labels
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise UserError(
            f"Labels must be whole-number positions (n,) or targets (n, {k}); these are {labels.shape} of "
            f"{labels.dtype}."
        )
    if labels.min() < 0 or labels.max() >= k:
        raise UserError(
            f"The head has {k} classes, but the labels go from {labels.min()} to {labels.max()}; check that these are "
            "its data."
        )
    return labels.astype(np.int64)
