"""The summary of `find` in the terminal."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelsieve.cli.screen import safe
from labelsieve.decide.summary import Summary


def show(summary: Summary, folder: Path, console: Console | None = None) -> None:
    """Print the summary of a run to stdout."""
    console = console or Console(soft_wrap=False, highlight=False)
    wide = console.width >= 100
    low, count, high = summary.estimate
    console.print(_headline(summary))
    console.print(
        Text.assemble(
            ("About ", ""),
            (f"{count:,.0f} labels are probably wrong", "bold"),
            f" ({_share(summary.rate)}; 95 % interval {low:,.0f} to {high:,.0f}). Flagged: {summary.flagged:,}.",
        )
    )
    for text in summary.notes:
        console.print(Text(f"Note: {safe(text, 400)}", "yellow"))
    if summary.top:
        _suspects(console, summary, wide)
    if summary.confusions:
        _confusions(console, summary)
    if any(health.expected_wrong >= 0.5 for health in summary.worst_classes):
        _classes(console, summary)
    if summary.duplicates is not None and summary.duplicates.groups:
        _duplicates(console, summary)
    if summary.excluded:
        _excluded(console, summary, folder)
    console.print()
    console.print(Text.assemble(("Everything is in ", ""), (f"{folder}/", "bold"), ": findings.parquet has one row an example, ranked."))
    console.print(Text("Next: look at the first rows, or compare with known labels:"))
    console.print(Text(f"  labelsieve evaluate {shlex.quote(str(folder))} --truth truth.csv", "cyan"))


def _headline(summary: Summary) -> Text:
    seconds = sum(summary.settings.get("seconds", {}).values())
    left_out = f", {summary.excluded:,} left out" if summary.excluded else ""
    what = {"image": "images", "text": "texts", "features": "feature rows", "probs": "rows of probabilities"}.get(summary.kind, "examples")
    return Text.assemble(
        (safe(summary.source, 48), "bold"), f": {summary.examples:,} {what}, {summary.classes:,} classes{left_out}. {seconds:.1f} s."
    )


def _suspects(console: Console, summary: Summary, wide: bool) -> None:
    table = Table(box=SIMPLE_HEAD, title="Most suspicious", title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("id", no_wrap=True)
    table.add_column("given", style="red", no_wrap=True)
    table.add_column("likely", style="green", no_wrap=True)
    table.add_column("p(wrong)", justify="right", no_wrap=True)
    table.add_column("why", style="dim", overflow="fold")
    for s in summary.top:
        row = (safe(s.id, 34 if wide else 22), safe(s.given_label, 18 if wide else 11), safe(s.suggested_label, 18 if wide else 11))
        table.add_row(*map(Text, row), f"{s.p_wrong:.2f}", Text(safe(s.reason, 120)))
    console.print(table)


def _confusions(console: Console, summary: Summary) -> None:
    table = Table(box=SIMPLE_HEAD, title="Commonest confusions", title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("given", no_wrap=True)
    table.add_column("likely", no_wrap=True)
    table.add_column("expected", justify="right")
    for c in summary.confusions[:5]:
        table.add_row(Text(safe(c.given_label, 30)), Text(safe(c.likely_label, 30)), f"{c.expected:,.0f}")
    console.print(table)


def _classes(console: Console, summary: Summary) -> None:
    table = Table(box=SIMPLE_HEAD, title="Classes that need most attention", title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("class", no_wrap=True)
    table.add_column("examples", justify="right")
    table.add_column("probably wrong", justify="right")
    table.add_column("mostly", no_wrap=True)
    for h in [h for h in summary.worst_classes if h.expected_wrong >= 0.5][:5]:
        table.add_row(Text(safe(h.label, 30)), f"{h.examples:,}", f"{h.expected_wrong:,.0f} ({_share(h.rate)})", Text(safe(h.mostly, 30)))
    console.print(table)


def _duplicates(console: Console, summary: Summary) -> None:
    found = summary.duplicates
    assert found is not None
    console.print(
        Text.assemble(("Duplicates: ", "bold"), f"{found.groups:,} groups, in {found.conflicting:,} of them the labels disagree.")
    )
    for group in found.examples[:3]:
        console.print(Text("  " + "  ≡  ".join(f"{safe(key, 34)} ({safe(label, 18)})" for key, label in group[:3])))


def _excluded(console: Console, summary: Summary, folder: Path) -> None:
    console.print(Text.assemble(("Left out: ", "bold"), f"{summary.excluded:,}, listed in {folder / 'excluded.csv'}"))
    for why, count in summary.exclusion_reasons[:5]:
        console.print(Text(f"  {count:,}  {safe(why, 100)}"))


def _share(rate: float) -> str:
    return f"{100 * rate:.1f} %"
