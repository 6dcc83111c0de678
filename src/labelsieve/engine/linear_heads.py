"""Many linear heads on the same features, trained in one sweep.

Every head is a block of K columns of one weight matrix, so that a batch costs one product X W and one product X^T G for
all of them. The gradient is analytic: w(p_y) (p - onehot(y)) with the w of `stats.loss_weights`, plus any term that a
loss adds. Gradient descent with momentum; a step is

    velocity <- momentum velocity - rate (X^T G / b + weight_decay W)        W <- W + velocity

The arithmetic is written once, for NumPy arrays and for torch tensors on any device. Heads that see the rows in
different orders are in separate lanes: X (S, b, d) and W (S, d, K H) instead of X (b, d) and W (d, K H).
Cost: 4 b d K H floating-point operations per step; memory: weights, velocity, one batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

Array = Any  # of NumPy or of torch


class NumPyArrays:
    """The operations of the sweep that differ between NumPy and torch, for NumPy."""

    xp: Any = np

    def put(self, array: np.ndarray) -> Array:
        return array

    def get(self, array: Array) -> np.ndarray:
        return array

    def zeros(self, *shape: int) -> Array:
        return np.zeros(shape, np.float32)

    def product(self, x: Array, w: Array) -> Array:
        """X (b, d) times W (d, C)."""
        return x @ w

    def back_product(self, x: Array, g: Array) -> Array:
        """X^T (d, b) times G (b, C)."""
        return x.T @ g

    def of_labels(self, p: Array, labels: Array) -> Array:
        """P_y (b, H) from p (b, K, H) and labels (b, H)."""
        return p[_cells(labels)]

    def subtract_one(self, p: Array, labels: Array) -> None:
        """P - onehot(labels), in place."""
        p[_cells(labels)] -= 1


def _cells(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.arange(len(labels))[:, None], labels, np.arange(labels.shape[1])[None, :]


@dataclass(frozen=True)
class TorchArrays:
    """The same for torch, with the rows of a batch innermost in memory, which is fastest for few classes.

    Attributes:
        device: where the tensors are.
        products: "float32" or "bfloat16", in which the two products are multiplied; everything else is float32.
    """

    device: torch.device | str
    products: str = "float32"

    @property
    def xp(self) -> Any:
        import torch

        return torch

    @property
    def _type(self) -> torch.dtype:
        return getattr(self.xp, self.products)

    def put(self, array: np.ndarray) -> Array:
        return self.xp.as_tensor(array, device=self.device)

    def get(self, array: Array) -> np.ndarray:
        return array.cpu().numpy()

    def zeros(self, *shape: int) -> Array:
        return self.xp.zeros(*shape[:-2], shape[-1], shape[-2], device=self.device).mT

    def product(self, x: Array, w: Array) -> Array:
        return (w.mT.to(self._type) @ x.mT).mT.float()

    def back_product(self, x: Array, g: Array) -> Array:
        return (g.mT.to(self._type) @ x).mT

    def of_labels(self, p: Array, labels: Array) -> Array:
        return p.gather(-2, labels[..., None, :])[..., 0, :]

    def subtract_one(self, p: Array, labels: Array) -> None:
        p.scatter_add_(-2, labels[..., None, :], p.new_full((1,), -1.0).expand(labels[..., None, :].shape))


class LinearHeads:
    """H heads of K classes.

    Attributes:
        w, velocity: (d, K H), or (S, d, K H). With few classes, column c * H + h is class c of head h; with many,
            column h * K + c. Either way, sums over classes run along the longer stretch, which is several times faster.
    """

    def __init__(self, arrays: Any, width: int, classes: int, heads: int, *, lanes: tuple[int, ...] = ()):
        self.arrays, self.classes, self.heads = arrays, classes, heads
        self.w = arrays.zeros(*lanes, width, classes * heads)
        self.velocity = arrays.zeros(*lanes, width, classes * heads)

    def only(self, kept: list[int]) -> LinearHeads:
        """Some of the heads, as they are now."""
        *lanes, width, _ = self.w.shape
        part = LinearHeads(self.arrays, width, self.classes, len(kept), lanes=tuple(lanes))
        part.w[:] = part.fold_up(self.unfold(self.w)[..., kept])
        part.velocity[:] = part.fold_up(self.unfold(self.velocity)[..., kept])
        return part

    def in_memory(self) -> LinearHeads:
        """The heads as NumPy arrays."""
        if isinstance(self.arrays, NumPyArrays):
            return self
        return heads_of(self.arrays.get(self.w), self.arrays.get(self.velocity), self.classes, self.heads)

    def logits(self, x: Array) -> Array:
        """(b, K, H) of a batch (b, d)."""
        return self.unfold(self.arrays.product(x, self.w))

    def gradient(
        self,
        logits: Array,
        labels: Array,
        weigh: Callable[[Array], Array],
        pulls: Callable[[Array], dict[int, Array]] = lambda p: {},
    ) -> Array:
        """The gradient of the losses with respect to the logits (b, K, H), which it overwrites.

        Args:
            labels: (b, H) positions of the classes.
            weigh: p_y (b, H) -> weight of each example's gradient of cross-entropy (b, H), 0 if a head does not see it.
            pulls: p (b, K, H) -> head -> the term (b, K) that its loss adds to the gradient.
        """
        p = softmax(self.arrays.xp, logits)
        added = pulls(p)
        weight = weigh(self.arrays.of_labels(p, labels))
        self.arrays.subtract_one(p, labels)
        p *= weight[..., None, :]
        for head, own in added.items():
            p[..., head] += own
        return p

    def step(self, x: Array, gradient: Array, rate: Array, momentum: Any, weight_decay: Any) -> None:
        """Make one step.

        Args:
            gradient: (b, K, H), overwritten.
            rate, momentum, weight_decay: numbers, or one per column, as from `for_columns`.
        """
        columns = self.fold_up(gradient)
        columns *= rate / x.shape[-2]
        self.velocity *= momentum
        self.velocity -= self.arrays.back_product(x, columns)
        self.velocity -= self.w * (rate * weight_decay)
        self.w += self.velocity

    def unfold(self, columns: Array) -> Array:
        """(b, K H) -> a view (b, K, H)."""
        leading = columns.shape[:-1]
        if self.classes > self.heads:
            return columns.reshape(*leading, self.heads, self.classes).swapaxes(-1, -2)
        return columns.reshape(*leading, self.classes, self.heads)

    def fold_up(self, logits: Array) -> Array:
        """The inverse of `unfold`, also a view."""
        if self.classes > self.heads:
            logits = logits.swapaxes(-1, -2)
        return logits.reshape(*logits.shape[:-2], -1)

    def for_columns(self, of_heads: np.ndarray) -> np.ndarray:
        """Numbers (H,) -> (K H,), the same for all columns of a head."""
        return np.repeat(of_heads, self.classes) if self.classes > self.heads else np.tile(of_heads, self.classes)


def heads_of(w: np.ndarray, velocity: np.ndarray, classes: int, heads: int) -> LinearHeads:
    """Heads with these weights and velocities (d, K H), which are copied."""
    out = LinearHeads(NumPyArrays(), len(w), classes, heads)
    out.w[:], out.velocity[:] = w, velocity
    return out


def softmax(xp: Any, logits: Array) -> Array:
    """Softmax over the classes of (b, K, H), or any second-to-last axis; overwrites its argument."""
    logits -= xp.amax(logits, -2, keepdims=True)
    xp.exp(logits, out=logits)
    logits /= xp.sum(logits, -2, keepdims=True)
    return logits
