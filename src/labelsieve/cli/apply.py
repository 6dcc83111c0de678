"""labelsieve apply: the corrected data set, in the layout it came in."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from labelsieve.cli.options import Place, a_share, folder

JSON = ("source", "out", "files", "renamed", "notes", "changes", "conflicts", "not_read")


def apply(
    source: Annotated[str, Parameter(help="A run folder that `find` wrote; with --patch also the data themselves.")],
    /,
    *,
    out: Annotated[
        Place | None, Parameter(name=["--out", "-o"], help="The new folder of the corrected copy.", converter=folder)
    ] = None,
    auto: Annotated[
        bool | float | None,
        Parameter(
            help="Also apply suggestions where p_wrong is at least this, 95% or 0.95; or, without a value, those that "
            "--max-wrong allows.",
            converter=a_share,
            negative="",
        ),
    ] = None,
    max_wrong: Annotated[
        float | None,
        Parameter(
            help="With --auto: at most this share of the suggestions applied is wrong on average, 5% or 0.05. Rests on "
            "the reviewed random sample.",
            converter=a_share,
        ),
    ] = None,
    dry_run: Annotated[bool, Parameter(help="Show what would change and write nothing.", negative="")] = False,
    patch: Annotated[Place | None, Parameter(help="Apply this patch file instead of the run's decisions.")] = None,
    image: Annotated[str | None, Parameter(help="Column of image paths, where the source is data.")] = None,
    text: Annotated[str | None, Parameter(help="Column of texts, where the source is data.")] = None,
    label: Annotated[str | None, Parameter(help="Column of given labels, where the source is data.")] = None,
    id: Annotated[str | None, Parameter(help="Column of ids, where the source is data.")] = None,
    labels: Annotated[str | None, Parameter(help="File of given labels, where the source is data.")] = None,
    json: Annotated[bool, Parameter(help="Print what changed as one JSON object.", negative="")] = False,
) -> None:
    """Write a corrected copy of the data with a patch that lists the changes. The source data stay as they are."""
    from labelsieve.cli import apply_text
    from labelsieve.cli.terminal import print_json
    from labelsieve.corrections import apply_changes

    columns = {"image": image, "text": text, "label": label, "id": id, "labels": labels}
    done = apply_changes.apply(source, out=out, auto=auto, max_wrong=max_wrong, dry_run=dry_run, patch=patch, **columns)
    if json:
        values = asdict(done)
        print_json({name: values[name] for name in JSON})
    else:
        apply_text.show(done, by_people=auto is None and patch is None)
