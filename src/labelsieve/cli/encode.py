"""labelsieve encode: images and texts to features, in shards that jobs share."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter

from labelsieve.cli import options


def encode(
    source: Annotated[str, Parameter(help="Any images or texts that `find` reads.")],
    /,
    *,
    shard: Annotated[
        str | None, Parameter(help="Job and number of jobs, such as 17/400. Default: encode all shards.")
    ] = None,
    image: options.Image = None,
    text: options.Text = None,
    label: options.Label = None,
    id: options.Id = None,
    group: Annotated[str | None, Parameter(help="Column of groups.")] = None,
    labels: Annotated[str | None, Parameter(help="File of given labels to use instead (id,label).")] = None,
    format: options.Format = None,
    split: options.Split = None,
    background: options.Background = None,
    encoder: Annotated[str | None, Parameter(help="lite, fast, lite0, use, onnx:FILE, hf:NAME or timm:NAME.")] = None,
    side: options.Side = None,
    fast: Annotated[bool, Parameter(help="The encoder of `find --fast`, for images.", negative="")] = False,
    workers: options.Workers = None,
    ray: options.Ray = None,
    out: Annotated[
        str | None, Parameter(name=["--out", "-o"], help="Run folder or its address; default: NAME.sieve here.")
    ] = None,
    json: Annotated[bool, Parameter(help="Print one JSON object.", negative="")] = False,
) -> int:
    """Encode images or texts in shards, all or those of one job; `find` with the same options then uses them."""
    from labelsieve.cli.find_source import default_folder, read_source, require_fast
    from labelsieve.cli.terminal import print_json, print_notes, progress_bar
    from labelsieve.core.wording import quoted
    from labelsieve.store.encode_shards import encode_shards

    columns: dict[str, Any] = {"image": image, "text": text, "label": label, "id": id, "group": group}
    columns |= {"labels": labels, "format": format, "split": split}
    require_fast(fast, encoder, side, None)
    data = read_source(source, None, columns.pop("labels"), fast, columns, background)
    with progress_bar() as progress:
        result = encode_shards(
            data,
            out or os.fspath(default_folder(source)),
            shard=shard,
            encoder="fast" if fast else encoder,
            side=side,
            workers=workers,
            ray=ray,
            progress=progress,
        )
    if json:
        print_json(asdict(result))
        return 0
    print_notes(result.notes)
    before = result.own - result.encoded
    print(
        f"{result.encoded:,} of {result.own:,} shards encoded ({result.examples:,} examples)"
        + (f", {before:,} were finished before" if before else "")
        + (f"; the data have {result.shards:,} shards." if result.own < result.shards else ".")
    )
    print(f"Once all are finished: labelsieve find {quoted(source)} -o {quoted(result.out)}, with the same options.")
    return 0
