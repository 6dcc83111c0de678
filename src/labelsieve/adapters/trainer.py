"""Training dynamics out of the Hugging Face `Trainer`: a callback that feeds a `labelsieve.Recorder`.

A `TrainerCallback` is shown neither the batch nor the logits, but it is shown the model: this one hangs two forward hooks on it while
it trains. The first takes the positions out of the batch, so that the model never sees them; the second reads the logits. Any `Trainer`
and subclass will do, whatever its loss, label smoothing included.

The contract:
- the training set has a column "index", the position of each example: `train.add_column("index", list(range(len(train))))`;
- `TrainingArguments(remove_unused_columns=False)`, or the Trainer drops that column (and then what neither the model nor the collator
  understands, such as the raw text, is yours to remove);
- the model returns "logits" (b, K), as all `...ForSequenceClassification` and `...ForImageClassification` do.
Evaluation is not recorded. One process and one GPU only: others would see only a part of the data, so more are refused.
Cost: the logits of each batch are copied to the CPU, which waits for the GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.train.recorder import Recorder

try:
    from transformers import TrainerCallback
except ImportError as error:
    raise UserError(f"The Trainer callback needs transformers ({error}); pip install labelsieve[hf] accelerate") from error


class RecorderCallback(TrainerCallback):
    """Feeds `recorder` in each training step and closes its epochs.

    Args:
        recorder: a `labelsieve.Recorder` for n examples.
        labels: (n,) int, the given labels by position (under label smoothing the model never gets to see them).

    Example:
        recorder = labelsieve.Recorder(n=len(train))
        Trainer(model, args, train_dataset=train, callbacks=[RecorderCallback(recorder, train["label"])]).train()
        recorder.record()

    Raises:
        UserError: in training, if the contract is not kept, or several processes or GPUs train.
    """

    def __init__(self, recorder: Recorder, labels: Any):
        self.recorder = recorder
        self._labels = np.asarray(labels)
        self._index: np.ndarray | None = None  # of the batch that is in the model now
        self._hooks: list[Any] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        parts = max(args.world_size, args.n_gpu)
        if parts > 1:
            raise UserError(f"Training dynamics are recorded on one device, and {parts} train; start with CUDA_VISIBLE_DEVICES=0.")
        self._unhook()  # a run that was broken off left them
        self._hooks = [
            model.register_forward_pre_hook(self._take_index, with_kwargs=True),
            model.register_forward_hook(self._record),
        ]

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.recorder.end_epoch()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._unhook()

    def _take_index(self, module: Any, positional: tuple[Any, ...], batch: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        index = batch.get("index")
        if module.training and index is None:
            raise UserError("The batch has no column 'index' (position in the training set); add it and set remove_unused_columns=False.")
        self._index = None if index is None else index.cpu().numpy()
        return positional, {name: value for name, value in batch.items() if name != "index"}

    def _record(self, module: Any, positional: tuple[Any, ...], outputs: Any) -> None:
        if not module.training:
            return
        if not isinstance(outputs, Mapping) or "logits" not in outputs:
            raise UserError(f"{type(module).__name__} returns no 'logits'; the Trainer callback records classifiers that return them.")
        self.recorder.update(outputs["logits"], self._labels[self._index], self._index)

    def _unhook(self) -> None:
        while self._hooks:
            self._hooks.pop().remove()
