"""The signed-off report on a batch, as Markdown that holds no markup from the data."""

from __future__ import annotations

import re
from typing import Any

from labelsieve.core.printable import visible


def markdown(record: dict[str, Any]) -> str:
    """The report of `labelsieve accept`, from the record that stands beside it as JSON."""
    terms, result, rows = record["plan"], record["result"], record["rows"]
    lines = [
        f"# {_cell(record['run'])}: {record['verdict']}",
        "",
        _cell(record["why"]),
        "",
        f"- Signed by {_cell(record['signed_by'])}, {record['at']}",
        f"- Batch: {rows:,} rows, SHA-256 of ids and labels `{record['data_sha256']}`",
        f"- Decisions: SHA-256 `{record['decisions_sha256']}`",
        f"- Plan: {terms['kind']}, at most {_percent(terms['max_error'])} wrong, confidence {_percent(terms['confidence'])}, "
        f"reviewers err on at most {_percent(terms['reviewer_error'])}",
        f"- Sample: {len(record['sample']['ids']):,} rows drawn with seed {record['sample']['seed']}, {result['reviewed']:,} reviewed, "
        f"{result['found']:,} called wrong, {result['unclear']:,} without one clear answer",
    ]
    if record["note"]:
        lines.append(f"- {_cell(record['note'])}")
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
    ]
    for kind, part in named:
        low, high = (_percent(part["wrong"][end] / part["rows"]) for end in ("low", "high"))
        lines.append(f"| {kind}{_cell(part['name'])} | {part['rows']:,} | {part['reviewed']:,} | {low} | {high} |")
    return "\n".join(lines) + "\n"


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _cell(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|#~&!])", r"\\\1", visible(text, 400))
