"""The verdict of `check` as JUnit XML and Markdown, without markup from the data."""

from __future__ import annotations

import re
import xml.etree.ElementTree as xml
from collections.abc import Sequence
from typing import Any

from labelsieve.core.printable import in_markdown, visible
from labelsieve.decide.contract import Rule


def junit_xml(rules: Sequence[Rule], run: str) -> str:
    """JUnit XML: one suite, one case per rule."""
    broken = str(sum(not rule.holds for rule in rules))
    counts = {"tests": str(len(rules)), "failures": broken, "errors": "0", "time": "0"}
    suites = xml.Element("testsuites", counts)
    suite = xml.SubElement(suites, "testsuite", {"name": _legal(f"labelsieve check {run}"), "skipped": "0"} | counts)
    for rule in rules:
        case = xml.SubElement(suite, "testcase", {"classname": "labelsieve.contract", "name": rule.name, "time": "0"})
        if not rule.holds:
            failure = xml.SubElement(case, "failure", {"message": _legal(rule.sentence), "type": "contract"})
            failure.text = _legal("\n".join([f"limit {rule.limit}, actual {rule.value}", *map(_line, rule.ids)]))
    xml.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(suites, encoding="unicode") + "\n"


def markdown_table(rules: Sequence[Rule], run: str) -> str:
    """A Markdown table, then the offending ids of each broken rule as code."""
    broken = sum(not rule.holds for rule in rules)
    verdict = f"{broken} of {len(rules)} rules are broken" if broken else "the contract holds"
    lines = [
        f"### {in_markdown(run)}: {verdict}",
        "",
        "| | rule | limit | actual | |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    for rule in rules:
        mark = "✅ holds" if rule.holds else "❌ broken"
        cells = (f"`{rule.name}`", _number(rule.limit), _number(rule.value), in_markdown(rule.sentence))
        lines.append(f"| {mark} | {' | '.join(cells)} |")
    for rule in rules:
        if rule.ids:
            more = f", the first {len(rule.ids)} of {rule.offending:,}" if rule.offending > len(rule.ids) else ""
            lines += ["", f"`{rule.name}`{more}:", "", *(f"    {_line(key)}" for key in rule.ids)]
    return "\n".join(lines) + "\n"


def _number(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} classes"
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _line(key: str) -> str:
    return visible(key, 200)


def _legal(text: str) -> str:
    """The text with characters that XML 1.0 does not allow as escapes."""
    return re.sub(
        r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]",
        lambda m: m[0].encode("unicode_escape", "surrogatepass").decode(),
        text,
    )
