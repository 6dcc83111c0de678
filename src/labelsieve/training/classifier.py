"""A trained classifier: its folder, its predictions on new data, and its accuracy."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from labelsieve.core.arguments import require_path
from labelsieve.core.dataset import KINDS, Dataset, Exclusion
from labelsieve.core.errors import UserError
from labelsieve.core.extras import need_torch
from labelsieve.core.files import scratch
from labelsieve.data import require_no_columns
from labelsieve.encode import Encoded, arrays
from labelsieve.encode.arrays import Progress
from labelsieve.encode.pixel_levels import Levels
from labelsieve.encode.pixels import pixels
from labelsieve.engine import model_file
from labelsieve.engine.progress import with_progress
from labelsieve.networks import NETWORKS
from labelsieve.networks import network as named
from labelsieve.places.at_addresses import at_addresses, written_to_address
from labelsieve.store import run
from labelsieve.store.run_copies import read_model

if TYPE_CHECKING:
    from torch import nn

    from labelsieve.engine.inputs import Scale
    from labelsieve.training.predictions import Predictions
    from labelsieve.training.score import Score

EXAMPLES = "examples.parquet"


@dataclass(frozen=True, eq=False)
class Model:
    """A trained classifier.

    Attributes:
        nets: its networks; the logits of the model are the mean of theirs.
        classes: the classes that it was trained on, in the order of its outputs.
        manifest: the content of `model.json`.
        scale: the normalisation of inputs, from the training data.
        excluded: examples that could not be trained on, and why.
        p_wrong: (n,) the method's probability that each given label is wrong, or None; for the n training examples, in
            the order of `examples.parquet`.
    """

    nets: tuple[nn.Module, ...]
    classes: tuple[str, ...]
    manifest: dict[str, Any]
    scale: Scale
    excluded: tuple[Exclusion, ...] = field(default=())
    p_wrong: np.ndarray | None = None

    def __repr__(self) -> str:
        method, nets = self.manifest.get("method", "a method of its own"), len(self.nets)
        networks = f"{nets} networks" if nets > 1 else "1 network"
        return f"<Model trained by {method}: {networks} {self.manifest['network']!r}, {len(self.classes):,} classes>"

    @classmethod
    @at_addresses(folder=read_model)
    def load(cls, folder: str | Path, network: Callable[[int], nn.Module] | None = None) -> Model:
        """Load the model in a folder; `network` makes its network if that was a function of the user.

        Raises:
            UserError: the folder holds no finished model, or the weights do not fit the network.
        """
        need_torch("Model.load")
        import torch

        from labelsieve.engine.inputs import Scale

        folder = require_path(folder, "The model folder")
        weights, manifest = model_file.load(folder)
        try:
            classes, take, name = tuple(manifest["classes"]), manifest["input"], manifest["network"]
            if network is None and name not in NETWORKS and not name.startswith("timm:"):
                raise UserError(
                    f"The network {name!r} of {folder} is your own; load the model in Python with Model.load(folder, "
                    "network)."
                )
            make = network or named(name, images=take["kind"] == "image", width=take["width"], pretrained=False)
            nets = tuple(make(len(classes)).eval() for _ in range(manifest["nets"]))
            for i, net in enumerate(nets):
                own = {
                    key.removeprefix(f"net{i}."): torch.from_numpy(a)
                    for key, a in weights.items()
                    if key.startswith(f"net{i}.")
                }
                net.load_state_dict(own)
            scale = Scale(weights["input.mean"], weights["input.std"], bool(weights["input.root"]))
            return cls(nets, classes, manifest, scale, *_of_training(folder))
        except (KeyError, TypeError) as error:
            raise UserError(f"{folder} holds a model that `labelsieve train` did not write (no {error}).") from error
        except RuntimeError as error:
            what = f"the network {manifest['network']!r} with {len(manifest['classes'])} classes"
            raise UserError(
                f"The weights in {folder} do not fit {what}; the folder mixes two models. Train the model again."
            ) from error

    def save(self, folder: Path, **more: Any) -> None:
        """Write weights and manifest into a folder, both at once; `more` is added to the manifest."""
        weights = {
            f"net{i}.{key}": value.cpu().numpy()
            for i, net in enumerate(self.nets)
            for key, value in net.state_dict().items()
        }
        scale = {f"input.{name}": np.asarray(part) for name, part in self.scale._asdict().items()}
        model_file.save(folder, {**weights, **scale}, {**self.manifest, **more})

    @with_progress
    def probabilities(
        self,
        data: Dataset | Any,
        *,
        device: str | None = None,
        progress: Progress | Literal[False] | None = None,
        **columns: Any,
    ) -> tuple[Dataset, np.ndarray]:
        """Return the examples that could be read, and their probabilities (n, K) float32.

        Args:
            data: a `Dataset`, or anything `labelsieve.load` takes; it need not have labels (`columns`: label, text,
                image, id).

        Raises:
            UserError: the data differ from the training data in kind or width.
        """
        import torch

        from labelsieve.data import load_inputs
        from labelsieve.engine.device import pick
        from labelsieve.engine.inputs import samples
        from labelsieve.engine.trained import Trained

        take = self.manifest["input"]
        data = data if isinstance(data, Dataset) else load_inputs(data, feature_columns=take.get("columns"), **columns)
        with scratch() as folder:
            data, inputs, _ = read_inputs(data, folder, take, progress or None)
            if inputs.shape[1] != take["width"]:
                raise UserError(
                    f"{data.source or 'The data'} has {inputs.shape[1]} features, but the model was trained on "
                    f"{take['width']}."
                )
            ready, _ = samples(inputs, np.zeros(len(inputs), np.int64), len(self.classes), self.scale)
        where = pick(device)
        nets = tuple(net.to(where) for net in self.nets)
        return data, torch.softmax(Trained(nets).logits(ready.to(where)), 1).cpu().numpy()

    @at_addresses(out=written_to_address)
    def predict(
        self,
        data: Dataset | Any,
        *,
        out: str | os.PathLike[str] | None = None,
        image: str | None = None,
        text: str | None = None,
        label: str | None = None,
        id: str | None = None,
        device: str | None = None,
        progress: Progress | Literal[False] | None = None,
    ) -> Predictions:
        """Predict the label of each example, with its probability.

        Args:
            data: a `Dataset`, or anything `ls.load` takes; it need not have labels.
            out: a CSV file to write: id, label, probability.
            image, text, label, id: columns of a table; labels are ignored.
            device: "cpu", "cuda", "mps"; None takes a GPU if there is one.

        Raises:
            UserError: the data differ from the training data in kind or width, or `out` holds something else.
        """
        from labelsieve.training.predictions import Predictions, csv_file

        columns = {"image": image, "text": text, "label": label, "id": id}
        file = None if out is None else csv_file(out, data)
        require_no_columns(data, columns)
        data, probs = self.probabilities(data, device=device, progress=progress, **columns)
        predictions = Predictions(data.ids, self.classes, probs, data.excluded, data.notes)
        if file is not None:
            predictions.save(file)
        return predictions

    def score(
        self,
        data: Dataset | Any,
        *,
        image: str | None = None,
        text: str | None = None,
        label: str | None = None,
        id: str | None = None,
        labels: Any = None,
        split: str | Sequence[str] | None = None,
        device: str | None = None,
        progress: Progress | Literal[False] | None = None,
    ) -> Score:
        """How often the model predicts the given label: accuracy, and recall and precision of each class.

        Args:
            data: a `Dataset`, or anything `ls.load` takes, with labels.
            image, text, label, id: columns of a table.
            labels, split: labels to use instead of those in the source, and the splits to read, as in `ls.load`.
            device: "cpu", "cuda", "mps"; None takes a GPU if there is one.

        Raises:
            UserError: the data are of another kind, or hold a class that the model was not trained on.
        """
        from labelsieve.data import load_test
        from labelsieve.training.score import measure

        columns = {"image": image, "text": text, "label": label, "id": id}
        require_no_columns(data, {**columns, "labels": labels, "split": split})
        if not isinstance(data, Dataset):
            features = self.manifest["input"].get("columns")
            data = load_test(data, labels=labels, split=split, feature_columns=features, **columns)
        _require_kind(data, self.manifest["input"])  # before the classes
        return measure(self, data, device=device, progress=progress)


def _of_training(folder: Path) -> tuple[tuple[Exclusion, ...], np.ndarray | None]:
    """The excluded training examples, and p_wrong (n,); empty for a model that `repair` wrote."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    excluded, examples, p_wrong = folder / run.EXCLUDED, folder / EXAMPLES, None
    if examples.exists():
        with pa.OSFile(os.fsencode(examples)) as file:  # a name need not be UTF-8
            if "p_wrong" in pq.read_schema(file).names:
                p_wrong = pq.read_table(file, columns=["p_wrong"])["p_wrong"].to_numpy()
    return run.read_excluded(excluded, then="train the model again") if excluded.exists() else (), p_wrong


