"""The order of the steps of training: read, method, model folder."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from labelsieve import methods, pipeline
from labelsieve.core.arguments import require_path, require_seed
from labelsieve.core.dataset import Dataset, require_classes
from labelsieve.core.errors import EmptyClass, UserError
from labelsieve.core.extras import need_torch
from labelsieve.core.files import scratch
from labelsieve.core.shares import share
from labelsieve.data import as_dataset
from labelsieve.engine.progress import with_progress
from labelsieve.places.at_addresses import at_addresses
from labelsieve.places.working_copy import place
from labelsieve.store.open_run import Run
from labelsieve.store.run_copies import read_run, write_model
from labelsieve.training import noise_rate
from labelsieve.training.classifier import Model, Progress, export_onnx, read_inputs
from labelsieve.training.model_folder import claim, replaced, save
from labelsieve.training.own_network import maker, require_maker, try_out
from labelsieve.training.settings import settings as method_settings

if TYPE_CHECKING:
    from torch import nn

    from labelsieve.core.findings import Findings
    from labelsieve.engine.samples import Samples
    from labelsieve.engine.session import Session
    from labelsieve.engine.trained import Trained

LOG = logging.getLogger(__name__)
METHOD = "standard"


@with_progress
def train(
    data: Dataset | Any,
    *,
    method: str = METHOD,
    network: str | Callable[[int], nn.Module] | None = None,
    out: str | PathLike[str] | None = None,
    epochs: int | None = None,
    lr: float | None = None,
    batch: int | None = None,
    settings: Mapping[str, Any] | None = None,
    run: str | PathLike[str] | Run | Findings | None = None,
    drop_flagged: bool = False,
    noise: float | str | None = None,
    features: bool = False,
    encoder: str | None = None,
    side: int | None = None,
    image: str | None = None,
    text: str | None = None,
    label: str | None = None,
    id: str | None = None,
    labels: Any = None,
    split: str | Sequence[str] | None = None,
    seed: int = 0,
    device: str | None = None,
    precision: str | None = None,
    onnx: bool = False,
    progress: Progress | Literal[False] | None = None,
    logger: Any = None,
) -> Model:
    """Train a classifier that is robust to wrong labels. A killed run continues after its last complete epoch.

    There are many parameters because each is an option of the command `train`: five name columns of a table, as in
    `ls.load`, and three are settings that every method has.

    Args:
        data: a `Dataset`, or anything `ls.load` takes.
        method: a name from `labelsieve.methods.METHODS`.
        network: a name from `labelsieve.networks.NETWORKS`, "timm:NAME", or a function that takes the number of
            classes; None is "linear" for features, ResNet-18 for images on a GPU, a small network for images on a CPU.
        out: the model folder; None writes nothing.
        epochs, lr, batch: values instead of the method's defaults.
        settings: further hyper-parameters of the method by name.
        run: findings on these data (a run folder, a `Run` or `Findings`); the method may use their share of wrong
            labels.
        drop_flagged: leave out the examples that `run` flagged.
        noise: the share of wrong labels, if it is known, as 0.2 or "20%". If a method needs it and neither this nor
            `run` is given, `find` estimates it (the consensus on the default encoder's features, or on the training
            features). If that fails, the method estimates it.
        features: train a head on the features of an encoder instead of a network on the images. For texts this is
            always so.
        encoder, side: the encoder as in `find`; the side of the images, None uses their own size, clipped to 16..64.
        image, text, label, id: columns of a table.
        labels, split: given labels to use instead of those in the source, and the splits to read, as in `ls.load`.
        seed: same seed, same model.
        device: "cpu", "cuda", "mps"; None takes a GPU if there is one.
        precision: "float32" or "bfloat16" for the products of a network (a linear head uses float32); None is bfloat16
            if the device supports it natively.
        onnx: write model.onnx into the model folder too.
        progress: called with (sentence, epochs done, epochs). None draws a bar on stderr in a terminal and in a
            notebook, False never.
        logger: as in `Session`.

    Raises:
        UserError: the data, the settings or the folder cannot be used; the message says why and what to do.

    >>> model = ls.train("photos/", method="promix", out="photos.model")  # doctest: +SKIP
    """
    need_torch("train")
    from labelsieve.engine import distributed
    from labelsieve.training import same_everywhere

    noise = share(noise, "The share of wrong labels") if isinstance(noise, str) else noise
    function = methods.method(method)
    named = _named(settings, epochs=epochs, lr=lr, batch=batch, noise=noise)
    require_maker(network)
    _require_onnx(onnx, out)
    seed, where, precision = require_seed(seed), *_placed(device, precision)
    progress = progress if progress and distributed.rank() == 0 else None
    with distributed.together(resumes=out is not None), scratch() as spare_folder:
        same_everywhere.require_same_program(_versions())
        same_everywhere.require_same_call(
            method=method, **named, seed=seed, precision=precision, drop_flagged=drop_flagged, features=features,
            encoder=encoder, side=side,
        )  # fmt: skip
        all_data = as_dataset(data, image=image, text=text, label=label, id=id, labels=labels, split=split)
        _require_use(all_data, features=features, encoder=encoder, side=side)
        same_everywhere.require_same_data(all_data)

        @at_addresses(out=_model_of_first, run=_run_of_first)
        def fitted(out: Any, run: Any) -> Model:
            data, expected = _for_training(all_data, run, drop_flagged, noise)
            take = {"kind": "image" if all_data.kind == "image" and not features else "features"}
            take |= {"side": side, "encoder": encoder}
            ready = _made_ready(data, all_data, out, spare_folder, take, where, progress)
            name, make = maker(network, ready.take, where, precision)
            if not isinstance(network, str | None):
                try_out(make, name, ready.samples)
            products = "float32" if name == "linear" else precision
            chosen = method_settings(function, method, ready.take["kind"], len(ready.data), named, expected)
            noise_note = _fill_in_noise(chosen, ready, seed, progress)
            identity = _identity(method, name, chosen, seed, products, ready)
            LOG.info("%s: %s on %s in %s, %d examples; %s", method, name, where, products, len(ready.data), chosen)
            session = _session(identity, ready, seed, progress, logger)
            trained = _run(partial(function, ready.samples, make, session, **chosen), method, named, ready.data)
            trained = _settled(trained, ready, chosen)
            unused = expected is not None and "noise" not in chosen and not drop_flagged
            unused_note = f"The share of wrong labels was given, but {method} does not use it." if unused else None
            model = _model(trained, ready, identity, [noise_note, unused_note, ready.replaces])
            if ready.folder is not None and distributed.rank() == 0:
                save(model, ready.folder, ready.data, session, trained, ready.samples)
                if onnx:
                    export_onnx(model, ready.folder / "model.onnx")
            distributed.by_first(lambda: None)  # the others keep their parts until the model is saved
            _forget_part(out)
            return model

        return fitted(out, run)


@contextmanager
def _model_of_first(address: str) -> Iterator[Path]:
    """Process 0 alone holds the working copy of the model folder. The others get the path that it would have here, and
    wait until it is uploaded."""
    from labelsieve.engine import distributed

    with ExitStack() as copy:
        folder = distributed.by_first(lambda: copy.enter_context(write_model(address)))
        yield folder if distributed.rank() == 0 else place(address)
        distributed.by_first(copy.close)


@contextmanager
def _run_of_first(address: str) -> Iterator[Path]:
    """The working copy of process 0, which alone reads the run."""
    from labelsieve.engine import distributed

    with ExitStack() as copy:
        yield distributed.by_first(lambda: copy.enter_context(read_run(address)))


@dataclass(frozen=True, eq=False)
class _Ready:
    """The inputs of the method.

    Attributes:
        data, inputs: the n examples that could be read, and their pixels or features.
        take: the input settings of the model: kind, side, width, encoder.
        samples, scale: the normalised inputs on the device, and their normalisation.
        folder: the model folder, or None.
        replaces: a note on the model that is in the folder now, or None.
        digest: a hash of the data and the inputs.
    """

    data: Dataset
    inputs: np.ndarray
    take: dict[str, Any]
    samples: Samples
    scale: Any
    folder: Path | None
    replaces: str | None
    digest: str


def _placed(device: str | None, precision: str | None) -> tuple[Any, str]:
    """The device of this process, and the precision of products on it."""
    from labelsieve.engine import device as devices
    from labelsieve.engine import distributed

    where = distributed.join(devices.pick(device))
    return where, devices.precision(where, precision)


def _for_training(whole: Dataset, run: Any, drop: bool, noise: float | None) -> tuple[Dataset, float | None]:
    """The training data and the share of wrong labels, according to the findings of `run`."""
    if run is None:
        if drop:
            raise UserError(
                "<drop_flagged> leaves out the examples that `find` flagged; pass its run folder as <run>.",
                drop_flagged=True,
                run="RUN",
            )
        return whole, noise
    from labelsieve.engine import distributed

    keep, dropped, expected = distributed.by_first(lambda: noise_rate.of_run(whole, run, drop=drop))
    return whole.take(keep, dropped), expected if noise is None else noise


def _made_ready(
    data: Dataset, whole: Dataset, out: Any, spare: Path, take: dict[str, Any], where: Any, progress: Progress | None
) -> _Ready:
    """Claim the folder, read the inputs and put them on the device. Of several processes the first claims the folder,
    and each reads a part."""
    from labelsieve.engine import distributed
    from labelsieve.engine.inputs import samples
    from labelsieve.training import divided_reading, same_everywhere

    def claimed() -> tuple[Path | None, str | None]:
        folder = None if out is None else claim(require_path(out, "out, the model folder,"), data.source)
        return folder, None if folder is None else replaced(folder)

    folder, replaces = distributed.by_first(claimed)
    data, inputs, take = read_inputs(
        data,
        _parts(out) or folder or spare,
        take,
        progress,
        encode=divided_reading.encode,
        pixels=divided_reading.pixels,
    )
    require_classes(data)
    _require_each_class(data, whole)
    ready, scale = samples(inputs, data.labels, len(data.classes))
    digest = _hash(data, inputs)
    same_everywhere.require_same_hashes(inputs=digest)
    return _Ready(data, inputs, take, ready.to(where), scale, folder, replaces, digest)


def _parts(out: Any) -> Path | None:
    """Where a process other than the first, whose disk need not hold the model folder, keeps its part of the features
    until the training has finished; None for the first, which keeps it in the model folder."""
    from labelsieve.engine import distributed

    if distributed.rank() == 0 or out is None:
        return None
    folder = require_path(out, "out, the model folder,")
    return folder.with_name(f"{folder.name}.process-{distributed.rank()}")


def _forget_part(out: Any) -> None:
    folder = _parts(out)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _fill_in_noise(chosen: dict[str, Any], made: _Ready, seed: int, progress: Progress | None) -> str | None:
    """Set the share of wrong labels to the estimate of `find` if the method needs one; return a note on it."""
    if "noise" not in chosen or chosen["noise"] is not None:
        return None
    from labelsieve.engine import distributed

    features = replace(made.data, kind="features", inputs=made.inputs)
    data = made.data if made.take["kind"] == "image" else features
    chosen["noise"], note = distributed.by_first(
        lambda: noise_rate.estimated(data, made.folder, f"{made.digest} {seed}", seed=seed, progress=progress)
    )
    return note


def _identity(
    method: str, network: str, chosen: dict[str, Any], seed: int, precision: str, made: _Ready
) -> dict[str, Any]:
    """The part of the manifest that identifies how the model is made; a checkpoint belongs to it."""
    about = {"method": method, "network": network, "settings": chosen, "seed": seed, "precision": precision}
    return {**about, "input": made.take, "data_hash": made.digest}


def _session(identity: dict[str, Any], made: _Ready, seed: int, progress: Progress | None, logger: Any) -> Session:
    from labelsieve.engine.session import Session

    key = {part.replace("data_hash", "data"): json.dumps(value, default=str) for part, value in identity.items()}
    return Session(len(made.data), seed=seed, folder=made.folder, key=key, progress=progress, logger=logger)


def _settled(trained: Trained, made: _Ready, chosen: dict[str, Any]) -> Trained:
    """The trained networks without wrappers and with the batch statistics of all data."""
    from labelsieve.engine.batch_statistics import settle
    from labelsieve.engine.joint_batch_norm import apart
    from labelsieve.engine.wrapped_network import unwrap

    trained = replace(trained, nets=tuple(unwrap(net) for net in trained.nets))
    for net in trained.nets:
        apart(net)
    settle(trained.nets, made.samples, steps=chosen["epochs"] * len(made.data) / chosen["batch"])
    return trained


def _model(trained: Trained, made: _Ready, identity: dict[str, Any], notes: list[str | None]) -> Model:
    """The model with its manifest."""
    data = made.data
    more = {
        "chosen": trained.settings,
        "nets": len(trained.nets),
        "heads": [f"net{i}.head.weight" for i, net in enumerate(trained.nets) if hasattr(net, "head")],
        "source": data.source,
        "noise": _noise(data),
    }
    sentences = [*data.notes, *filter(None, [*notes, _single(data), _silent(trained, made.samples, data)])]
    manifest = {
        "finished": True,
        "classes": data.classes,
        **identity,
        **more,
        "notes": sentences,
        "versions": _versions(),
    }
    plain = json.loads(json.dumps(manifest, default=_plain))
    return Model(trained.nets, data.classes, plain, made.scale, data.excluded, trained.p_wrong)


def _require_onnx(onnx: bool, out: Any) -> None:
    """Refuse `onnx` before hours of training if something that it needs is missing."""
    if not onnx:
        return
    if out is None:
        raise UserError("<onnx> writes into the model folder; choose one with <out>.", onnx=True, out="")
    from labelsieve.engine.onnx_export import require_onnx

    require_onnx()


def _named(settings: Any, *, noise: float | None, **given: Any) -> dict[str, Any]:
    """The settings of the user, each once; the noise stays separate, because not every method has it."""
    settings = {} if settings is None else settings
    if not isinstance(settings, Mapping):
        raise UserError(f"The settings are {settings!r}; they should be a dict of names and values.")
    given = {name: value for name, value in given.items() if value is not None}
    twice = settings.keys() & (given.keys() if noise is None else {*given, "noise"})
    if twice:
        raise UserError(f"{min(twice)} is given twice, as an argument and in the settings; leave one of them out.")
    return {**settings, **given}


def _require_use(data: Dataset, *, features: bool, encoder: str | None, side: int | None) -> None:
    """Refuse arguments that these data do not use."""
    if data.kind == "image" and not features and encoder is not None:
        raise UserError(
            "An encoder is used only with training on features; add <features>, or leave it out.", features=True
        )
    if data.kind == "features" and (features or encoder is not None or side is not None):
        raise UserError(
            "These data are features already; leave out <features>, <encoder> and <side>.",
            features="",
            encoder="",
            side="",
        )
    if data.kind == "text" and side is not None:
        raise UserError("The side is for images, but these data are texts; leave it out.")


def _listed(named: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in named.items())


def _run(training: Callable[[], Trained], method: str, named: dict[str, Any], data: Dataset) -> Trained:
    try:
        return training()
    except EmptyClass as error:
        raise error.named(data.classes) from error
    except (ValueError, ZeroDivisionError) as error:
        if isinstance(error, UserError) or not named:
            raise
        raise UserError(f"The method {method!r} cannot work with {_listed(named)} ({error}).") from error


def _require_each_class(data: Dataset, whole: Dataset) -> None:
    """Refuse data that lost all examples of a class."""
    lost = np.setdiff1d(whole.labels, data.labels)
    if len(lost):
        example = whole.ids[np.argmax(whole.labels == lost[0])]
        why = next((item.reason for item in data.excluded if item.id == example), "it could not be used")
        raise UserError(
            f"No example of the class {whole.classes[lost[0]]!r} is left to train on; {example!r}, for example, was "
            f"left out: {why}."
        )


def _single(data: Dataset) -> str | None:
    names = _shown(data, np.bincount(data.labels) == 1)
    return f"Classes with only one example: {names}. Nothing can confirm or question its label." if names else None


def _silent(trained: Trained, ready: Samples, data: Dataset) -> str | None:
    """A note on the classes that the model predicts for no training example: they have collapsed."""
    k = len(data.classes)
    predicted = np.bincount(trained.logits(ready).argmax(1).cpu().numpy(), minlength=k)
    names = _shown(data, (predicted == 0) & (np.bincount(data.labels, minlength=k) > 0))
    return (
        f"The model predicts none of its training examples as {names}: more epochs or a smaller learning rate may help."
        if names
        else None
    )


def _shown(data: Dataset, these: np.ndarray) -> str:
    names = [data.classes[c] for c in np.flatnonzero(these)]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _hash(data: Dataset, inputs: np.ndarray) -> str:
    digest = hashlib.sha256(data.fingerprint().encode())
    for start in range(0, len(inputs), 4096):
        digest.update(np.ascontiguousarray(inputs[start : start + 4096]).data)
    return digest.hexdigest()[:32]


def _noise(data: Dataset) -> dict[str, Any] | None:
    """The specification of noise made on purpose, if `labelsieve noise` wrote the labels."""
    try:
        return json.loads((Path((data.recipe or {})["labels"]).parent / "noise.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError):
        return None


def _versions() -> dict[str, str]:
    import torch

    return {**pipeline.versions(), "torch": str(torch.__version__)}


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)
