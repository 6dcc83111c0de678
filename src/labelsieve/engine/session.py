"""One training run as its method sees it: resumable epochs, the seed, the record of training dynamics, the progress.

A method writes its loop over `session.epochs(total, net=net, optimiser=optimiser, ...)`. After each epoch all state
named there is saved (temporary name, rename). A later run with the same folder continues after the last complete epoch,
with the same numbers.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labelsieve.core.arguments import shown
from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing
from labelsieve.core.record import Record
from labelsieve.engine import distributed

CHECKPOINT = "checkpoint.pt"

LOGS = ("log", "log_metrics", "add_scalar")  # methods of a logger, one of which is called


class Session:
    """One training run.

    Attributes:
        generator: the run's random numbers, on the CPU; every random draw of a method comes from it.
        numpy: the same for NumPy.
        history: one dict per epoch: its number, the mean loss, the values passed to `log`.
        dynamics: the record of training dynamics, from the recorded steps.
    """

    def __init__(
        self,
        n: int,
        *,
        seed: int = 0,
        folder: Path | None = None,
        key: Any = "",
        progress: Callable[[str, int, int], None] | None = None,
        logger: Any = None,
    ):
        """Prepare a run.

        Args:
            n: number of examples.
            folder: the folder of the checkpoint; None writes none.
            key: everything that the run depends on, a text or a dict of parts; a checkpoint with another key is
                refused.
            progress: called with (sentence, epochs done, epochs).
            logger: anything with log(dict) (Weights & Biases), log_metrics(dict, step) (MLflow) or add_scalar(name,
                value, step).
        """
        if logger is not None and not any(hasattr(logger, name) for name in LOGS):
            raise UserError(f"logger is {shown(logger)}; give an object that has {', '.join(LOGS[:-1])} or {LOGS[-1]}.")
        torch.manual_seed(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.numpy = np.random.default_rng(seed)
        self.history: list[dict[str, float]] = []
        self.n, self._folder, self._key, self._progress, self._logger = n, folder, key, progress, logger
        self._now: dict[str, float] = {}
        self._record: list[Record] = []
        self._open: Record | None = None
        self._losses: list[torch.Tensor] = []
        self._rate = 0.0
        self._stages = 0

    def epochs(self, total: int, stage: str = "train", /, **state: Any) -> Iterator[int]:
        """Yield the epoch numbers 0 to total - 1, without those that the checkpoint has completed.

        A loop that is complete in the checkpoint yields nothing and restores nothing, so a later loop must name all the
        state that it needs from earlier loops.

        Args:
            stage: name of this loop, for a method with several loops.
            state: all state that changes from epoch to epoch: objects with state_dict and load_state_dict, generators,
                tensors (changed in place), lists and dicts of plain values (changed in place).
        """
        number, self._stages = self._stages, self._stages + 1
        kept = distributed.by_first(lambda: self._read(number))
        done = self._restore(kept, state) if kept else 0
        for epoch in range(done, total):
            self._now, self._open = {}, None
            self._losses.clear()
            yield epoch
            self._close(stage, epoch, total)
            self._save(number, epoch + 1, state)

    def step(self, loss: torch.Tensor, optimiser: torch.optim.Optimizer, *, clip: float | None = None) -> None:
        """Make one optimiser step on a scalar loss.

        Raises:
            UserError: the loss is not finite.
        """
        self._losses.append(loss.detach())
        self._rate = optimiser.param_groups[0]["lr"]
        if loss.device.type == "cpu":  # on a GPU once per epoch, so that steps need not wait
            self._finite()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        distributed.average(parameters)
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimiser.step()

    def _finite(self) -> None:
        if not torch.isfinite(
            self._losses[-1] if self._losses[-1].device.type == "cpu" else torch.stack(self._losses).sum()
        ):
            raise UserError(
                f"The loss is no longer a finite number in epoch {len(self.history) + 1}, at a learning rate of "
                f"{self._rate:.3g}. Train again in another folder with a third of this rate (<lr>), or with larger "
                "batches.",
                lr="",
            )

    def log(self, **values: float) -> None:
        """Add numbers of this epoch to the history and the logger."""
        self._now |= {name: float(value) for name, value in values.items()}

    def record(self, rows: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Record a training step: positions (b,), logits (b, K), given labels (b,)."""
        if self._open is None:
            self._open = Record.empty(1, self.n)
        self._open.write(0, rows.cpu().numpy(), logits.detach().float().cpu().numpy(), labels.cpu().numpy())

    @property
    def dynamics(self) -> Record | None:
        """The record of all epochs in which steps were recorded, or None."""
        if not self._record:
            return None
        return Record(
            **{
                name: np.concatenate([getattr(r, name) for r in self._record])
                for name in ("loss", "margin", "p_y", "argmax")
            }
        )

    def _close(self, stage: str, epoch: int, total: int) -> None:
        if self._losses:
            self._finite()
            self._now = {"loss": torch.stack(self._losses).mean().item(), **self._now}
            self._losses.clear()
        if self._open is not None:
            self._record.append(self._open)
        self.history.append({"epoch": len(self.history) + 1, **self._now})
        if self._progress:
            values = ", ".join(f"{name} {value:.3g}" for name, value in self._now.items() if math.isfinite(value))
            self._progress(f"{stage}: {values}" if values else stage, epoch + 1, total)
        if self._logger is not None:
            _log_to(self._logger, self.history[-1])

    def _save(self, stage: int, done: int, state: dict[str, Any]) -> None:
        if self._folder is None or distributed.rank() > 0:
            return
        kept = {
            "key": self._key,
            "stage": stage,
            "done": done,
            "state": {name: _get(value) for name, value in state.items()},
            "generator": self.generator.get_state(),
            "torch": torch.get_rng_state(),
            "numpy": self.numpy.bit_generator.state,
            "history": self.history,
            "record": [
                {name: torch.from_numpy(getattr(r, name)) for name in ("loss", "margin", "p_y", "argmax")}
                for r in self._record
            ],
        }
        try:
            with replacing(self._folder / CHECKPOINT) as partial, open(partial, "wb") as file:
                torch.save(kept, file)
        except (OSError, RuntimeError) as error:  # RuntimeError: what torch makes of a full disk
            why = getattr(error, "strerror", None) or "is the disk full?"
            raise UserError(
                f"The checkpoint in {self._folder} cannot be written ({why}); the previous checkpoint is intact. Fix "
                "this and run the same command again."
            ) from error

    def _read(self, stage: int) -> dict[str, Any] | None:
        """The checkpoint as far as this loop needs it, or None if the loop has not begun."""
        path = None if self._folder is None else self._folder / CHECKPOINT
        if path is None or not path.exists():
            return None
        try:
            kept = torch.load(path, weights_only=True, map_location="cpu")
        except Exception as error:  # a damaged archive raises whatever its reader meets first
            raise UserError(
                f"{path} is damaged ({type(error).__name__}); remove it to start from the beginning."
            ) from error
        if kept["key"] != self._key:
            raise UserError(
                f"{path} belongs to a different run ({_difference(kept['key'], self._key)}); choose another folder "
                "with <out>, or remove the file to start from the beginning.",
                out="",
            )
        if kept["stage"] < stage:
            return None
        return kept if kept["stage"] == stage else {"done": 10**9}

    def _restore(self, kept: dict[str, Any], state: dict[str, Any]) -> int:
        """Take over the state in a checkpoint; returns the number of complete epochs of the loop."""
        if "state" not in kept:
            return kept["done"]
        for name, value in state.items():
            try:
                _set(value, kept["state"][name])
            except (RuntimeError, ValueError, KeyError) as error:
                raise UserError(
                    f"{self._folder and self._folder / CHECKPOINT} belongs to a network of another shape; choose "
                    "another folder with <out>, or remove the file to start from the beginning.",
                    out="",
                ) from error
        self.generator.set_state(kept["generator"])
        torch.set_rng_state(kept["torch"])
        self.numpy.bit_generator.state = kept["numpy"]
        self.history[:] = kept["history"]
        self._record[:] = [Record(**{name: column.numpy() for name, column in r.items()}) for r in kept["record"]]
        return kept["done"]

    def finish(self) -> None:
        """Remove the checkpoint, because the run is complete and saved elsewhere."""
        if self._folder is not None and (self._folder / CHECKPOINT).exists():
            os.unlink(self._folder / CHECKPOINT)


