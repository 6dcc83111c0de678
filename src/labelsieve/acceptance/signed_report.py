"""The signed report on a batch, as Markdown without markup from the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelsieve.core.errors import UserError
from labelsieve.core.files import replacing, write_json
from labelsieve.core.printable import in_markdown
from labelsieve.core.shares import percent


def write(run: Path, name: str, record: dict[str, Any]) -> Path:
    """Write the report and the record as NAME.md and NAME.json into the run folder; return the path of the report.

    Raises:
        UserError: the folder cannot be written.
    """
    report = run / f"{name}.md"
    try:
        write_json(run / f"{name}.json", record)
        with replacing(report) as partial:
            partial.write_bytes(markdown(record).encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UserError(f"{run} cannot be written ({error.strerror or error}).") from error
    return report


def markdown(record: dict[str, Any]) -> str:
    """The report of `labelsieve accept`, made from the record that is saved next to it as JSON."""
    terms, result, rows = record["plan"], record["result"], record["rows"]
    lines = [
        f"# {in_markdown(record['run'])}: {record['verdict']}",
        "",
        in_markdown(record["why"]),
        "",
        f"- Signed by {in_markdown(record['signed_by'])}, {record['at']}",
        f"- Batch: {rows:,} rows, SHA-256 of ids and labels `{record['data_sha256']}`",
        f"- Decisions: SHA-256 `{record['decisions_sha256']}`",
        f"- Plan: {terms['kind']}, at most {percent(terms['max_error'], '.4g')} wrong, confidence "
        f"{percent(terms['confidence'], '.4g')}, reviewers err on at most {percent(terms['reviewer_error'], '.4g')}",
        f"- Sample: {len(record['sample']['ids']):,} rows drawn with seed {record['sample']['seed']}, "
        f"{result['reviewed']:,} reviewed, {result['found']:,} called wrong, {result['unclear']:,} without one clear "
        "answer",
    ]
    if record["note"]:
        lines.append(f"- {in_markdown(record['note'])}")
    lines += [
        "",
        "Each interval holds on its own with the confidence of the plan.",
        "",
        "| | rows | reviewed | wrong, low | wrong, high |",
    ]
    lines += ["| --- | ---: | ---: | ---: | ---: |"]
    whole = {"name": "whole batch", "rows": rows, "reviewed": result["reviewed"], "wrong": result["wrong"]}
    named = [
        ("", whole),
        *(("class ", part) for part in result["classes"]),
        *(("group ", part) for part in result["groups"]),
        *(("annotator ", part) for part in result["annotators"]),
    ]
    for kind, part in named:
        low, high = (percent(part["wrong"][end] / part["rows"], ".4g") for end in ("low", "high"))
        lines.append(
            f"| {kind}{in_markdown(part['name'])} | {part['rows']:,} | {part['reviewed']:,} | {low} | {high} |"
        )
    return "\n".join(lines) + "\n"
