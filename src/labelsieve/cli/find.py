"""labelsieve find: which labels are wrong?"""

from __future__ import annotations

import json as json_format
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from labelsieve.cli.options import SEEDS, SIDES, folder, within
from labelsieve.core.class_meaning import Meaning
from labelsieve.core.dataset import KINDS, Dataset
from labelsieve.core.errors import UserError


def find(
    source: Annotated[
        str | None, Parameter(help="Folder of class folders, table, .npz, .npy, hf:NAME, or an fsspec address.")
    ] = None,
    /,
    *,
    image: Annotated[str | None, Parameter(help="Column of image paths.")] = None,
    text: Annotated[str | None, Parameter(help="Column of texts.")] = None,
    label: Annotated[str | None, Parameter(help="Column of given labels.")] = None,
    id: Annotated[str | None, Parameter(help="Column of ids.")] = None,
    group: Annotated[str | None, Parameter(help="Column of groups that must not be split (patient, batch).")] = None,
    labels: Annotated[
        str | None, Parameter(help="File of given labels to take instead (id,label), or those of --probs.")
    ] = None,
    probs: Annotated[str | None, Parameter(help="Out-of-sample probabilities of your own model, (N, K).")] = None,
    encoder: Annotated[str | None, Parameter(help="lite0, fast, use, onnx:FILE, hf:NAME, timm:NAME or none.")] = None,
    side: Annotated[
        int | None, Parameter(help="Image side in pixels for the encoder, 32 to 1024.", converter=within(SIDES))
    ] = None,
    fast: Annotated[
        bool, Parameter(help="Images at 96 px: about five times faster, and finds less.", negative="")
    ] = False,
    detectors: Annotated[
        str | None,
        Parameter(help="Names, with settings if wanted: o2u:forget_rate=0.1,aum. Default: all that the data allow."),
    ] = None,
    from_network: Annotated[
        str | None, Parameter(help="Train this network on the images instead: resnet18, small-cnn, ...")
    ] = None,
    loss: Annotated[
        str | None,
        Parameter(help="Train the networks of --from-network with it: blurry, piecewise-zero or gce."),
    ] = None,
    classes: Annotated[
        str | None, Parameter(help="Table of what the classes mean: class,name,guideline,example.")
    ] = None,
    seed: Annotated[int, Parameter(help="Same seed, same findings.", converter=within(SEEDS))] = 0,
    device: Annotated[
        str | None,
        Parameter(help="cpu, cuda, mps: trains heads or network there; default: heads on the CPU, a network on a GPU."),
    ] = None,
    out: Annotated[
        Path | None, Parameter(name=["--out", "-o"], help="Run folder; default: NAME.sieve here.", converter=folder)
    ] = None,
    json: Annotated[bool, Parameter(help="Print the summary as one JSON object.", negative="")] = False,
) -> int:
    """Find the labels that are probably wrong: a ranked table, an honest count, and what to look at first."""
    from labelsieve import pipeline
    from labelsieve.cli.detectors_option import read_option
    from labelsieve.cli.terminal import progress_bar, tell_notes
    from labelsieve.decide.summary import summarise
    from labelsieve.store import class_guide

    if fast and (encoder or side):
        raise UserError("--fast is the default encoder at 96 px; leave out --encoder and --side, or --fast.")
    if fast and from_network:
        raise UserError("--fast is an encoder, and --from-network takes the place of one; leave out either.")
    data = read(source, image=image, text=text, label=label, id=id, group=group, labels=labels, probs=probs)
    if fast and data.kind != "image":
        raise UserError(
            f"--fast is for images, and {data.source or 'the data'} holds {KINDS[data.kind]}; leave it out."
        )
    meanings = None if classes is None else read_meanings(classes, data.classes, data.ids)
    run = out or default_folder(source or probs or "")
    with progress_bar() as progress:
        findings = pipeline.find(
            data,
            out=run,
            encoder="fast" if fast else encoder,
            side=side,
            detectors=read_option(detectors),
            from_network=from_network,
            loss=loss,
            seed=seed,
            device=device,
            progress=progress,
        )
    if meanings is not None:
        class_guide.save(run, meanings, findings)
    summary = summarise(findings, data=data)
    if json:
        print(json_format.dumps({"run": os.fspath(run), **asdict(summary)}, ensure_ascii=True))
    else:
        from labelsieve.cli.findings_table import show

        show(summary, run)
        if fast:
            tell_notes(
                ["--fast: on small photographs 96 px finds less than 224 px (AUPRC 0.71 against 0.83 on CIFAR-10N)."]
            )
    return 0


def read(
    source: str | None,
    *,
    probs: str | None = None,
    labels: str | None = None,
    wanted: Sequence[str] | None = None,
    test: bool = False,
    **columns: str | None,
) -> Dataset:
    """The data set that the arguments of a command name; `wanted` are the feature columns of a model, which is measured on `test` data."""
    from labelsieve.data import load, load_probabilities, load_test

    if test and source:
        return load_test(source, labels=labels, wanted=wanted, **columns)
    if probs is None:
        if not source:
            raise UserError("Name the data: labelsieve find photos/, or --probs probs.npy --labels labels.csv.")
        return load(source, labels=labels, wanted=wanted, **columns)
    if source:
        return load(source, labels=labels, wanted=wanted, probs=probs, **columns)
    if labels is None:
        raise UserError(
            "--probs needs the data they are of, or --labels, a file of the given labels (id,label, or one label per row)."
        )
    unused = [
        f"--{name}" for name, value in columns.items() if value is not None and name in ("image", "text", "group")
    ]
    if unused:
        raise UserError(f"--probs without data has no columns; leave out {', '.join(unused)}, or name the data.")
    return load_probabilities(probs, labels, label=columns["label"], id=columns["id"])


def read_meanings(file: str, classes: Sequence[str], ids: Sequence[str] | np.ndarray) -> dict[str, Meaning]:
    """What the classes mean, from a table; what does not fit is said on stderr."""
    from labelsieve.cli.terminal import tell_notes
    from labelsieve.data.class_table import read_class_table

    guide, notes = read_class_table(file, classes, ids)
    tell_notes(notes)
    return guide


def default_folder(source: str) -> Path:
    """photos/ -> photos.sieve, s3://bucket/reviews.parquet -> reviews.sieve, hf:ag_news:test -> ag_news-test.sieve."""
    name = PurePosixPath(source.removeprefix("hf:").replace(os.sep, "/").rstrip("/")).name.replace(":", "-")
    if not os.path.isdir(source):
        for suffix in (".gz", ".csv", ".tsv", ".parquet", ".jsonl", ".npz", ".npy"):
            name = name.removesuffix(suffix)
    if name in ("", ".", ".."):
        name = Path(source).resolve().name
    return Path(f"{name or 'data'}.sieve")
