"""Tables whose first column is an id, which is never cut.

The other columns shrink first; if the ids leave them too little space, each id is printed on a separate line above its
row.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelsieve.cli.terminal import blank_table, safe

LONGEST = 4096  # characters of an id; paths are not longer
LAST = 24  # smallest width of the last column, which folds
GAP = 3  # characters between two columns


def whole(text: str) -> str:
    """The whole text, with invisible characters as escapes."""
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
        headings: headings of the columns, the id first. The last column folds, the others stay on one line.
        rows: the cells, which the caller has made printable; the id in full.
        styles: styles of the columns; None or a missing style is plain.
        right: headings of right-aligned columns.
        below: a line below each row, "" for none; it is cut at the width of the screen.
    """
    widths = [max(cell_len(text) for text in column) for column in zip(headings, *rows, strict=True)]
    space = console.width - sum(widths[1:-1]) - GAP * (len(widths) - 1) - min(widths[-1], LAST)
    separate = widths[0] > space
    first = 1 if separate else 0
    styles = [*styles, *[None] * (len(headings) - len(styles))]

    def table(some: Sequence[Sequence[str]], heading: str = "") -> Table:
        grid = blank_table(heading)
        grid.show_header = bool(heading)
        for i in range(first, len(headings)):
            side = "right" if headings[i] in right else "left"
            if i < len(headings) - 1:
                grid.add_column(headings[i], width=widths[i], style=styles[i], justify=side, no_wrap=True)
            else:
                left = console.width - sum(widths[first:-1]) - GAP * (len(headings) - first - 1)
                grid.add_column(
                    headings[i], width=min(widths[i], max(left, 8)), style=styles[i], justify=side, overflow="fold"
                )
        for row in some:
            grid.add_row(*map(Text, row[first:]))
        return grid

    console.print()
    if not separate and not any(below):
        console.print(table(rows, title))
        return
    console.print(table((), title))
    for i, row in enumerate(rows):
        if separate:
            console.print(Text(row[0]), overflow="fold")
        console.print(table([row]))
        if i < len(below) and below[i]:
            console.print(Text(f"  {safe(below[i], console.width - 4)}", "italic"), overflow="fold")
