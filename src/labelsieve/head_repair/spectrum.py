"""Two heads compared by their singular components: how far label noise has moved the directions of a classifier.

Paper: Si et al., arXiv 2505.16159, 2025, analysis part: with few wrong labels the leading singular values and
directions hardly move; with more, the values shrink, the small ones first.
    phi(i, j) = ||U_i' U'_j||_F^2 / min(i, j)
        overlap of the i leading directions of one head with the j leading ones of the other, 0 to 1
    sin theta <= ||W - W'||_2 / (s_k(W) - s_{k+1}(W'))
        Wedin 1972, from the heads alone
    sin theta <= sigma_max(X) sqrt(n l) sqrt(p) / (delta (lambda_min(X'X) + lambda))
        the paper's bound, for ridge heads
Needs: two heads over the same features and the same classes in the same order. Heads of different networks live in
    different feature spaces: then compare their class space.
Differs: the paper does not define delta; here it is Wedin's gap s_k(W) - s_{k+1}(W'), with which both bounds are
    proved. Without a gap there is no bound, and it is reported as infinity. Heads of different size (other loss, other
    epochs) make ||W - W'|| large: only the angles and phi do not depend on scale.
Cost: two SVDs d x K.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.head_repair.lip import effective_rank


@dataclass(frozen=True, eq=False)
class Subspaces:
    """The comparison in one space, that of the features or of the classes.

    Attributes:
        phi: (r, r'), phi[i - 1, j - 1] for the i and j leading directions.
        angles: (k,) principal angles between the k leading directions, radians, ascending.
    """

    phi: np.ndarray
    angles: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """The comparison of two heads: the first is the reference (clean), the second the other (noisy).

    Attributes:
        first, second: (r,) singular values, descending.
        effective: the two effective ranks.
        k: the number of leading directions that the angles and the bound cover.
        gap: s_k(first) - s_{k+1}(second); change: the spectral norm of the difference.
        bound: Wedin's bound on the sine of the largest angle in either space, infinity without a gap.
    """

    first: np.ndarray
    second: np.ndarray
    effective: tuple[float, float]
    k: int
    features: Subspaces
    classes: Subspaces
    gap: float
    change: float
    bound: float

    def __repr__(self) -> str:
        largest = f"largest of {self.k} angles {np.degrees(self.features.angles[-1]):.1f} degrees"
        ranks = f"effective rank {self.effective[0]:.1f} and {self.effective[1]:.1f}"
        return f"Spectrum({len(self.first)} components, {ranks}, {largest})"


def compare(first: np.ndarray, second: np.ndarray, *, k: int | None = None) -> Spectrum:
    """Compare two heads (K, d).

    Args:
        k: number of leading directions to compare; by default the effective rank of the first head, below its rank.

    Raises:
        UserError: the heads differ in shape, or k is out of range.
    """
    first, second = (np.asarray(head, np.float64) for head in (first, second))
    if first.ndim != 2 or first.shape != second.shape or min(first.shape) == 0:
        raise UserError(
            f"Two heads must have the same shape (classes, features); these are {first.shape} and {second.shape}."
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise UserError("A head holds NaN or infinity, so it has no spectrum.")
    (u, s, vt), (u2, s2, vt2) = (np.linalg.svd(head.T, full_matrices=False) for head in (first, second))
    effective = (effective_rank(s), effective_rank(s2))
    k = max(1, min(round(effective[0]), len(s) - 1)) if k is None else k
    if not 1 <= k <= len(s):
        raise UserError(f"The heads have {len(s)} components; k = {k} is not from 1 to {len(s)}.")
    gap = float(s[k - 1] - (s2[k] if k < len(s2) else 0.0))
    change = float(np.linalg.norm(first - second, 2))
    return Spectrum(
        first=s,
        second=s2,
        effective=effective,
        k=k,
        features=Subspaces(overlap(u, u2), principal_angles(u[:, :k], u2[:, :k])),
        classes=Subspaces(overlap(vt.T, vt2.T), principal_angles(vt[:k].T, vt2[:k].T)),
        gap=gap,
        change=change,
        bound=change / gap if gap > 0 else float("inf"),
    )


def overlap(u: np.ndarray, u2: np.ndarray) -> np.ndarray:
    """Phi(i, j) for all i and j, (r, r'); orthonormal columns (d, r) and (d, r')."""
    shared = np.cumsum(np.cumsum((u.T @ u2) ** 2, axis=0), axis=1)
    i, j = np.indices(shared.shape) + 1
    return np.clip(shared / np.minimum(i, j), 0, 1)


def principal_angles(u: np.ndarray, u2: np.ndarray) -> np.ndarray:
    """Angles (k,) between the spans of orthonormal columns (d, k), ascending; small angles come from their exact
    sines."""
    cosines = np.clip(np.linalg.svd(u.T @ u2, compute_uv=False), 0, 1)
    sines = np.clip(np.linalg.svd(u2 - u @ (u.T @ u2), compute_uv=False)[::-1], 0, 1)
    return np.where(cosines > np.sqrt(0.5), np.arcsin(sines), np.arccos(cosines))


def ridge_bound(features: np.ndarray, n_classes: int, wrong: float, gap: float, ridge: float = 0.0) -> float:
    """The paper's bound on the sine of the angle between ridge heads on true and on noisy labels.

    Args:
        features: (n, d), X.
        wrong: share p of wrong labels. gap: delta, as `Spectrum.gap`. ridge: lambda.
    """
    squares = np.linalg.eigvalsh(np.asarray(features, np.float64).T @ np.asarray(features, np.float64))
    floor = gap * (max(squares[0], 0.0) + ridge)
    return float(np.sqrt(squares[-1] * len(features) * n_classes * wrong) / floor) if floor > 0 else float("inf")
