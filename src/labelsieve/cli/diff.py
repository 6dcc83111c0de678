"""labelsieve diff: what changed between two versions of a data set?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from labelsieve.cli.options import Place

if TYPE_CHECKING:
    from labelsieve.decide.diff import Difference

ROWS = 10


def diff(
    old: Annotated[Place, Parameter(help="The run of the old version.")],
    new: Annotated[Place, Parameter(help="The run of the new version.")],
    /,
    *,
    json: Annotated[bool, Parameter(help="Print one JSON object with every id.", negative="")] = False,
) -> None:
    """Compare two runs after their decisions: added, removed and relabelled examples, class sizes, wrong labels."""
    from labelsieve.acceptance.diff_runs import diff as compare
    from labelsieve.cli.terminal import print_json, safe

    difference = compare(old, new)
    if json:
        print_json({"old": str(old), "new": str(new), **_plain(difference)})
    else:
        _show(difference)
        for note in difference.notes:
            print(safe(note, 400))


def _plain(difference: Difference) -> dict[str, Any]:
    rows = zip(*(column.tolist() for column in difference.relabelled), strict=True)
    return {
        "added": difference.added.tolist(),
        "removed": difference.removed.tolist(),
        "relabelled": [{"id": key, "old": old_label, "new": new_label} for key, old_label, new_label in rows],
        "classes": {name: {"old": before, "new": after} for name, (before, after) in difference.sizes.items()},
        "error_rate": {
            "old": asdict(difference.before) | {"ends": difference.ends[0]},
            "new": asdict(difference.now) | {"ends": difference.ends[1]},
        },
        "notes": difference.notes,
    }


def _show(difference: Difference) -> None:
    from rich.text import Text

    from labelsieve.cli.id_table import print_rows, whole
    from labelsieve.cli.terminal import blank_table, printer, safe
    from labelsieve.core.shares import percent

    console = printer()
    ids, old_labels, new_labels = difference.relabelled
    console.print(f"Added: {len(difference.added):,}. Removed: {len(difference.removed):,}. Relabelled: {len(ids):,}.")
    rates = (difference.before.count, difference.now.count)
    for name, rate, spread in zip(("before", "now"), rates, difference.ends, strict=True):
        console.print(f"Labels still wrong, {name}: {percent(rate, '.2f')} ({spread})")
    for sign, keys in (("+", difference.added), ("-", difference.removed)):
        for key in keys[:ROWS]:
            console.print(Text(f"  {sign} {whole(key)}"))
        if len(keys) > ROWS:
            console.print(f"  {sign} and {len(keys) - ROWS:,} more")
    if len(ids):
        rows = [
            (whole(key), safe(before, 30), safe(now, 30))
            for key, before, now in zip(ids[:ROWS], old_labels[:ROWS], new_labels[:ROWS], strict=True)
        ]
        print_rows(console, "Relabelled", ("id", "before", "now"), rows)
    changed = {name: sizes for name, sizes in difference.sizes.items() if sizes[0] != sizes[1]}
    if changed:
        table = blank_table("Classes whose size changed")
        for name in ("class", "before", "now", "change"):
            table.add_column(name, justify="left" if name == "class" else "right", no_wrap=True)
        largest = sorted(changed.items(), key=lambda item: -abs(item[1][1] - item[1][0]))[:ROWS]
        for name, (before, after) in largest:
            table.add_row(Text(safe(name, 40)), f"{before:,}", f"{after:,}", f"{after - before:+,}")
        console.print(table)
    if len(ids) > ROWS or len(changed) > ROWS:
        console.print("For the full lists: labelsieve diff OLD NEW --json")
