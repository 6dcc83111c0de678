"""Training dynamics from a Lightning loop: a callback that feeds a `labelsieve.Recorder`.

The contract: `training_step` returns a dict with these keys besides "loss":
    "logits" (b, K), detached, so that Lightning does not keep the graph of the step alive,
    "target" (b,) the given labels,
    "index"  (b,) positions in the data set, which returns them with each example: `return x, y, i`.
Lightning (2.0 or newer, as `lightning` or `pytorch_lightning`) passes that dict on, in automatic and in manual
optimisation. A step may return None (Lightning then skips the batch): it is not recorded, and a warning at the end
counts such steps. If every step of an epoch returns None, as a loop with manual optimisation may, there is nothing to
record, which is an error. Validation is not recorded. Only one process may train: each process of a distributed run
sees only a part of the data.
Cost: the logits of each batch are copied to the CPU, which waits for the GPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.engine.recorder import Recorder

try:
    from lightning.pytorch import Callback
except ImportError:
    try:
        from pytorch_lightning import Callback
    except ImportError as error:
        raise UserError(
            f"The Lightning callback needs Lightning ({error}); pip install 'labelsieve[lightning]'"
        ) from error

KEYS = ("logits", "target", "index")


class RecorderCallback(Callback):  # pyright: ignore[reportGeneralTypeIssues] - either of two packages
    """Feeds `recorder` in each training step and closes its epochs.

        recorder = labelsieve.Recorder(n=len(train_set))
        Trainer(max_epochs=10, callbacks=[RecorderCallback(recorder)]).fit(module, train_loader)
        recorder.record()

    Raises:
        UserError: in training, if `training_step` breaks the contract, or several processes train.
    """

    def __init__(self, recorder: Recorder):
        super().__init__()
        if not isinstance(recorder, Recorder):
            raise UserError(f"RecorderCallback takes a labelsieve.Recorder, not {type(recorder).__name__}.")
        self.recorder = recorder
        self._skipped = self._recorded = 0  # number of steps: in total, in this epoch

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.world_size > 1:
            raise UserError(
                f"Training dynamics are recorded in one process, but {trainer.world_size} train; use devices=1."
            )

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if outputs is None or (isinstance(outputs, Mapping) and not outputs):  # Lightning turns None into {}
            self._skipped += 1
            return
        absent = [key for key in KEYS if not isinstance(outputs, Mapping) or key not in outputs]
        if absent:
            raise UserError(
                f"training_step did not return {', '.join(absent)}; to be recorded it must return a dict with loss, "
                f"{', '.join(KEYS)}."
            )
        self.recorder.update(*(outputs[key] for key in KEYS))
        self._recorded += 1

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if self._recorded == 0 and self._skipped:
            raise UserError(
                "training_step returned None in every step of the epoch, so nothing was recorded; "
                f"to be recorded it must return a dict with loss, {', '.join(KEYS)}."
            )
        self._recorded = 0
        self.recorder.end_epoch()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        if self._skipped:
            steps = "1 step" if self._skipped == 1 else f"{self._skipped} steps"
            warnings.warn(
                f"training_step returned None in {steps}; their examples count as unseen in those epochs.",
                stacklevel=2,
            )
        self._skipped = 0
