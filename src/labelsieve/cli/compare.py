"""labelsieve compare: which method withstands the wrong labels of this data set best?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from labelsieve.cli.options import SIDES, Split, within

if TYPE_CHECKING:
    from labelsieve.training.compare import Comparison


def compare(
    source: Annotated[str, Parameter(help="Features (.npz, .npy, table), or images or texts for the encoder.")],
    /,
    *,
    test: Annotated[
        str | None,
        Parameter(help="Data with trusted labels; default: about a fifth of each class, with its given labels."),
    ] = None,
    methods: Annotated[
        str | None, Parameter(help="Comma-separated names; default: all methods that train in one sweep.")
    ] = None,
    seeds: Annotated[
        int, Parameter(help="Number of heads per method, each with its own shuffling.", converter=within((1, 100)))
    ] = 5,
    epochs: Annotated[
        int | None, Parameter(help="Passes over the data; default: the method's own.", converter=within((1, 10_000)))
    ] = None,
    encoder: Annotated[str | None, Parameter(help="Encoder for images and texts, as in `find`.")] = None,
    side: Annotated[
        int | None, Parameter(help="Image side in pixels for the encoder.", converter=within(SIDES))
    ] = None,
    image: Annotated[str | None, Parameter(help="Column of image paths.")] = None,
    text: Annotated[str | None, Parameter(help="Column of texts.")] = None,
    label: Annotated[str | None, Parameter(help="Column of given labels.")] = None,
    id: Annotated[str | None, Parameter(help="Column of ids.")] = None,
    labels: Annotated[str | None, Parameter(help="File of given labels to use instead (id,label).")] = None,
    split: Split = None,
    device: Annotated[str | None, Parameter(help="cpu, cuda, mps; default: a GPU if there is one.")] = None,
    json: Annotated[bool, Parameter(help="Print one JSON object.", negative="")] = False,
) -> int:
    """Train a linear head on features with several methods and seeds, and measure each on other data."""
    from labelsieve.cli.terminal import print_json, progress_bar
    from labelsieve.training.compare import compare as compare_methods

    columns: dict[str, Any] = {"image": image, "text": text, "label": label, "id": id, "labels": labels, "split": split}
    columns |= {"encoder": encoder, "side": side, "device": device}
    with progress_bar() as progress:
        result = compare_methods(
            source,
            test=test,
            methods=methods,
            seeds=seeds,
            epochs=epochs,
            **columns,
            progress=progress,
        )
    if json:
        print_json({**asdict(result), "excluded": len(result.excluded)})
    else:
        _show(result, seeds)
    return 0


def _show(result: Comparison, seeds: int) -> None:
    from labelsieve.cli.id_table import whole
    from labelsieve.cli.terminal import blank_table, printer, prose, safe

    console, table = printer(), blank_table()
    for heading in ("method", "accuracy", "seconds"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for row in result.rows:
        margin = "" if row.margin is None else f" ± {row.margin:.4f}"
        table.add_row(row.method, f"{row.accuracy:.4f}{margin}", f"{row.seconds:.1f}{'*' if row.together else ' '}")
    console.print(table)
    if any(row.together for row in result.rows):
        prose(console, "* one sweep, all of these together")
    repeats = f"{seeds} seeds per method; ± is the 95 % interval over seeds" if seeds > 1 else "1 seed per method"
    prose(console, f"Trained on {result.trained_on} examples, {repeats}.")
    if result.noise is not None:
        prose(
            console,
            "Methods that need the share of wrong labels used the estimate of `find`: "
            f"{result.noise:.0%} of the labels are wrong.",
        )
    for note in result.notes:
        prose(console, safe(note, 600))
    if result.excluded:
        first = result.excluded[0]
        prose(console, f"Left out: {len(result.excluded)}; the first is {whole(first.id)}: {safe(first.reason, 200)}.")
    held_out = "given labels held out from training, which may be wrong too (better ones: --test)"
    prose(console, f"Accuracy against {result.tested_on} {held_out if result.held_out else 'labels of --test'}.")
    shift = result.tested_on**-0.5  # 1.96 standard errors of a share of a half
    prose(console, f"With {result.tested_on} other labels, all accuracies may shift together by up to {shift:.2f}.")
