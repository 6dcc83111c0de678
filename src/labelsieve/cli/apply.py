"""labelsieve apply: the corrected data set, in the layout it came in."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from labelsieve.cli.options import a_share, folder

if TYPE_CHECKING:
    from labelsieve.corrections.apply_changes import Applied

SHOWN = 10
JSON = ("source", "out", "files", "renamed", "notes", "changes", "conflicts", "not_read")


def apply(
    source: Annotated[str, Parameter(help="A run folder that `find` wrote; with --patch also the data themselves.")],
    /,
    *,
    out: Annotated[
        Path | None, Parameter(name=["--out", "-o"], help="The new folder of the corrected copy.", converter=folder)
    ] = None,
    auto: Annotated[
        float | None,
        Parameter(help="Also apply suggestions where p_wrong is at least this, 95% or 0.95.", converter=a_share),
    ] = None,
    dry_run: Annotated[bool, Parameter(help="Show what would change and write nothing.", negative="")] = False,
    patch: Annotated[Path | None, Parameter(help="Apply this patch file instead of the run's decisions.")] = None,
    image: Annotated[str | None, Parameter(help="Column of image paths, where the source is data.")] = None,
    text: Annotated[str | None, Parameter(help="Column of texts, where the source is data.")] = None,
    label: Annotated[str | None, Parameter(help="Column of given labels, where the source is data.")] = None,
    id: Annotated[str | None, Parameter(help="Column of ids, where the source is data.")] = None,
    labels: Annotated[str | None, Parameter(help="File of given labels, where the source is data.")] = None,
    json: Annotated[bool, Parameter(help="Print what changed as one JSON object.", negative="")] = False,
) -> None:
    """Write a corrected copy of the data with a patch that lists the changes. The source data stay as they are."""
    from labelsieve.cli.terminal import print_json
    from labelsieve.corrections import apply_changes

    columns = {"image": image, "text": text, "label": label, "id": id, "labels": labels}
    done = apply_changes.apply(source, out=out, auto=auto, dry_run=dry_run, patch=patch, **columns)
    if json:
        values = asdict(done)
        print_json({name: values[name] for name in JSON})
    else:
        _show(done)


def _show(done: Applied) -> None:
    from rich.text import Text

    from labelsieve.cli.id_table import print_rows, whole
    from labelsieve.cli.terminal import printer, safe

    console, made = printer(), "" if done.out else "would be "
    console.print(
        f"Of {done.examples:,} examples {done.relabelled:,} {made}relabelled ({done.automatic:,} of them by --auto) "
        f"and {done.left_out:,} {made}left out."
    )
    changes = done.changes
    if changes:
        cells = [
            (whole(c.id), safe(c.old, 14), safe(c.new or "(left out)", 14), safe(c.who, 12), safe(c.why, 120))
            for c in changes[:SHOWN]
        ]
        title = "What changed" if done.out else "What would change"
        print_rows(console, title, ("id", "old", "new", "who", "why"), cells)
    if len(changes) > SHOWN:
        console.print(f"and {len(changes) - SHOWN:,} more, see patch.csv or --json")
    _list(console, "Conflicts, which were not applied", [(c.id, c.reason) for c in done.conflicts])
    other = [(item.id, item.file) for item in done.renamed]
    _list(console, "Renamed, because the folder already has a file of this name", other)
    _list(console, "Not used by the run", [(item.id, item.reason) for item in done.not_read])
    for note in done.notes:
        console.print(Text(safe(note, 300)))
    if done.out:
        files = ", ".join(safe(name, 40) for name in done.files[:SHOWN])
        console.print(Text(f"{safe(str(done.out), 200)}: {files}"))
    else:
        console.print("Nothing was written.")


def _list(console, title: str, rows: list[tuple[str, str]]) -> None:
    from rich.text import Text

    from labelsieve.cli.id_table import whole
    from labelsieve.cli.terminal import safe

    if rows:
        console.print(f"{title}: {len(rows):,}")
    for key, what in rows[:SHOWN]:
        console.print(Text(f"  {whole(key)}: {safe(what, 200)}"))
