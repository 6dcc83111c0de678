"""The table of `evaluate` in the terminal."""

from __future__ import annotations

import math

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from labelsieve.decide.evaluate import Evaluation


def show(result: Evaluation, console: Console | None = None) -> None:
    """Print an evaluation to stdout."""
    console = console or Console(highlight=False)
    table = Table(box=SIMPLE_HEAD, title="Against the true labels (oracle)", title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("measure", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right", no_wrap=True)
    table.add_column("meaning", style="dim", overflow="fold")
    for name, value, low, high, meaning in result.rows():
        table.add_row(name, _number(value), "" if math.isnan(low) else f"{_number(low)} to {_number(high)}", meaning)
    console.print(table)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:,.0f}" if float(value).is_integer() and abs(value) > 1 else f"{value:.3f}"
