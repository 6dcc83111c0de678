"""labelsieve find: which labels are wrong?"""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from labelsieve.cli import options


def find(
    source: Annotated[
        str | None, Parameter(help="Folder of class folders, table, .npz, .npy, hf:NAME, or an fsspec address.")
    ] = None,
    /,
    *,
    image: options.Image = None,
    text: options.Text = None,
    label: options.Label = None,
    several: options.Several = False,
    id: options.Id = None,
    group: Annotated[str | None, Parameter(help="Column of groups that must not be split (patient, batch).")] = None,
    annotator: options.Annotator = None,
    votes: options.Votes = None,
    time: options.Time = None,
    format: options.Format = None,
    split: options.Split = None,
    background: options.Background = None,
    labels: options.Labels = None,
    probs: Annotated[str | None, Parameter(help="Out-of-sample probabilities of your own model, (N, K).")] = None,
    encoder: Annotated[
        str | None, Parameter(help="lite, fast, lite0, use, onnx:FILE, hf:NAME, timm:NAME or none.")
    ] = None,
    side: options.Side = None,
    fast: Annotated[
        bool,
        Parameter(help="For images: encodes 2.6 times as fast, finds fewer wrong labels.", negative=""),
    ] = False,
    detectors: options.Detectors = None,
    from_network: Annotated[
        str | None, Parameter(help="Train this network on the images instead: resnet18, small-cnn, ...")
    ] = None,
    loss: Annotated[str | None, Parameter(help="Loss of --from-network: blurry, piecewise-zero or gce.")] = None,
    classes: Annotated[str | None, Parameter(help="Meaning of classes: class,name,guideline,example.")] = None,
    seed: Annotated[int, Parameter(help="Same seed, same findings.", converter=options.within(options.SEEDS))] = 0,
    device: Annotated[
        str | None,
        Parameter(help="Where heads or networks train: cpu, cuda, mps; default: heads on the CPU, a network on a GPU."),
    ] = None,
    workers: options.Workers = None,
    ray: options.Ray = None,
    out: Annotated[
        options.Place | None,
        Parameter(name=["--out", "-o"], help="Run folder; default: NAME.sieve here.", converter=options.folder),
    ] = None,
    json: Annotated[bool, Parameter(help="Print the summary as one JSON object.", negative="")] = False,
) -> int:
    """Find the labels that are probably wrong: a ranked table, their estimated number, and what to review first."""
    from labelsieve import pipeline
    from labelsieve.cli.detectors_option import read_option
    from labelsieve.cli.find_source import FAST, default_folder, read_classes, read_source, require_fast
    from labelsieve.cli.findings_table import show
    from labelsieve.cli.terminal import print_json, print_notes, progress_bar
    from labelsieve.decide.summary import summarise
    from labelsieve.store import class_guide

    columns = {"image": image, "text": text, "label": label, "id": id, "group": group}
    columns |= {"annotator": annotator, "votes": votes, "time": time, "format": format, "split": split}
    require_fast(fast, encoder, side, from_network)
    data = read_source(source, probs, labels, fast, columns, background, several)
    meanings = read_classes(classes, data)
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
            workers=workers,
            ray=ray,
            progress=progress,
        )
    if meanings is not None:
        class_guide.save(run, meanings, findings)
    summary = summarise(findings, data=data)
    if json:
        print_json({"run": os.fspath(run), **asdict(summary)})
    else:
        show(summary, run)
        print_notes([FAST] if fast else [])
    return 0
