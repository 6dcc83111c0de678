"""The summary of `find` in the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelsieve.cli.id_table import print_rows, whole
from labelsieve.cli.terminal import blank_table, printer, safe
from labelsieve.core.annotators import worst
from labelsieve.core.count_words import flags
from labelsieve.core.run_files import LEAKS
from labelsieve.core.shares import percent
from labelsieve.core.wording import quoted
from labelsieve.decide.summary import AnnotatorSummary, Summary
from labelsieve.places.paths import join

ROWS = 5  # of the small tables
MANY = 10  # splits, and pairs of splits
LIKELY = 0.05  # examples with a p(wrong) below it are not listed
NARROW = 100  # columns; on narrower terminals names are shortened more
KINDS = {"image": "images", "text": "texts", "features": "rows of features", "probs": "rows of probabilities"}


def show(summary: Summary, folder: Path) -> None:
    """Print the summary of a run to stdout."""
    console = printer()
    name = 30 if console.width >= NARROW else 20
    _headline(console, summary)
    if any(s.p_wrong >= LIKELY for s in summary.top):
        _suspects(console, summary)
        if any("model" in s.reason for s in summary.top):
            console.print(
                "why: the model's probability for the likely and for the given label; "
                "neighbours are the nearest examples."
            )
        if any(s.p_wrong >= LIKELY and s.suggested_label == s.given_label for s in summary.top):
            console.print("(class): the next most likely class; the label is not flagged, and more likely right.")
    if summary.confusions:
        _table(console, _confusions(summary, name))
    if any(health.expected_wrong >= 0.5 for health in summary.worst_classes):
        _table(console, _classes(summary, name))
    if len(summary.splits) > 1:
        _table(console, _splits(summary, name))
    if summary.annotators is not None:
        _annotators(console, summary.annotators, name)
    if summary.duplicates is not None and summary.duplicates.groups:
        _duplicates(console, summary)
    if summary.leaks:
        _leaks(console, summary, folder)
    if summary.excluded:
        _excluded(console, summary, folder)
    _next_steps(console, summary, folder)


def _next_steps(console: Console, summary: Summary, folder: Path) -> None:
    shown, named = safe(str(folder), 200), quoted(folder)
    console.print(
        Text.assemble(
            "\nEverything is in ",
            (f"{shown}/", "bold"),
            "; findings.parquet opens with pandas, Polars and DuckDB. Next:",
        )
    )
    steps = {}
    if summary.first:
        size, minutes = summary.first["size"], summary.first["minutes"]
        console.print(
            f"The number of wrong labels is uncertain. Reviewing {size:,} random examples blind, about {minutes} "
            "minutes, measures it."
        )
        steps[f"labelsieve review {named} --sample {summary.first['name']}"] = "first: review a random sample"
    steps |= {
        f"labelsieve review {named}": "review the findings",
        f"labelsieve apply {named} -o corrected": "write the corrected data",
        f"labelsieve export {named} --to csv -o findings.csv": "or export the table",
    }
    width = max(map(len, steps))
    fits = width + 4 + max(map(len, steps.values())) <= console.width
    for step, why in steps.items():
        console.print(
            Text.assemble("  ", (step, "cyan"), " " * (width - len(step) + 2) + why if fits else ""), soft_wrap=True
        )


def _headline(console: Console, summary: Summary) -> None:
    seconds = sum(summary.settings.get("seconds", {}).values())
    left_out = f", {summary.excluded:,} left out" if summary.excluded else ""
    kind, several = KINDS.get(summary.kind, "examples"), summary.settings.get("several") or 0
    if summary.annotators is not None and summary.kind == "probs":
        kind = "examples"  # of which the votes alone are known
    size = f"{summary.examples:,} {kind}, {summary.classes:,} classes{left_out}"
    if boxes := summary.boxes:
        size = f"{boxes.boxes:,} boxes and {boxes.crops:,} crops without a box, {summary.classes:,} classes{left_out}"
    if several:
        about = f"{summary.examples // several:,} {kind} and {'1 class' if several == 1 else f'{several:,} classes'}"
        size = f"{summary.examples:,} questions about {about}{left_out}"
    _, count, _ = summary.estimate
    rate = f" ({percent(summary.rate)}): {summary.ends}. {flags(summary.flagged, summary.expected_precision)}."
    console.print(
        Text.assemble((safe(summary.source, 48), "bold"), ": " if summary.source else "", f"{size}. {seconds:.1f} s.")
    )
    noun = "label is" if round(count) == 1 else "labels are"
    console.print(Text.assemble("About ", (f"{count:,.0f} {noun} probably wrong", "bold"), rate))
    if summary.boxes is not None:
        console.print(Text(str(summary.boxes)))
    for note in summary.notes:
        console.print(Text(f"Note: {safe(note, 600)}", "yellow"))


def _table(console: Console, table: Table) -> None:
    console.print()
    console.print(table)


def _suspects(console: Console, summary: Summary) -> None:
    """The most suspicious examples, each with its text or values on the line below."""
    rows = [s for s in summary.top if s.p_wrong >= LIKELY]
    label = 18 if console.width >= NARROW else 11
    other = [(safe(s.other_label, label), s.suggested_label != s.given_label) for s in rows]
    likely = [name if suggested else f"({name})" for name, suggested in other]
    print_rows(
        console,
        "Most suspicious",
        ("id", "given", "likely", "p(wrong)", "why"),
        [
            (whole(s.id), safe(s.given_label, label), other, f"{s.p_wrong:.2f}", safe(s.reason, 120))
            for s, other in zip(rows, likely, strict=True)
        ],
        styles=(None, "red", "green", None, "dim"),
        right=("p(wrong)",),
        below=[s.snippet or "" for s in rows],
    )


def _confusions(summary: Summary, width: int) -> Table:
    table = blank_table("Most frequent confusions")
    table.add_column("given", no_wrap=True)
    table.add_column("likely", no_wrap=True)
    table.add_column("expected", justify="right")
    for c in summary.confusions[:ROWS]:
        table.add_row(Text(safe(c.given_label, width)), Text(safe(c.likely_label, width)), f"{c.expected:,.0f}")
    return table


def _classes(summary: Summary, width: int) -> Table:
    table = blank_table("Classes by share of wrong labels")
    table.add_column("class", no_wrap=True)
    table.add_column("examples", justify="right")
    table.add_column("probably wrong", justify="right")
    table.add_column("mostly", no_wrap=True)
    for h in [h for h in summary.worst_classes if h.expected_wrong >= 0.5][:ROWS]:
        wrong = f"{h.expected_wrong:,.0f} ({percent(h.rate)})"
        table.add_row(Text(safe(h.label, width)), f"{h.examples:,}", wrong, Text(safe(h.mostly, width)))
    return table


def _splits(summary: Summary, width: int) -> Table:
    table = blank_table("Splits")
    table.add_column("split", no_wrap=True)
    table.add_column("examples", justify="right")
    table.add_column("probably wrong", justify="right")
    for one in summary.splits[:MANY]:
        wrong = f"{one.expected_wrong:,.0f} ({percent(one.rate)})"
        table.add_row(Text(safe(one.split, width)), f"{one.examples:,}", wrong)
    return table


def _leaks(console: Console, summary: Summary, folder: Path) -> None:
    file = safe(join(str(folder), LEAKS), 200)
    console.print(Text.assemble(("\nLeaks between splits", "bold"), f", listed in {file}:"))
    for leak in summary.leaks[:MANY]:
        console.print(Text(f"  {safe(str(leak), 200)}."))
    if len(summary.leaks) > MANY:
        console.print(f"  and {len(summary.leaks) - MANY:,} more pairs of splits")


def _annotators(console: Console, found: AnnotatorSummary, width: int) -> None:
    """How far the annotators agree, the least accurate ones, spam, copies, and what to ask again."""
    agree = "" if found.alpha is None else f", Krippendorff's alpha {found.alpha:.2f}"
    console.print(Text.assemble("\n", (f"{found.many:,} annotators", "bold"), f", {found.votes:,} votes{agree}."))
    table = blank_table("Least accurate annotators")
    table.add_column("annotator", no_wrap=True)
    table.add_column("votes", justify="right")
    table.add_column("right", justify="right")
    table.add_column("95 %", justify="right", no_wrap=True)
    table.add_column("mostly confuses")
    for one in found.annotators[:ROWS]:
        mark = " like spam" if one.spam else ""
        ends = f"{percent(one.low, '.0f')} to {percent(one.high, '.0f')}"
        error = Text(safe(worst(one), 2 * width) + mark)
        table.add_row(Text(safe(one.name, width)), f"{one.votes:,}", percent(one.accuracy, ".0f"), ends, error)
    console.print(table)
    if found.spam:
        listed = ", ".join(safe(name, width) for name in found.spam[:ROWS]) + (
            ", ..." if len(found.spam) > ROWS else ""
        )
        console.print(Text(f"Answers that hardly depend on the example, like spam: {len(found.spam):,} ({listed})."))
    for pair in found.copies[:ROWS]:
        console.print(
            Text(
                f"{safe(pair.one, width)} and {safe(pair.other, width)} agree on {pair.agreed:,} of {pair.shared:,} "
                f"examples; {pair.expected:,.0f} were to be expected. One may copy from the other."
            )
        )
    if found.ask:
        first = found.ask[0]
        who = f", best from {', '.join(safe(name, width) for name in first.annotators)}" if first.annotators else ""
        console.print(Text(f"One more vote helps most on {safe(first.id, 48)}{who}; annotators.json lists more."))


def _duplicates(console: Console, summary: Summary) -> None:
    duplicates = summary.duplicates
    assert duplicates is not None
    groups = "1 group" if duplicates.groups == 1 else f"{duplicates.groups:,} groups"
    counts = f"{groups}, in {duplicates.conflicting:,} of them the labels disagree."
    console.print(Text.assemble(("\nDuplicates: ", "bold"), counts))
    for group in duplicates.examples[:3]:
        members = [f"{whole(key)} ({safe(label, 12)})" for key, label in group[:3]]
        more = f"  and {len(group) - 3} more" if len(group) > 3 else ""
        line = f"  {'  =  '.join(members)}{more}"
        fits = cell_len(line) <= console.width
        console.print(Text(line if fits else "  " + "\n  =  ".join(members) + more), overflow="fold")


def _excluded(console: Console, summary: Summary, folder: Path) -> None:
    console.print(
        Text.assemble(
            ("\nLeft out: ", "bold"), f"{summary.excluded:,}, listed in {safe(join(str(folder), 'excluded.csv'), 200)}"
        )
    )
    for why, count in summary.exclusion_reasons[:ROWS]:
        console.print(Text(f"  {count:,}  {safe(why, 100)}"))
