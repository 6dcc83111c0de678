"""The record of training dynamics: what was measured for each example in each epoch."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from labelsieve.core.arguments import require_path
from labelsieve.core.errors import UserError
from labelsieve.core.files import write_array

COLUMNS = {"loss": np.float32, "margin": np.float32, "p_y": np.float32, "argmax": np.int32}


@dataclass(frozen=True, eq=False)
class Record:
    """Training dynamics of n examples over E epochs. Row = epoch, column = position in the data set (not the order of
    the loader).

    Attributes:
        loss: (E, n) cross-entropy of the given label, whichever loss was used for training.
        margin: (E, n) logit of the given label minus the largest other logit (Pleiss et al. 2020, section 3).
        p_y: (E, n) softmax probability of the given label.
        argmax: (E, n) the predicted class.
    An example that was not seen in an epoch has NaN (argmax -1).
    """

    loss: np.ndarray
    margin: np.ndarray
    p_y: np.ndarray
    argmax: np.ndarray

    def __repr__(self) -> str:
        epochs, n = self.loss.shape
        return f"<Record: {epochs:,} {'epoch' if epochs == 1 else 'epochs'} of {n:,} examples>"

    @classmethod
    def empty(cls, epochs: int, n: int, folder: Path | None = None) -> Record:
        """A record to be filled: in memory, or memory-mapped `.npy` files under `folder`."""
        columns = {}
        for name, dtype in COLUMNS.items():
            if folder is None:
                column = np.empty((epochs, n), dtype)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                column = np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=(epochs, n))
            column[:] = -1 if name == "argmax" else np.nan
            columns[name] = column
        return cls(**columns)

    @classmethod
    def resume(cls, folder: Path) -> Record:
        """The record that `empty` created under `folder`, to continue filling it."""
        return cls(**{name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in COLUMNS})

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> Record:
        """A record written under `folder`, memory-mapped read-only.

        Raises:
            UserError: `folder` is not a path, or holds no record.
        """
        folder = require_path(folder, "The folder of the record")
        if absent := [name for name in COLUMNS if not (folder / f"{name}.npy").is_file()]:
            raise UserError(f"{folder} holds no record of training dynamics: {absent[0]}.npy is missing.")
        return cls(**{name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in COLUMNS})

    def save(self, folder: str | PathLike[str]) -> None:
        """Write it under `folder`, for `load`."""
        folder = require_path(folder, "The folder of the record")
        for name, dtype in COLUMNS.items():
            write_array(folder / f"{name}.npy", np.asarray(getattr(self, name), dtype))

    @np.errstate(over="ignore")  # beyond float32 the margin is infinite, the loss too, and p_y 0
    def write(self, epoch: int, index: np.ndarray | slice, logits: np.ndarray, target: np.ndarray) -> None:
        """Store the columns computed from `logits` (b, K) and given labels `target` (b,) at the positions `index`."""
        logits = np.asarray(logits, np.float32)
        rows = np.arange(len(target))
        given = logits[rows, target]
        top = logits.max(1, keepdims=True)
        log_sum = top[:, 0] + np.log(np.exp(logits - top).sum(1))
        best = logits.argmax(1)
        others = logits.copy()
        others[rows, target] = -np.inf
        self.loss[epoch, index] = log_sum - given
        self.margin[epoch, index] = given - others.max(1)
        self.p_y[epoch, index] = np.exp(given - log_sum)
        self.argmax[epoch, index] = best
