"""A recorder of training dynamics that any loop can feed (the surface of Pleiss et al.'s `aum` package)."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.record import Record


class Recorder:
    """Collects the training dynamics of each example, epoch by epoch.

    >>> recorder = Recorder(n=3)
    >>> recorder.update(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0, 0]), np.array([0, 2]))
    >>> recorder.end_epoch()
    >>> recorder.record().argmax
    array([[ 0, -1,  1]], dtype=int32)
    """

    def __init__(self, n: int):
        """Create an empty recorder; `n` is the number of examples in the data set.

        Raises:
            UserError: n is not a whole number above 0.
        """
        if not isinstance(n, Integral) or n < 1:
            raise UserError(f"Recorder takes the number of examples, but n is {n!r}; write Recorder(n=len(train_set)).")
        self.n = int(n)
        self._epochs: list[Record] = []
        self._open: Record | None = None

    def __repr__(self) -> str:
        epochs = len(self._epochs) + (self._open is not None)
        return f"<Recorder: {epochs:,} {'epoch' if epochs == 1 else 'epochs'} of {self.n:,} examples>"

    def update(self, logits: Any, target: Any, index: Any) -> None:
        """Add one batch: logits (b, K), given labels (b,), positions (b,), as NumPy arrays or torch tensors of any
        device.

        Raises:
            UserError: the shapes do not fit, or a position is outside the data set or occurs twice in the batch. In an
                epoch an example counts once: if later batches show it again, the last one counts.
        """
        logits = _array(logits)
        if logits.dtype.kind not in "fiu":
            raise UserError(
                f"Recorder.update got logits of the type {logits.dtype}; pass numbers (b, K), as the model returns "
                "them."
            )
        target, index = (
            whole_numbers(target, "Recorder.update", "target"),
            whole_numbers(index, "Recorder.update", "index"),
        )
        if logits.ndim != 2 or target.shape != logits.shape[:1] or index.shape != target.shape:
            shapes = f"{logits.shape}, {target.shape}, {index.shape}"
            raise UserError(f"Recorder.update takes logits (b, K), target (b,) and index (b,); got {shapes}.")
        outside = index[(index < 0) | (index >= self.n)]
        if len(outside):
            raise UserError(f"Recorder.update got the position {outside[0]} in a data set of {self.n} examples.")
        if len(np.unique(index)) < len(index):
            twice = np.sort(index)[:-1][np.diff(np.sort(index)) == 0][0]
            raise UserError(
                f"Recorder.update got the position {twice} twice in one batch; index must be the position of each "
                "example in the data set, and a batch that is filled up with repeats must be cut first."
            )
        if ((target < 0) | (target >= logits.shape[1])).any():
            raise UserError(f"Recorder.update got a label outside 0..{logits.shape[1] - 1}.")
        if self._open is None:
            self._open = Record.empty(1, self.n)
        self._open.write(0, index, logits, target)

    def end_epoch(self) -> None:
        """Close the epoch; the next update starts a new one."""
        self._epochs.append(self._open if self._open is not None else Record.empty(1, self.n))
        self._open = None

    def record(self) -> Record:
        """Return everything recorded so far, including an epoch that is still open.

        Raises:
            UserError: nothing was recorded.
        """
        parts = [*self._epochs, *([self._open] if self._open is not None else [])]
        if not parts:
            raise UserError("The recorder is empty: call update(logits, target, index) in each training step.")
        return Record(
            **{
                name: np.concatenate([getattr(part, name) for part in parts])
                for name in ("loss", "margin", "p_y", "argmax")
            }
        )


def whole_numbers(values: Any, who: str, what: str) -> np.ndarray:
    """Return the values as int64.

    Raises:
        UserError: they are not whole numbers.
    """
    array = _array(values)
    if array.dtype.kind == "f" and np.array_equal(array, np.round(array)):
        return array.astype(np.int64)
    if array.dtype.kind not in "iub":
        meaning = "positions in the data set" if what == "index" else "positions of the classes"
        shown = f", such as {array.ravel()[0]!r}" if array.size and array.dtype.kind in "OUSf" else ""
        raise UserError(f"{who} got {what} of the type {array.dtype}{shown}; pass whole numbers from 0, {meaning}.")
    return array.astype(np.int64)


def _array(x: Any) -> np.ndarray:
    if hasattr(x, "detach"):  # a torch tensor, maybe on a GPU, maybe bfloat16
        x = x.detach().float().cpu() if x.is_floating_point() else x.detach().cpu()
    return np.asarray(x)
