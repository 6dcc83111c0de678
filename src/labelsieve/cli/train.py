"""labelsieve train: a classifier that is robust to wrong labels."""

from __future__ import annotations

import os
from typing import Annotated, Any

from cyclopts import Parameter

from labelsieve.cli.options import SEEDS, SIDES, Place, Split, a_noise, folder, within


def train(
    source: Annotated[
        str, Parameter(help="Folder of class folders, table, .npz, .npy, hf:NAME, or an fsspec address.")
    ],
    /,
    *,
    method: Annotated[
        str, Parameter(help="standard, mixup, gce, m-dyr-h, promix, ...; an unknown name lists all.")
    ] = "standard",
    network: Annotated[
        str | None, Parameter(help="resnet18, resnet34, preact18, o2u-cnn, small-cnn, linear, mlp or timm:NAME.")
    ] = None,
    out: Annotated[
        Place | None, Parameter(name=["--out", "-o"], help="Model folder; default: NAME.model.", converter=folder)
    ] = None,
    epochs: Annotated[
        int | None, Parameter(help="Passes over the data; default: the method's own.", converter=within((1, 100_000)))
    ] = None,
    lr: Annotated[float | None, Parameter(help="Learning rate; default: the method's own.")] = None,
    batch: Annotated[
        int | None, Parameter(help="Examples per step; default: the method's own.", converter=within((2, 65_536)))
    ] = None,
    settings: Annotated[
        tuple[str, ...],
        Parameter(name=["--settings", "--set"], help="Another setting of the method, NAME=VALUE.", negative=""),
    ] = (),
    run: Annotated[
        Place | None, Parameter(help="Run folder of `find`; the method may use its estimate of the wrong labels.")
    ] = None,
    drop_flagged: Annotated[bool, Parameter(help="Leave out the examples that --run flagged.", negative="")] = False,
    noise: Annotated[
        float | None,
        Parameter(help="Share of wrong labels, 0.2 or 20%; default: that of --run, or of `find`.", converter=a_noise),
    ] = None,
    features: Annotated[
        bool, Parameter(help="Train a head on the encoder's features instead of the images.", negative="")
    ] = False,
    encoder: Annotated[str | None, Parameter(help="Encoder for --features and texts, as in `find`.")] = None,
    side: Annotated[
        int | None,
        Parameter(help="Image side in pixels; default: the images' own, 16 to 64.", converter=within((16, SIDES[1]))),
    ] = None,
    image: Annotated[str | None, Parameter(help="Column of image paths.")] = None,
    text: Annotated[str | None, Parameter(help="Column of texts.")] = None,
    label: Annotated[str | None, Parameter(help="Column of given labels.")] = None,
    id: Annotated[str | None, Parameter(help="Column of ids.")] = None,
    labels: Annotated[str | None, Parameter(help="File of given labels to use instead (id,label).")] = None,
    split: Split = None,
    seed: Annotated[int, Parameter(help="Same seed, same model.", converter=within(SEEDS))] = 0,
    device: Annotated[str | None, Parameter(help="cpu, cuda, cuda:1, mps; default: a GPU if there is one.")] = None,
    precision: Annotated[
        str | None, Parameter(help="Matrix products in float32 or bfloat16; default: bfloat16 if supported.")
    ] = None,
    onnx: Annotated[bool, Parameter(help="Also write model.onnx.", negative="")] = False,
    json: Annotated[bool, Parameter(help="Print model.json.", negative="")] = False,
) -> int:
    """Train a classifier that is robust to wrong labels. After an interruption, the same command continues."""
    from labelsieve.cli.find_source import default_folder
    from labelsieve.cli.terminal import is_first, print_json, progress_bar
    from labelsieve.cli.training_text import named_settings, show
    from labelsieve.training.train import train as fit

    inputs: dict[str, Any] = {"features": features, "encoder": encoder, "side": side}
    inputs |= {"seed": seed, "device": device, "precision": precision}
    own: dict[str, Any] = {"epochs": epochs, "lr": lr, "batch": batch, "noise": noise}
    columns: dict[str, Any] = {"image": image, "text": text, "label": label, "id": id, "labels": labels, "split": split}
    out = out or default_folder(source).with_suffix(".model")
    with progress_bar() as progress:
        model = fit(
            source,
            method=method,
            network=network,
            out=out,
            **own,
            settings=named_settings(settings, own),
            run=run,
            drop_flagged=drop_flagged,
            **inputs,
            **columns,
            onnx=onnx,
            progress=progress,
        )
    if json and is_first():  # of several processes only the first writes and prints
        print_json({"model": os.fspath(out), **model.manifest, "excluded": len(model.excluded)})
    elif is_first():
        show(model, out)
    return 0
