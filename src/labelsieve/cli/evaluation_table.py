"""The table of `evaluate` in the terminal."""

from __future__ import annotations

import math

from rich.text import Text

from labelsieve.cli.terminal import blank_table, printer
from labelsieve.decide.evaluate import Evaluation


def show(result: Evaluation) -> None:
    """Print an evaluation to stdout."""
    console = printer()
    low, count, high = result.estimate
    position = {True: ", inside that range", False: ", outside that range", None: ""}[result.inside]
    without = f" ({result.unknown:,} have no true label)" if result.unknown else ""
    size = f"{result.examples:,} {'questions' if result.several else 'examples'}{without}."
    console.print(Text.assemble(("Against the true labels (oracle)", "bold"), f": {size}"))
    console.print(
        f"Estimated {count:,.0f} wrong labels, between {low:,.0f} and {high:,.0f}; the true number is "
        f"{result.n_wrong:,}{position}."
    )
    table = blank_table()
    table.add_column("measure", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    table.add_column("meaning", style="dim")
    for name, measure, meaning in result.rows():
        interval = "" if math.isnan(measure.low) else f"{measure.low:.3f} to {measure.high:.3f}"
        table.add_row(name, "-" if math.isnan(measure.value) else f"{measure.value:.3f}", interval, meaning)
    console.print(table)
