"""The order of the steps of training: read, method, model folder."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from labelsieve import expectation, pipeline, robust
from labelsieve.core.dataset import Dataset, require_classes
from labelsieve.core.errors import EmptyClass, UserError, meant
from labelsieve.model import Model, Progress, read_inputs
from labelsieve.model_folder import claim, replaced, save
from labelsieve.models import network as find_network

if TYPE_CHECKING:
    from torch import nn

    from labelsieve.robust.trained import Trained
    from labelsieve.train.session import Session

METHOD = "standard"
_SENSIBLE: dict[str, tuple[Callable[[float], bool], tuple[str, str]]] = {  # settings that every method means alike
    "epochs": (lambda x: x >= 1, ("The number of epochs", "there should be one at least")),
    "batch": (lambda x: x >= 2, ("The batch", "it should be 2 at least")),
    "lr": (lambda x: 0 < x < 1e6, ("The learning rate", "it should be above 0 and below a million")),
    "noise": (lambda x: 0 <= x < 1, ("The share of wrong labels", "it should be 0 or more and less than 1, such as 0.2")),
    "momentum": (lambda x: x < 1, ("The momentum", "it should be less than 1")),
    "temp": (lambda x: x > 0, ("The temperature temp", "it should be above 0")),
    "cycle": (lambda x: x >= 1, ("The cycle", "it should be one epoch at least")),
    **{
        name: (lambda x: x <= 1, (f"The setting {name!r}", "it should be between 0 and 1"))
        for name in ("beta", "c", "fill", "q", "rho", "tau", "threshold")
    },
}


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
    findings: str | Path | None = None,
    drop_flagged: bool = False,
    noise: float | None = None,
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
        method: a name of `labelsieve.robust.METHODS`.
        network: a name of `labelsieve.models.NETWORKS`, "timm:NAME", or a function of the number of classes that makes one; None is
            "linear" for features, ResNet-18 for images on a GPU, a small network for images on a CPU.
        out: the model folder; None writes nothing.
        epochs, lr, batch: instead of the method's own.
        device: "cpu", "cuda", "mps"; None takes a GPU if there is one.
        precision: "float32" or "bfloat16", in which a network multiplies (a linear head is float32); None is bfloat16 where the device
            does so itself.
        findings: a run folder of `find`, whose estimate of the share of wrong labels the method may use.
        drop_flagged: leave out what it flagged, instead of withstanding it.
        noise: that share, if it is known. For a method that needs it, and neither this nor `findings`, `find` is asked (consensus of the
            default encoder's features, or of the features that are trained on); where it cannot say, the method estimates it.
        features: train a head on the features of an encoder instead of a network on the images. Texts always do.
        encoder, side: the encoder as in `find`; side is that of the images, None is their own between 16 and 64.
        settings: hyper-parameters of the method by name.
        progress: called with (sentence, epochs done, epochs).
        logger: see `Session`.

    Raises:
        UserError: the data, the settings or the folder cannot be used; the message says why and what to do.
    """
    from labelsieve.data import load
    from labelsieve.train import device as devices
    from labelsieve.train import distributed
    from labelsieve.train.around import alone
    from labelsieve.train.inputs import samples
    from labelsieve.train.session import Session

    function = robust.method(method)
    if not isinstance(settings or {}, Mapping):
        raise UserError(f"The settings are {settings!r}; they should be a dict of names and values.")
    if not (network is None or isinstance(network, str) or callable(network)):
        raise UserError(f"The network is {network!r}; it should be a name, or a function of the number of classes.")
    if not 0 <= seed < 2**32:
        raise UserError(f"The seed is {seed}; it may be 0 to {2**32 - 1}.")
    where = distributed.join(devices.pick(device))
    precision = devices.precision(where, precision)
    progress = progress if distributed.rank() == 0 else None
    data = whole = data if isinstance(data, Dataset) else load(data, **columns)
    _require_use(data, features=features, encoder=encoder, side=side)
    if drop_flagged and findings is None:
        raise UserError("drop_flagged (--drop-flagged) leaves out what `find` flagged; name its run folder (--run RUN).")
    if findings is not None:
        data, share = expectation.of_run(data, findings, drop=drop_flagged)
        noise = share if noise is None else noise
    with TemporaryDirectory(prefix="labelsieve-") as spare:
        asked = {"kind": "image" if data.kind == "image" and not features else "features", "side": side, "encoder": encoder}
        with distributed.in_turn():
            folder = None if out is None else claim(Path(out), data.source)
            before = None if folder is None else replaced(folder)
            data, inputs, take = read_inputs(data, folder or Path(spare), asked, progress)
        require_classes(data)
        _require_each_class(data, whole)
        ready, scale = samples(inputs, data.labels, len(data.classes))
        name, make = _network(network, take, where, precision)
        precision = "float32" if name == "linear" else precision
        named = {**(settings or {}), **{k: v for k, v in {"epochs": epochs, "lr": lr, "batch": batch}.items() if v is not None}}
        chosen, digest, expected = _settings(function, method, take["kind"], len(data), named, noise), _hash(data, inputs), None
        if "noise" in chosen and chosen["noise"] is None:
            of = data if take["kind"] == "image" else replace(data, kind="features", inputs=inputs)
            with distributed.in_turn():
                chosen["noise"], expected = expectation.asked(of, folder, f"{digest} {seed}", seed=seed, progress=progress)
        about = {"method": method, "network": name, "settings": chosen, "seed": seed, "precision": precision, "input": take}
        about["data_hash"] = digest
        key = {part.replace("data_hash", "data"): json.dumps(value, default=str) for part, value in about.items()}
        session = Session(len(data), seed=seed, folder=folder, key=key, progress=progress, logger=logger)
        ready = ready.to(where)
        trained = _run(partial(function, ready, make, session, **chosen), method, named, data)
    for net in trained.nets:
        alone(net)
    heads = [f"net{i}.head.weight" for i, net in enumerate(trained.nets) if hasattr(net, "head")]
    more = {"chosen": trained.settings, "nets": len(trained.nets), "heads": heads, "source": data.source, "noise": _noise(data)}
    unused = noise is not None and "noise" not in chosen and not drop_flagged
    idle = f"The share of wrong labels was given, but {method} makes no use of it." if unused else None
    notes = [*data.notes, *filter(None, [expected, idle, before, _silent(session, data)])]
    manifest = {"finished": True, "classes": data.classes, **about, **more, "notes": notes, "versions": _versions()}
    model = Model(trained.nets, data.classes, json.loads(json.dumps(manifest, default=_plain)), scale, data.excluded, trained.p_wrong)
    if folder is not None and distributed.rank() == 0:
        save(model, folder, data, session, trained, ready)
    return model


