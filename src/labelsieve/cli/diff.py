"""labelsieve diff: what changed between two versions of a data set?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from labelsieve.decide.diff import Difference

ROWS = 10


def diff(
    old: Annotated[Path, Parameter(help="The run of the old version.")],
    new: Annotated[Path, Parameter(help="The run of the new version.")],
    /,
    *,
    json: Annotated[bool, Parameter(help="Print one JSON object with every id.", negative="")] = False,
) -> None:
    """Compare two runs as they stand after their decisions: examples added, removed, relabelled, class sizes, labels still wrong."""
    from labelsieve.acceptance.two_versions import diff as compare
    from labelsieve.cli.terminal import print_json, safe

    found = compare(old, new)
    if json:
        print_json({"old": str(old), "new": str(new), **_plain(found)})
    else:
        _show(found)
        for note in found.notes:
            print(safe(note, 400))


def _plain(found: Difference) -> dict[str, Any]:
    rows = zip(*(column.tolist() for column in found.relabelled), strict=True)
    return {
        "added": found.added.tolist(),
        "removed": found.removed.tolist(),
        "relabelled": [{"id": key, "old": was, "new": now} for key, was, now in rows],
        "classes": {name: {"old": was, "new": now} for name, (was, now) in found.sizes.items()},
        "error_rate": {"old": asdict(found.before), "new": asdict(found.now)},
        "notes": found.notes,
    }


def _show(found: Difference) -> None:
    from rich.text import Text

    from labelsieve.cli.id_table import print_rows, whole
    from labelsieve.cli.terminal import blank_table, printer, safe

    console = printer()
    ids, was, now = found.relabelled
    console.print(f"Added: {len(found.added):,}. Removed: {len(found.removed):,}. Relabelled: {len(ids):,}.")
    for name, estimate in (("before", found.before), ("now", found.now)):
        told = f"{100 * estimate.count:.2f} % (95 % interval {100 * estimate.low:.2f} to {100 * estimate.high:.2f} %)"
        console.print(f"Labels still wrong, {name}: {told}")
    for sign, keys in (("+", found.added), ("-", found.removed)):
        for key in keys[:ROWS]:
            console.print(Text(f"  {sign} {whole(key)}"))
        if len(keys) > ROWS:
            console.print(f"  {sign} and {len(keys) - ROWS:,} more")
    if len(ids):
        rows = [
            (whole(key), safe(a, 30), safe(b, 30)) for key, a, b in zip(ids[:ROWS], was[:ROWS], now[:ROWS], strict=True)
        ]
        print_rows(console, "Relabelled", ("id", "before", "now"), rows)
    changed = {name: sizes for name, sizes in found.sizes.items() if sizes[0] != sizes[1]}
    if changed:
        table = blank_table("Classes whose size changed")
        for name in ("class", "before", "now", "change"):
            table.add_column(name, justify="left" if name == "class" else "right", no_wrap=True)
        largest = sorted(changed.items(), key=lambda item: -abs(item[1][1] - item[1][0]))[:ROWS]
        for name, (before, after) in largest:
            table.add_row(Text(safe(name, 40)), f"{before:,}", f"{after:,}", f"{after - before:+,}")
        console.print(table)
    if len(ids) > ROWS or len(changed) > ROWS:
        console.print("Every one of them: labelsieve diff OLD NEW --json")
