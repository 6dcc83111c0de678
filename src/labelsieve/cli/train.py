"""labelsieve train: a classifier that withstands wrong labels."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from labelsieve.cli.options import SEEDS, SIDES, folder, within
from labelsieve.core import extras
from labelsieve.core.errors import UserError
from labelsieve.core.shares import share


def train(
    source: Annotated[
        str, Parameter(help="Folder of class folders, table, .npz, .npy, hf:NAME, or an fsspec address.")
    ],
    /,
    *,
    method: Annotated[
        str, Parameter(help="standard, mixup, gce, m-dyr-h, promix, ...; a wrong name lists them.")
    ] = "standard",
    network: Annotated[
        str | None, Parameter(help="resnet18, resnet34, preact18, o2u-cnn, small-cnn, linear, mlp or timm:NAME.")
    ] = None,
    out: Annotated[
        Path | None, Parameter(name=["--out", "-o"], help="Model folder; default: NAME.model.", converter=folder)
    ] = None,
    epochs: Annotated[
        int | None, Parameter(help="Passes over the data; default: the method's.", converter=within((1, 100_000)))
    ] = None,
    lr: Annotated[float | None, Parameter(help="Learning rate; default: the method's.")] = None,
    batch: Annotated[
        int | None, Parameter(help="Examples per step; default: the method's.", converter=within((2, 65_536)))
    ] = None,
    set: Annotated[tuple[str, ...], Parameter(help="Another setting of the method, NAME=VALUE.", negative="")] = (),
    run: Annotated[
        Path | None, Parameter(help="Run folder of `find`, whose estimate of the wrong labels the method may use.")
    ] = None,
    drop_flagged: Annotated[bool, Parameter(help="Leave out what --run flagged.", negative="")] = False,
    noise: Annotated[
        float | None,
        Parameter(
            help="Share of wrong labels, 0.2 or 20%; default: that of --run, or of `find`.",
            converter=lambda _, tokens: _noise(tokens[0].value),
        ),
    ] = None,
    features: Annotated[
        bool, Parameter(help="Train a head on the encoder's features instead of the images.", negative="")
    ] = False,
    encoder: Annotated[str | None, Parameter(help="Encoder for --features and texts, as in `find`.")] = None,
    side: Annotated[
        int | None,
        Parameter(help="Image side in pixels; default: their own, 16 to 64.", converter=within((16, SIDES[1]))),
    ] = None,
    image: Annotated[str | None, Parameter(help="Column of image paths.")] = None,
    text: Annotated[str | None, Parameter(help="Column of texts.")] = None,
    label: Annotated[str | None, Parameter(help="Column of given labels.")] = None,
    id: Annotated[str | None, Parameter(help="Column of ids.")] = None,
    labels: Annotated[str | None, Parameter(help="File of given labels to take instead (id,label).")] = None,
    seed: Annotated[int, Parameter(help="Same seed, same model.", converter=within(SEEDS))] = 0,
    device: Annotated[str | None, Parameter(help="cpu, cuda, cuda:1, mps; default: a GPU if there is one.")] = None,
    precision: Annotated[
        str | None, Parameter(help="Of the products: float32, bfloat16; default: bfloat16 where the device has it.")
    ] = None,
    onnx: Annotated[bool, Parameter(help="Write model.onnx too.", negative="")] = False,
    json: Annotated[bool, Parameter(help="Print model.json.", negative="")] = False,
) -> int:
    """Train a classifier that withstands wrong labels. Interrupted, the same command continues after the last whole epoch."""
    need_torch("train")
    from labelsieve.cli.find import default_folder, read
    from labelsieve.cli.terminal import print_json, progress_bar
    from labelsieve.engine.distributed import rank
    from labelsieve.engine.onnx_export import require_onnx
    from labelsieve.training import train
    from labelsieve.training.classifier import export_onnx

    settings = _named(set, {"epochs": epochs, "lr": lr, "batch": batch, "noise": noise})
    if onnx:
        require_onnx()  # before hours of training
    data = read(source, image=image, text=text, label=label, id=id, labels=labels)
    model_folder = out or default_folder(source).with_suffix(".model")
    with progress_bar() as progress:
        model = train.train(
            data,
            method=method,
            network=network,
            out=model_folder,
            epochs=epochs,
            lr=lr,
            batch=batch,
            seed=seed,
            device=device,
            precision=precision,
            findings=run,
            drop_flagged=drop_flagged,
            noise=noise,
            features=features,
            encoder=encoder,
            side=side,
            settings=settings,
            progress=progress,
        )
        if rank() > 0:  # of several processes the first writes and tells
            return 0
        if onnx:
            export_onnx(model, model_folder / "model.onnx")
    if json:
        print_json({"model": os.fspath(model_folder), **model.manifest, "excluded": len(model.excluded)})
    else:
        _show(model, model_folder)
    return 0


def _noise(text: str) -> float:
    """The share that was written; a number that is none, 20 say, is refused by the method, whose bounds are narrower."""
    try:
        return share(text)
    except UserError:
        with suppress(ValueError):
            return float(text)
        raise


def need_torch(command: str) -> None:
    """Raise a UserError where PyTorch is not installed."""
    extras.need_torch(f"`labelsieve {command}`")


def _named(pairs: tuple[str, ...], options: dict[str, Any]) -> dict[str, Any]:
    """NAME=VALUE pairs; numbers, true and false as what they are. What an option of its own has said (not None) is not said again."""
    import json as reader

    named = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise UserError(f"--set {pair} is not NAME=VALUE, as in --set q=0.5.")
        name = name.strip().replace("-", "_")
        if name in named or options.get(name) is not None:
            where = f"--set {name}, twice" if name in named else f"--{name} and --set {name}"
            raise UserError(f"{name} is given twice ({where}); leave one out.")
        try:
            named[name] = reader.loads(value)
        except ValueError:
            named[name] = value
    return named


def _show(model: Any, folder: Path) -> None:
    from labelsieve.cli.id_table import whole
    from labelsieve.cli.terminal import safe

    said = model.manifest
    settings = {**said["settings"], **said["chosen"]}
    print(f"{folder}: {said['method']}, {said['network']}, {len(model.classes)} classes.")
    print("  " + ", ".join(f"{name} {_short(value)}" for name, value in settings.items() if value is not None))
    if model.excluded:
        first = model.excluded[0]
        print(f"  Left out: {len(model.excluded)}; the first is {whole(first.id)}: {safe(first.reason, 200)}.")
    for note in said["notes"]:
        print(f"  {safe(note, 400)}")
    quoted = shlex.quote(safe(str(folder), 4096))
    print(f"Next: labelsieve predict {quoted} MORE, labelsieve score {quoted} TEST")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
