"""labelsieve check: does the data set keep its contract?"""

from __future__ import annotations

import re
import xml.etree.ElementTree as xml
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from labelsieve.decide.contract import Rule


def check(
    run: Annotated[Path, Parameter(help="A run folder that `find` wrote.")],
    /,
    *,
    contract: Annotated[Path, Parameter(help="The rules, a TOML file.")],
    against: Annotated[Path | None, Parameter(help="The run of the last version, for no_worse_than_last.")] = None,
    junit: Annotated[Path | None, Parameter(help="Write the verdict as JUnit XML, for a build server.")] = None,
    markdown: Annotated[
        Path | None, Parameter(help="Write the verdict as a Markdown table, for a pull request.")
    ] = None,
    json: Annotated[bool, Parameter(help="Print one JSON object.", negative="")] = False,
) -> int:
    """Hold a data set, after its decisions, against a contract. Exit code 0: it holds, 1: it is broken, 2: a mistake."""
    from labelsieve.cli.terminal import print_json
    from labelsieve.core.errors import UserError
    from labelsieve.core.files import replacing
    from labelsieve.decide.contract import check as check_rules
    from labelsieve.decide.contract import read_contract
    from labelsieve.store.open_run import open_run, require_current

    wanted = read_contract(contract)
    if against is not None and not wanted.no_worse_than_last:
        raise UserError(
            f"--against {against} has no use: {contract} has no rule no_worse_than_last = true. Add the rule, or leave out --against."
        )
    there = open_run(run)
    notes = require_current(there)
    rules = check_rules(wanted, there.now, None if against is None else open_run(against).now)
    holds = all(rule.holds for rule in rules)
    for path, text in ((junit, junit_xml), (markdown, markdown_table)):
        if path is not None:
            try:
                with replacing(path) as partial:
                    partial.write_bytes(text(rules, str(run)).encode("utf-8", "backslashreplace"))
            except OSError as error:
                raise UserError(f"{path} cannot be written ({error.strerror or error}).") from error
    if json:
        print_json(
            {
                "run": str(run),
                "contract": str(contract),
                "holds": holds,
                "rules": [asdict(rule) for rule in rules],
                "notes": notes,
            }
        )
    else:
        _show(rules, run, notes)
    return 0 if holds else 1


def _show(rules: tuple[Rule, ...], run: Path, notes: list[str]) -> None:
    from rich.text import Text

    from labelsieve.cli.id_table import whole
    from labelsieve.cli.terminal import printer, prose, safe

    console = printer()
    for rule in rules:
        mark = ("holds ", "green") if rule.holds else ("BROKEN", "bold red")
        prose(console, Text.assemble(mark, f"  {rule.name}: {safe(rule.sentence, 400)}"))
        if rule.ids:
            more = f" and {rule.offending - 5:,} more" if rule.offending > 5 else ""
            console.print(Text("        " + ", ".join(map(whole, rule.ids[:5])) + more, "dim"))
    for note in notes:
        prose(console, Text(safe(note, 400), "yellow"))
    broken = sum(not rule.holds for rule in rules)
    console.print(
        f"\n{safe(str(run), 200)}: "
        + (f"{broken} of {len(rules)} rules are broken." if broken else "the contract holds.")
    )


def junit_xml(rules: tuple[Rule, ...], run: str) -> str:
    """The verdict as JUnit XML: one suite, one case a rule."""
    broken = str(sum(not rule.holds for rule in rules))
    counts = {"tests": str(len(rules)), "failures": broken, "errors": "0", "time": "0"}
    suites = xml.Element("testsuites", counts)
    suite = xml.SubElement(suites, "testsuite", {"name": _legal(f"labelsieve check {run}"), "skipped": "0"} | counts)
    for rule in rules:
        case = xml.SubElement(suite, "testcase", {"classname": "labelsieve.contract", "name": rule.name, "time": "0"})
        if not rule.holds:
            failure = xml.SubElement(case, "failure", {"message": _legal(rule.sentence), "type": "contract"})
            failure.text = _legal("\n".join([f"limit {rule.limit}, found {rule.value}", *map(_line, rule.ids)]))
    xml.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(suites, encoding="unicode") + "\n"


def markdown_table(rules: tuple[Rule, ...], run: str) -> str:
    """The verdict as a Markdown table, then the offenders of each broken rule as code."""
    broken = sum(not rule.holds for rule in rules)
    verdict = f"{broken} of {len(rules)} rules are broken" if broken else "the contract holds"
    lines = [f"### {_cell(run)}: {verdict}", "", "| | rule | limit | found | |", "| --- | --- | ---: | ---: | --- |"]
    for rule in rules:
        mark = "✅ holds" if rule.holds else "❌ broken"
        lines.append(
            f"| {mark} | `{rule.name}` | {_number(rule.limit)} | {_number(rule.value)} | {_cell(rule.sentence)} |"
        )
    for rule in rules:
        if rule.ids:
            more = f", the first {len(rule.ids)} of {rule.offending:,}" if rule.offending > len(rule.ids) else ""
            lines += ["", f"`{rule.name}`{more}:", "", *(f"    {_line(key)}" for key in rule.ids)]
    return "\n".join(lines) + "\n"


def _number(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} classes"
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _line(key: str, width: int = 200) -> str:
    from labelsieve.cli.terminal import safe

    return safe(key, width)


def _cell(text: str) -> str:
    """Text that stays one cell and cannot become markup."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&!])", r"\\\1", _line(text, 400))


def _legal(text: str) -> str:
    """What XML 1.0 cannot hold becomes an escape."""
    return re.sub(
        r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]",
        lambda m: m[0].encode("unicode_escape", "surrogatepass").decode(),
        text,
    )
