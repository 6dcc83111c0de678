"""Training dynamics from the Hugging Face `Trainer`: a callback that feeds a `labelsieve.Recorder`.

A `TrainerCallback` gets neither the batch nor the logits, but it gets the model: this one registers two forward hooks
on the model during training. The first removes the positions from the batch, so that the model never sees them; the
second reads the logits. Any `Trainer` or subclass works, with any loss, label smoothing included.

The contract:
- the training set has a column "index", the position of each example:
  `train.add_column("index", list(range(len(train))))`;
- `TrainingArguments(remove_unused_columns=False)`, or the Trainer drops that column (you must then remove the columns
  that neither the model nor the collator can use, such as the raw text);
- the model returns "logits" (b, K), as all `...ForSequenceClassification` and `...ForImageClassification` do.
Evaluation is not recorded. Only one process with one GPU may train: each of several would see only a part of the data.
Cost: the logits of each batch are copied to the CPU, which waits for the GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from labelsieve.core.errors import UserError
from labelsieve.core.plain_values import plain_labels
from labelsieve.engine.recorder import Recorder, whole_numbers

try:
    from transformers import TrainerCallback
except ImportError as error:
    raise UserError(f"The Trainer callback needs transformers ({error}); pip install 'labelsieve[hf]'") from error


class RecorderCallback(TrainerCallback):
    """Feeds `recorder` in each training step and closes its epochs.

    Args:
        recorder: a `labelsieve.Recorder` for n examples.
        labels: (n,) int, the given labels by position (with label smoothing the model never sees them); or (n,) names,
            which the model's `label2id` converts to numbers.

    Example:
        recorder = labelsieve.Recorder(n=len(train))
        Trainer(model, args, train_dataset=train, callbacks=[RecorderCallback(recorder, train["label"])]).train()
        recorder.record()

    Raises:
        UserError: the labels cannot be used or are not one per example; in training, if the contract is broken, a name
            is missing in the model's `label2id`, or several processes or GPUs train.
    """

    def __init__(self, recorder: Recorder, labels: Any):
        if not isinstance(recorder, Recorder):
            raise UserError(f"RecorderCallback takes a labelsieve.Recorder, not {type(recorder).__name__}.")
        self.recorder = recorder
        values = plain_labels(labels, "labels")
        self._names = _label_names(values)
        self._labels = (
            np.zeros(len(values), np.int64)
            if self._names is not None
            else whole_numbers(values, "RecorderCallback", "labels")
        )
        if len(values) != recorder.n:
            raise UserError(
                f"RecorderCallback has {len(values)} labels, but its recorder is for {recorder.n} examples."
            )
        self._index: np.ndarray | None = None  # positions of the current batch
        self._hooks: list[Any] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        parts = max(args.world_size, args.n_gpu)
        if parts > 1:
            raise UserError(
                f"Training dynamics are recorded on one device, but {parts} train; start with CUDA_VISIBLE_DEVICES=0."
            )
        if self._names is not None:
            self._labels = _label_numbers(self._names, getattr(getattr(model, "config", None), "label2id", None) or {})
        self._unhook()  # an interrupted run leaves its hooks behind
        self._hooks = [
            model.register_forward_pre_hook(self._take_index, with_kwargs=True),
            model.register_forward_hook(self._record),
        ]

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.recorder.end_epoch()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._unhook()

    def _take_index(
        self, module: Any, positional: tuple[Any, ...], batch: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        index = batch.get("index")
        if module.training and index is None:
            raise UserError(
                "The batch has no column 'index' (position in the training set); add it and set "
                "remove_unused_columns=False."
            )
        self._index = None if index is None else index.cpu().numpy()
        return positional, {name: value for name, value in batch.items() if name != "index"}

    def _record(self, module: Any, positional: tuple[Any, ...], outputs: Any) -> None:
        if not module.training:
            return
        if not isinstance(outputs, Mapping) or "logits" not in outputs:
            raise UserError(
                f"{type(module).__name__} returns no 'logits'; the Trainer callback only records classifiers that do."
            )
        self.recorder.update(outputs["logits"], self._labels[self._index], self._index)

    def _unhook(self) -> None:
        while self._hooks:
            self._hooks.pop().remove()


def _label_names(labels: Any) -> list[str] | None:
    """The labels as names, None if they are numbers."""
    values = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    return values if values and all(isinstance(value, str) for value in values) else None


def _label_numbers(names: list[str], known: Mapping[str, int]) -> np.ndarray:
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise UserError(
            f"The label {unknown!r} is not a class of the model (its config.label2id has "
            f"{', '.join(map(repr, list(known)[:5]))}); pass RecorderCallback the numbers that the model is trained "
            "on, or make the model with label2id."
        )
    return np.array([known[name] for name in names], np.int64)