def export_onnx(model: Model, path: str | Path) -> None:
    """Write the model as ONNX: input float32 (n, C, side, side) in [0, 1], or features (n, d); output logits (n, K).

    Raises:
        UserError: a package is missing.
    """
    from labelsieve.engine.onnx_export import export

    take = model.manifest["input"]
    shape = (take["width"], take["side"], take["side"]) if take["kind"] == "image" else (take["width"],)
    export(model.nets, model.scale, shape, Path(path))


def read_inputs(
    data: Dataset,
    folder: Path,
    take: dict[str, Any],
    progress: Progress | None,
    *,
    encode: Callable[..., Encoded] | None = None,
    pixels: Callable[..., tuple[np.ndarray, list[tuple[int, str]], np.ndarray]] = pixels,
) -> tuple[Dataset, np.ndarray, dict[str, Any]]:
    """The examples that can be read, their pixels or features, and the input settings: kind, side, width, encoder.
    `encode` and `pixels`, if given, do what those of `labelsieve.encode` do."""
    if data.kind == "probs":
        raise UserError("Probabilities cannot be the inputs of a model; pass the images, texts or features instead.")
    _require_kind(data, take)
    if data.kind == "features":
        data = data.by_name(take.get("columns"))
        loaded = np.asarray(data.inputs)
        columns = {} if data.columns is None else {"columns": list(data.columns.names)}
        return data, loaded, {"kind": "features", "of": "features", "width": loaded.shape[1], **columns}
    levels = Levels.of(take["levels"]) if take.get("levels") else None
    if take["kind"] == "features":
        encoder, side = take.get("encoder"), take.get("side")
        loaded = arrays.features(data, folder, encoder=encoder, side=side, levels=levels, progress=progress, run=encode)
        settings = {
            "kind": "features",
            "of": data.kind,
            "width": loaded.values.shape[1],
            "encoder": loaded.option,
            "side": side,
        }
        return loaded.data, loaded.values, settings | _kept(loaded)
    side, channels = take.get("side"), take.get("width")
    loaded = arrays.pixels(data, folder, side=side, channels=channels, levels=levels, read=pixels)
    _, channels, side, _ = loaded.values.shape
    return loaded.data, loaded.values, {"kind": "image", "of": "image", "width": channels, "side": side} | _kept(loaded)


def _kept(loaded: arrays.Arrays) -> dict[str, Any]:
    """How images of more than 8 bits are scaled for the model; {} if there are none."""
    return {"levels": loaded.levels.plain()} if loaded.levels.plain() else {}


def _require_kind(data: Dataset, take: dict[str, Any]) -> None:
    expected = take.get("of", "image" if take["kind"] == "image" else data.kind)
    if data.kind != expected:
        raise UserError(f"{data.source or 'The data'} holds {KINDS[data.kind]}; this model takes {KINDS[expected]}.")