def _require_use(data: Dataset, *, features: bool, encoder: str | None, side: int | None) -> None:
    """Nothing was named that these data have no use for."""
    if data.kind == "image" and not features and encoder is not None:
        raise UserError("The encoder is for training on its features; add features (--features), or leave it out.")
    if data.kind == "features" and (features or encoder is not None or side is not None):
        raise UserError("These data are features already; leave out features (--features), encoder and side.")
    if data.kind == "text" and side is not None:
        raise UserError("The side is that of images, and these data are texts; leave it out.")


def _network(wanted: Any, take: dict[str, Any], device: Any, precision: str) -> tuple[str, Callable[[int], nn.Module]]:
    """The name of a network and what makes it, on the device."""
    from labelsieve.train.device import placed
    from labelsieve.train.distributed import divided

    images = take["kind"] == "image"
    if wanted is None:
        wanted = "linear" if not images else "resnet18" if device.type == "cuda" else "small-cnn"
    name = wanted if isinstance(wanted, str) else getattr(wanted, "__name__", type(wanted).__name__)
    make = find_network(wanted, images=images, width=take["width"]) if isinstance(wanted, str) else wanted
    return name, lambda classes: divided(placed(make(classes), device, images=images, name=precision))


def _settings(function: Callable[..., Any], method: str, kind: str, n: int, named: dict[str, Any], noise: float | None) -> dict[str, Any]:
    """The method's settings: its own, for features those of its file, then what the user named."""
    own = {name: p.default for name, p in inspect.signature(function).parameters.items() if p.kind is p.KEYWORD_ONLY}
    for name, value in named.items():
        if name not in own:
            raise UserError(f"The method {method!r} has no setting {name!r}.{meant(name, own)} It has {', '.join(own)}.")
        if not _fits(value, own[name]):
            kind = {bool: "true or false", int: "a whole number"}.get(type(own[name]), "a number")
            raise UserError(f"The setting {name!r} of {method!r} should be {kind}, not negative; {value!r} was given.")
    if named.get("batch", 0) > n:
        raise UserError(f"The batch of {named['batch']} is larger than the data ({n} examples); give --batch {n} or less.")
    if noise is not None and "noise" in own:
        named = {"noise": noise, **named}
    for name, (fine, says) in _SENSIBLE.items():
        value = {"noise": noise, **named}.get(name)
        if value is not None and not (isinstance(value, int | float) and fine(value)):
            raise UserError(f"{says[0]} is {value!r}; {says[1]}.")
    return {**own, **(robust.for_features(method) if kind == "features" else {}), **named}


def _fits(value: Any, default: Any) -> bool:
    """Whether a setting has the type of its default; no setting of any method is negative, and None stands for a number to be chosen."""
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    kinds = int if isinstance(default, int) else (int, float)
    return isinstance(value, kinds) and 0 <= value < float("inf")


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


def _silent(session: Session, data: Dataset) -> str | None:
    """A note of the classes for which the network took nothing in the last epoch: they have collapsed."""
    last = None if session.dynamics is None else session.dynamics.argmax[-1]
    if last is None:
        return None
    said = np.bincount(last[last >= 0], minlength=len(data.classes))
    names = [data.classes[c] for c in np.flatnonzero((said == 0) & (np.bincount(data.labels, minlength=len(said)) > 0))]
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"In the last epoch nothing was taken for {shown}: more epochs, or a smaller learning rate (--lr), may help." if names else None


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
