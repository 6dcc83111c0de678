"""What `labelsieve apply` prints: the changes, the conflicts, the notes and the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelsieve.corrections.apply_changes import Applied

SHOWN = 10


def show(done: Applied, *, by_people: bool) -> None:
    """Print a summary; `by_people`: only their decisions were to be applied, not suggestions and no patch."""
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
    elif by_people and not done.conflicts and not done.not_read:
        console.print(
            "No decision changes a label so far. Make some with `labelsieve review`, or take suggestions: --auto."
        )
    if len(changes) > SHOWN:
        console.print(f"and {len(changes) - SHOWN:,} more, see {'patch.csv or ' if done.out else ''}--json")
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
