"""The output of `accept`: the plan and how to review the sample, or the verdict."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.text import Text

from labelsieve.acceptance.accept import BatchVerdict
from labelsieve.acceptance.verdict import Acceptance
from labelsieve.cli.terminal import printer, prose, safe
from labelsieve.core.sample import ACCEPT
from labelsieve.core.shares import percent
from labelsieve.places.paths import join

_STYLE = {"accept": "bold green", "reject": "bold red", "go on": "bold yellow"}
_PARTS = 5  # most classes and groups in the output


def show(batch: BatchVerdict, run: Path) -> None:
    """Print the result of `accept` to stdout."""
    if batch.result is None:
        _plan(batch, run)
    else:
        _verdict(batch, batch.result, run)


def _plan(batch: BatchVerdict, run: Path) -> None:
    console, sample = printer(), batch.sample
    if batch.note:
        prose(console, safe(batch.note, 600))
    terms = sample.plan
    limit, confidence = percent(terms["max_error"], ".4g"), percent(terms["confidence"], ".4g")
    prose(console, f"Plan: {terms['kind']}, at most {limit} wrong, confidence {confidence}.")
    counts = terms.get("counts")
    if counts:
        rule = f"Accept with at most {counts['accept']} wrong among the first {counts['first']:,}"
        prose(console, f"{rule}; reject with more than {counts['limit']}.")
        if counts["second"]:
            more = f"In between, review {counts['second']:,} more and accept with at most {counts['limit']}"
            prose(console, f"{more} wrong in both together.")
    drawn = f"{len(sample.ids):,} rows were drawn; they are listed in samples/{sample.name}.json."
    prose(console, f"{drawn} Review them blind, in this order, then run `accept` again:")
    named = shlex.quote(str(run))
    print(f"  labelsieve review {named} --sample {sample.name}")
    print(f"  labelsieve accept {named} --name {sample.name.removeprefix('accept-')}")


def _verdict(batch: BatchVerdict, result: Acceptance, run: Path) -> None:
    console, sample = printer(), batch.sample
    prose(console, Text.assemble((result.verdict.upper(), _STYLE[result.verdict]), f": {result.why}"))
    unclear = f", {result.unclear:,} without a clear answer" if result.unclear else ""
    reviewed = f"Reviewed {result.reviewed:,} of {len(sample.ids):,} drawn"
    prose(console, f"{reviewed}, {result.found:,} wrong{unclear}.")
    for title, parts in (("class", result.classes), ("group", result.groups), ("annotator", result.annotators)):
        for part in sorted(parts, key=lambda p: -p.wrong.low / p.rows)[:_PARTS]:
            low, high = percent(part.wrong.low / part.rows), percent(part.wrong.high / part.rows)
            name = f"{title} {safe(part.name, 40)}"
            console.print(f"  {name}: {low} to {high} wrong ({part.reviewed:,} reviewed)")
    if batch.note:
        prose(console, Text(safe(batch.note, 600), "yellow"))
    if result.verdict == "go on":
        sequential = "counts" not in sample.plan
        longer = " and --size for more rows" if sequential and result.reviewed == len(sample.ids) else ""
        name = sample.name.removeprefix(ACCEPT)
        console.print(f"Continue the review, then run `accept` again with --name {name}{longer}.")
    prose(console, f"The report is in {safe(join(str(run), sample.name), 200)}.md and .json.")