def _difference(saved: Any, current: Any) -> str:
    if not isinstance(saved, dict) or not isinstance(current, dict):
        return "data, method or settings differ"
    names = [name for name in current if saved.get(name) != current[name]]
    single = len(names) == 1 and names[0] not in ("settings", "data")
    return f"{', '.join(names)} {'differs' if single else 'differ'}"


def _get(value: Any) -> Any:
    if hasattr(value, "state_dict"):
        return value.state_dict()
    if isinstance(value, torch.Generator):
        return value.get_state()
    return value.clone() if isinstance(value, torch.Tensor) else value


def _set(value: Any, kept: Any) -> None:
    if hasattr(value, "load_state_dict"):
        value.load_state_dict(kept)
    elif isinstance(value, torch.Generator):
        value.set_state(kept)
    elif isinstance(value, torch.Tensor):
        value.copy_(kept)
    elif isinstance(value, list):
        value[:] = kept
    else:
        value.clear()
        value.update(kept)


def _log_to(logger: Any, values: dict[str, float]) -> None:
    step = int(values["epoch"])
    if hasattr(logger, "add_scalar"):
        for name, value in values.items():
            logger.add_scalar(name, value, step)
    elif hasattr(logger, "log_metrics"):
        logger.log_metrics(values, step)
    else:
        logger.log(values)
