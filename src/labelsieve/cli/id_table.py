"""Tables whose first column is an id, which is never cut: the other columns shrink first, and ids that leave them too little room stand
on a line of their own above their row."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelsieve.cli.terminal import blank_table, safe

LONGEST = 4096  # characters of an id; a path is no longer
LAST = 24  # columns that the last column, which folds, is left
GAP = 3  # columns between two columns


def whole(text: str) -> str:
    """All of a text, what cannot be seen in it as escapes."""
    return safe(text, LONGEST)


def print_rows(
    console: Console,
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    styles: Sequence[str | None] = (),
    right: Sequence[str] = (),
    below: Sequence[str] = (),
) -> None:
    """Print a table.

    Args:
        headings: of the columns, that of the id first. The last column folds, the others stay on their line.
        rows: the cells, made fit to be seen by the caller; the id whole.
        styles: of the columns; None or none at all is plain.
        right: headings of columns that stand to the right.
        below: a line below each row, "" for none; it is cut where the screen ends.
    """
    widths = [max(cell_len(text) for text in column) for column in zip(headings, *rows, strict=True)]
    room = console.width - sum(widths[1:-1]) - GAP * (len(widths) - 1) - min(widths[-1], LAST)
    apart = widths[0] > room
    first = 1 if apart else 0
    styles = [*styles, *[None] * (len(headings) - len(styles))]

    def table(some: Sequence[Sequence[str]], named: str = "") -> Table:
        made = blank_table(named)
        made.show_header = bool(named)
        for i in range(first, len(headings)):
            side = "right" if headings[i] in right else "left"
            if i < len(headings) - 1:
                made.add_column(headings[i], width=widths[i], style=styles[i], justify=side, no_wrap=True)
            else:
                left = console.width - sum(widths[first:-1]) - GAP * (len(headings) - first - 1)
                made.add_column(
                    headings[i], width=min(widths[i], max(left, 8)), style=styles[i], justify=side, overflow="fold"
                )
        for row in some:
            made.add_row(*map(Text, row[first:]))
        return made

    console.print()
    if not apart and not any(below):
        console.print(table(rows, title))
        return
    console.print(table((), title))
    for i, row in enumerate(rows):
        if apart:
            console.print(Text(row[0]), overflow="fold")
        console.print(table([row]))
        if i < len(below) and below[i]:
            console.print(Text(f"  {safe(below[i], console.width - 4)}", "italic"), overflow="fold")
