"""The order of the steps of training: read, method, model folder."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve import methods, pipeline
from labelsieve.core.arguments import require_path, require_whole
from labelsieve.core.dataset import Dataset, require_classes, require_sound
from labelsieve.core.errors import EmptyClass, UserError
from labelsieve.core.extras import need_torch
from labelsieve.core.files import scratch
from labelsieve.core.shares import share
from labelsieve.core.wording import Wording, shell_option
from labelsieve.training import noise_rate
from labelsieve.training.classifier import Model, Progress, read_inputs
from labelsieve.training.model_folder import claim, replaced, save
from labelsieve.training.own_network import maker, require_maker, try_out
from labelsieve.training.settings import settings as method_settings

if TYPE_CHECKING:
    from torch import nn

    from labelsieve.core.findings import Findings
    from labelsieve.engine.samples import Samples
    from labelsieve.engine.trained import Trained

LOG = logging.getLogger(__name__)
METHOD = "standard"


def train(
    data: Dataset | Any,
    *,
    method: str = METHOD,
    network: str | Callable[[int], nn.Module] | None = None,
    out: str | Path | None = None,
    epochs: int | None = None,
    lr: float | None = None,
    batch: int | None = None,
    seed: int = 0,
    device: str | None = None,
    precision: str | None = None,
    findings: str | Path | Findings | None = None,
    drop_flagged: bool = False,
    noise: float | str | None = None,
    features: bool = False,
    encoder: str | None = None,
    side: int | None = None,
    settings: dict[str, Any] | None = None,
    progress: Progress | None = None,
    logger: Any = None,
    **columns: Any,
) -> Model:
    """Train a classifier that withstands wrong labels. A killed run, started again, goes on after its last whole epoch.

    Args:
        data: a `Dataset`, or anything `labelsieve.load` takes (then `columns` are its arguments).
        method: a name of `labelsieve.methods.METHODS`.
        network: a name of `labelsieve.networks.NETWORKS`, "timm:NAME", or a function of the number of classes that makes one; None is
            "linear" for features, ResNet-18 for images on a GPU, a small network for images on a CPU.
        out: the model folder; None writes nothing.
        epochs, lr, batch: instead of the method's own.
        device: "cpu", "cuda", "mps"; None takes a GPU if there is one.
        precision: "float32" or "bfloat16", in which a network multiplies (a linear head is float32); None is bfloat16 where the device
            does so itself.
        findings: those of `find` on these data, or their run folder; the method may use their estimate of the share of wrong labels.
        drop_flagged: leave out what it flagged, instead of withstanding it.
        noise: that share, if it is known, as 0.2 or "20%". For a method that needs it, and neither this nor `findings`, `find` is
            asked (consensus of the default encoder's features, or of the features that are trained on); where it cannot say, the
            method estimates it.
        features: train a head on the features of an encoder instead of a network on the images. Texts always do.
        encoder, side: the encoder as in `find`; side is that of the images, None is their own between 16 and 64.
        settings: hyper-parameters of the method by name.
        progress: called with (sentence, epochs done, epochs).
        logger: see `Session`.

    Raises:
        UserError: the data, the settings or the folder cannot be used; the message says why and what to do.
    """
    need_torch("train_model")
    from labelsieve.data import load
    from labelsieve.engine import device as devices
    from labelsieve.engine import distributed
    from labelsieve.engine.batch_statistics import settle
    from labelsieve.engine.inputs import samples
    from labelsieve.engine.session import Session
    from labelsieve.engine.wrapped_network import unwrap

    noise = share(noise, "The share of wrong labels") if isinstance(noise, str) else noise
    function = methods.method(method)
    named = _named(settings, epochs=epochs, lr=lr, batch=batch, noise=noise)
    require_maker(network)
    seed = require_whole(seed, "seed")
    if not 0 <= seed < 2**32:
        raise UserError(f"The seed is {seed}; it may be 0 to {2**32 - 1}.")
    where = distributed.join(devices.pick(device))
    precision = devices.precision(where, precision)
    progress = progress if distributed.rank() == 0 else None
    data = whole = data if isinstance(data, Dataset) else load(data, **columns)
    require_sound(data)
    _require_use(data, features=features, encoder=encoder, side=side)
    if drop_flagged and findings is None:
        raise UserError(
            "<drop_flagged> leaves out what `find` flagged; name its run folder with <findings>.",
            drop_flagged=True,
            findings=Wording("findings=", shell_option("run", "RUN")),
        )
    if findings is not None:
        data, expected_share = noise_rate.of_run(data, findings, drop=drop_flagged)
        noise = expected_share if noise is None else noise
    with scratch() as spare:
        asked = {
            "kind": "image" if data.kind == "image" and not features else "features",
            "side": side,
            "encoder": encoder,
        }
        with distributed.in_turn():
            folder = None if out is None else claim(require_path(out, "out, the model folder,"), data.source)
            before = None if folder is None else replaced(folder)
            data, inputs, take = read_inputs(data, folder or spare, asked, progress)
        require_classes(data)
        _require_each_class(data, whole)
        ready, scale = samples(inputs, data.labels, len(data.classes))
        ready = ready.to(where)
        name, make = maker(network, take, where, precision)
        if not isinstance(network, str | None):
            try_out(make, name, ready)
        precision = "float32" if name == "linear" else precision
        chosen = method_settings(function, method, take["kind"], len(data), named, noise)
        digest, expected = _hash(data, inputs), None
        if "noise" in chosen and chosen["noise"] is None:
            of = data if take["kind"] == "image" else replace(data, kind="features", inputs=inputs)
            with distributed.in_turn():
                chosen["noise"], expected = noise_rate.asked(
                    of, folder, f"{digest} {seed}", seed=seed, progress=progress
                )
        about = {
            "method": method,
            "network": name,
            "settings": chosen,
            "seed": seed,
            "precision": precision,
            "input": take,
        }
        about["data_hash"] = digest
        key = {part.replace("data_hash", "data"): json.dumps(value, default=str) for part, value in about.items()}
        LOG.info("%s: %s on %s in %s, %d examples; %s", method, name, where, precision, len(data), chosen)
        session = Session(len(data), seed=seed, folder=folder, key=key, progress=progress, logger=logger)
        trained = _run(partial(function, ready, make, session, **chosen), method, named, data)
    trained = replace(trained, nets=tuple(unwrap(net) for net in trained.nets))
    settle(trained.nets, ready, steps=chosen["epochs"] * len(data) / chosen["batch"])
    heads = [f"net{i}.head.weight" for i, net in enumerate(trained.nets) if hasattr(net, "head")]
    more = {
        "chosen": trained.settings,
        "nets": len(trained.nets),
        "heads": heads,
        "source": data.source,
        "noise": _noise(data),
    }
    unused = noise is not None and "noise" not in chosen and not drop_flagged
    idle = f"The share of wrong labels was given, but {method} makes no use of it." if unused else None
    notes = [*data.notes, *filter(None, [expected, idle, before, _single(data), _silent(trained, ready, data)])]
    manifest = {"finished": True, "classes": data.classes, **about, **more, "notes": notes, "versions": _versions()}
    model = Model(
        trained.nets,
        data.classes,
        json.loads(json.dumps(manifest, default=_plain)),
        scale,
        data.excluded,
        trained.p_wrong,
    )
    if folder is not None and distributed.rank() == 0:
        save(model, folder, data, session, trained, ready)
    return model


def _named(settings: Any, *, noise: float | None, **given: Any) -> dict[str, Any]:
    """The settings that the user named, each once; the noise stays apart, as not every method has it."""
    settings = settings or {}
    if not isinstance(settings, Mapping):
        raise UserError(f"The settings are {settings!r}; they should be a dict of names and values.")
    given = {name: value for name, value in given.items() if value is not None}
    twice = settings.keys() & (given.keys() if noise is None else {*given, "noise"})
    if twice:
        raise UserError(f"{min(twice)} is given twice, by itself and in the settings; leave one of them out.")
    return {**settings, **given}


def _require_use(data: Dataset, *, features: bool, encoder: str | None, side: int | None) -> None:
    """Nothing was named that these data have no use for."""
    if data.kind == "image" and not features and encoder is not None:
        raise UserError("The encoder is for training on its features; add <features>, or leave it out.", features=True)
    if data.kind == "features" and (features or encoder is not None or side is not None):
        raise UserError(
            "These data are features already; leave out <features>, <encoder> and <side>.",
            features="",
            encoder="",
            side="",
        )
    if data.kind == "text" and side is not None:
        raise UserError("The side is that of images, and these data are texts; leave it out.")


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
    """Every class that the data held at first is still there."""
    gone = np.setdiff1d(whole.labels, data.labels)
    if len(gone):
        example = whole.ids[np.argmax(whole.labels == gone[0])]
        why = next((item.reason for item in data.excluded if item.id == example), "it could not be used")
        raise UserError(
            f"No example of the class {whole.classes[gone[0]]!r} is left to train on; {example!r}, for one, was left out: {why}."
        )


def _single(data: Dataset) -> str | None:
    names = _shown(data, np.bincount(data.labels) == 1)
    return f"Classes with one example only: {names}. Nothing speaks for or against its label." if names else None


def _silent(trained: Trained, ready: Samples, data: Dataset) -> str | None:
    """A note of the classes that the model gives to no training example: they have collapsed."""
    k = len(data.classes)
    said = np.bincount(trained.logits(ready).argmax(1).cpu().numpy(), minlength=k)
    names = _shown(data, (said == 0) & (np.bincount(data.labels, minlength=k) > 0))
    return (
        f"The model takes no training example for {names}: more epochs, or a smaller learning rate, may help."
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
